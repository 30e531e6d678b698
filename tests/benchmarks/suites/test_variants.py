"""Variants: named configurations of a method, from the suite file to the row of the table."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.support import HERE, NOISE, Call, no_warning, plan, write_method
from unlearn_bench.benchmarks.presets.preset import Preset
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.suites.variants import Variant, parse_variants, read_descriptions
from unlearn_bench.benchmarks.sweep.plan import _provenance
from unlearn_bench.benchmarks.sweep.runner import sweep
from unlearn_bench.errors import InputError
from unlearn_bench.leaderboards.records.encoding import from_json, to_json
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import read_folder
from unlearn_bench.leaderboards.records.wide_csv import read_csv, write_csv
from unlearn_bench.leaderboards.statistics.aggregate import boards

SEES_SYNTHETIC = """
made = request.synthesize()
request.report(0, images=float(made.unit.double().sum()), threshold=float(made.thresholds.max()))
return clip
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    return write_method(tmp_path, NOISE)


def with_variants(suite_file: Path, text: str) -> Path:
    suite_file.write_text(suite_file.read_text() + text)
    return suite_file


def run(suite_file: Path, methods: list[str], out: Path, **choice: list[str]) -> dict[tuple[str, str], Record]:
    cells = plan(suite_file, methods, **choice)
    tally = sweep(cells, out, HERE, listener=lambda _: None, warn=no_warning)
    assert tally.failed == 0, [record.reason for record in read_folder(out).records]
    return {(record.run.label, "+".join(record.run.forget)): record for record in read_folder(out).records}


def history(out: Path, record: Record) -> dict[str, Any]:
    (line,) = (out / "cells" / f"{record.run.key}.history.jsonl").read_text().splitlines()
    return dict(json.loads(line))


def test_a_variant_is_its_method_with_other_hyperparameters(suite_file: Path, mine: str, tmp_path: Path) -> None:
    text = f'[variants.loud]\nmethod = "{mine}"\nsource = "paper"\n[variants.loud.hyperparameters]\nstrength = 2.0\n'
    found = run(with_variants(suite_file, text), [mine, "loud"], tmp_path / "out", classes=["red"])
    plain, loud = found["mine", "red"], found["loud", "red"]
    assert (plain.run.hyperparameters["strength"], loud.run.hyperparameters["strength"]) == (0.5, 2.0)
    assert (plain.preset["source"], loud.preset["source"]) == ("default", "paper")
    assert (plain.run.method, loud.run.method) == ("mine", "mine")
    assert plain.run.variant == {}
    assert loud.run.variant == {
        "name": "loud",
        "method": mine,
        "hyperparameters": {"strength": 2.0},
        "source": "paper",
    }
    (board,) = boards(found.values())
    assert sorted(row.label for row in board.rows) == ["loud", "mine"]


def test_hyperparameters_of_a_variant_are_neither_tuned_nor_published() -> None:
    """Only a variant that changes something else, or says where its values come from, keeps the preset's standing."""
    preset = Preset(provenance={"source": "tuned", "trials": 16})
    plain = Variant(name="plain", method="lip", template="a {}")
    changed = Variant(name="changed", method="lip", hyperparameters={"text_loss": False})
    stated = Variant(name="stated", method="lip", hyperparameters={"text_loss": False}, source="paper-per-class")
    assert _provenance(preset, plain) == {"source": "tuned", "trials": 16}
    assert _provenance(preset, changed) == {"source": "given"}
    assert _provenance(preset, stated)["source"] == "paper-per-class"


def test_without_a_variant_nothing_of_it_is_written(suite_file: Path, mine: str, tmp_path: Path) -> None:
    """So records of before keep their keys and their bytes; with one, all ways of writing bring it back."""
    text = f'[variants.other]\nmethod = "{mine}"\nhyperparameters = {{ strength = 0.1 }}\n'
    found = run(with_variants(suite_file, text), [mine, "other"], tmp_path / "out", classes=["red"])
    records = list(found.values())
    (plain,) = plan(suite_file, [mine], classes=["red"])
    assert '"variant"' not in json.dumps(to_json(found["mine", "red"]))
    assert plain.run.key == found["mine", "red"].run.key
    for record in records:
        assert from_json(json.loads(json.dumps(to_json(record)))).run.key == record.run.key
    write_csv(tmp_path / "table.csv", records)
    again = {record.run.label: record.run for record in read_csv(tmp_path / "table.csv")}
    assert {name: run.key for name, run in again.items()} == {r.run.label: r.run.key for r in records}
    assert again["other"].variant["hyperparameters"] == {"strength": 0.1}


def test_another_template_changes_what_is_asked_and_not_what_is_learned(suite_file: Path, tmp_path: Path) -> None:
    """The model knows colours by their names, so a template that hides the name leaves nothing to recognise."""
    method = write_method(tmp_path, "request.report(0, text=request.forget[0].text)\nreturn clip")
    text = f'[variants.asked]\nmethod = "{method}"\ntemplate = "we can see a {{}} here"\n'
    found = run(with_variants(suite_file, text), [method, "asked"], tmp_path / "out", classes=["red"])
    asked = found["asked", "red"]
    assert {item.template for item in asked.run.evaluation} == {"we can see a {} here"}
    said = [history(tmp_path / "out", found[name, "red"])["text"] for name in ("asked", "mine")]
    assert said == ["a photo of a red.", "a photo of a red."]
    hidden = f'[variants.hidden]\nmethod = "{method}"\ntemplate = "x{{}}x"\n'
    file = with_variants(suite_file, hidden)
    strange = run(file, ["hidden"], tmp_path / "out", classes=["red"])["hidden", "red"]
    same = strange.find("accuracy", group="target")
    assert same is not None
    assert same.before == same.after == 1.0  # "xredx" still holds the name
    assert strange.run.key != asked.run.key


def test_settings_and_thresholds_of_synthetic_images(suite_file: Path, tmp_path: Path) -> None:
    method = write_method(tmp_path, SEES_SYNTHETIC)
    text = (
        f'[variants.strict]\nmethod = "{method}"\nsource = "paper-per-class"\n'
        "synthesis = { images_per_class = 2, threshold = 0.5 }\n"
        'by_class = { "red" = { threshold = 0.6, threshold_drop = 0 } }\n'
    )
    found = run(with_variants(suite_file, text), ["strict"], tmp_path / "out", classes=["red", "green"])
    used = {name: record.run.synthesis["threshold"] for (_, name), record in found.items()}
    assert used == {"red": 0.6, "green": 0.5}
    assert [record.run.synthesis["threshold_drop"] == 0 for record in found.values()].count(True) == 1
    with pytest.raises(InputError, match="has settings for 'red' alone"):
        plan(suite_file, ["strict"], classes=["red+green"])
    assert {record.run.synthesis["images_per_class"] for record in found.values()} == {2}
    assert history(tmp_path / "out", found["strict", "red"])["threshold"] == pytest.approx(0.6)
    (board,) = boards(found.values())
    (row,) = board.rows  # thresholds that go by class do not part a variant's row
    assert (row.label, row.standing) == ("strict", "apart")


def test_images_made_for_descriptions(suite_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method = write_method(tmp_path, SEES_SYNTHETIC)
    monkeypatch.setenv("UNLEARN_BENCH_DATA", str(tmp_path))
    sentences = {"RED": ["a red thing", "it looks red"], "green": ["some green"], "blue": ["a blue one"]}
    (tmp_path / "said.json").write_text(json.dumps(sentences))
    text = f'[variants.said]\nmethod = "{method}"\n[variants.said.descriptions]\n"folder:warm" = "said.json"\n'
    file = with_variants(suite_file, text)
    found = run(file, [method, "said"], tmp_path / "out", classes=["red"])
    plain, said = found["mine", "red"], found["said", "red"]
    assert "descriptions" not in plain.run.synthesis
    assert len(said.run.synthesis["descriptions"]) == 16
    assert {key: value for key, value in said.run.synthesis.items() if key != "descriptions"} == plain.run.synthesis
    (tmp_path / "said.json").write_text(json.dumps({**sentences, "RED": ["only red"]}))
    (other,) = plan(file, ["said"], classes=["red"])
    assert other.run.key != said.run.key  # the sentences themselves are part of the run


def test_words_in_another_order_name_the_same_class(tmp_path: Path) -> None:
    path = tmp_path / "cars.json"
    path.write_text(json.dumps({"Ford Ranger SuperCab 2011": ["a pickup"], "accordion": ["an instrument"]}))
    assert read_descriptions(path, ["2011 Ford Ranger SuperCab", "accordion"]) == (("a pickup",), ("an instrument",))
    with pytest.raises(InputError, match=r"unknown class in the descriptions .*'acordion'.*did you mean 'accordion'"):
        read_descriptions(path, ["acordion"])
    path.write_text('{"a": "b"}')
    with pytest.raises(InputError, match="must be an object of class name to a list of sentences"):
        read_descriptions(path, ["a"])
    path.write_text("{")
    with pytest.raises(InputError, match="are not JSON"):
        read_descriptions(path, ["a"])
    with pytest.raises(InputError, match=r"can't be read \(No such file"):
        read_descriptions(tmp_path / "none.json", ["a"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[variants]\nx = 3\n", "lacks its method"),
        ('[variants.x]\nsource = "paper"\n', "lacks its method"),
        ('[variants.x]\nmethod = "lip"\nhyperparameter = {}\n', "did you mean 'hyperparameters'"),
        ('[variants.x]\nmethod = "lip"\ntemplate = "a photo"\n', "needs one {}"),
        ('[variants.x]\nmethod = "lip"\ntemplate = 3\n', "'template' must be a text"),
        ('[variants.x]\nmethod = "lip"\nsynthesis = "all"\n', "'synthesis' must be a table"),
        ('[variants.x]\nmethod = "lip"\nsource = "papers"\n', "did you mean 'paper'"),
        ('[variants.x]\nmethod = "lip"\nby_class = { red = 2 }\n', "give a table of settings"),
        ('[variants.x]\nmethod = "lip"\ndescriptions = { a = 3 }\n', "give the path of a JSON file"),
    ],
)
def test_a_variant_that_is_not_understood_is_one_line(suite_file: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_suite(str(with_variants(suite_file, text)))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert suite_file.name in str(caught.value)


def test_names_that_nobody_has(suite_file: Path, mine: str, sweep: Call) -> None:
    text = f'[variants.loud]\nmethod = "{mine}"\nhyperparameters = {{ strenght = 2.0 }}\n'
    file = with_variants(suite_file, text)
    with pytest.raises(InputError, match="did you mean 'loud'"):
        plan(file, ["lout"])
    with pytest.raises(InputError, match=r"unknown hyperparameter of 'mine' 'strenght'.*did you mean 'strength'"):
        plan(file, ["loud"])
    said = sweep("--methods", "lout")
    assert (said.code, said.err.count("\n")) == (2, 1)
    taken = with_variants(file, f'[variants.lip]\nmethod = "{mine}"\n')
    with pytest.raises(InputError, match="has the name of a method"):
        plan(taken, ["lip"])


def test_lists_become_what_methods_take() -> None:
    table = {"x": {"method": "lip", "hyperparameters": {"sigmas": [0.1, 0.2]}}}
    assert parse_variants(table, where="here")["x"].hyperparameters == {"sigmas": (0.1, 0.2)}
    with pytest.raises(InputError, match="must be a table of names"):
        parse_variants([], where="here")


def test_the_precision_of_evaluation_is_part_of_the_run(
    suite_file: Path, mine: str, sweep: Call, tmp_path: Path
) -> None:
    (plain,) = plan(suite_file, [mine], classes=["red"])
    said = sweep("--classes", "red", "--precision", "bf16")
    assert said.code == 0
    (record,) = read_folder(tmp_path / "out").records
    assert record.run.precision == "bf16"
    assert record.run.key != plain.run.key
    assert plain.run.precision == "fp32"
    write_csv(tmp_path / "half.csv", [record])
    assert [item.run.key for item in read_csv(tmp_path / "half.csv")] == [record.run.key]
    assert sweep("--classes", "red", "--precision", "fp8").code == 2
