"""Tasks on data with domains, from the command line to the record: names, keys, requests, candidates."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.benchmarks.support import (
    CONDITIONS,
    WARM,
    Call,
    bench_of,
    colour_image,
    is_one_error,
    plan,
    write_colours,
    write_method,
    write_model,
    write_suite,
)
from unlearn_bench.benchmarks.data.sources import open_dataset
from unlearn_bench.benchmarks.images.synthetic_cache import synthetic_images
from unlearn_bench.benchmarks.referee.audits import further_evidence
from unlearn_bench.benchmarks.referee.referee import run_cell
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.tuning.classes import tuning_tasks
from unlearn_bench.errors import InputError
from unlearn_bench.methods.base import Concept
from unlearn_bench.models.sources import open_model
from unlearn_bench.synthesis.settings import SynthesisSettings

TELL = """
for concept in request.forget + request.retain:
    request.report(len(request.forget), name=concept.name, text=concept.text, domain=concept.domain,
                   shown=concept.class_name)
shown = request.forget_examples
if shown is not None:
    request.report(len(shown), names="|".join(request.concepts[i].name for i in shown.labels.tolist()),
                   domains="|".join(shown.domains), texts="|".join(shown.texts))
return clip
"""
"""The body of a method that does nothing and tells what it was shown."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A suite over a tree of domains: photos as they are, sketches at half brightness, and the plain cold colours."""
    root = tmp_path / "tree"
    write_colours(root / "photo", WARM)
    for name in WARM:
        (root / "sketch" / name).mkdir(parents=True)
        for index in range(10):
            dim = np.asarray(colour_image(name, seed=index)) // 2 + 60
            Image.fromarray(dim.astype(np.uint8)).save(root / "sketch" / name / f"{index:03}.png")
    found = write_suite(tmp_path, metrics=("accuracy", "domain-accuracy"))
    text = found.read_text().replace(f"folder:{tmp_path / 'data' / 'warm'}", f"domains:{root}")
    found.write_text(text)
    return found


@pytest.mark.parametrize(
    ("wanted", "forget"),
    [
        ("red", ("red",)),
        ("red@sketch", ("red@sketch",)),
        ("*@sketch", ("*@sketch",)),
        ("red@photo+red@sketch", ("red",)),
        ("red@sketch+red@photo", ("red",)),
        ("green@sketch + red@photo", ("red@photo", "green@sketch")),
        ("red@sketch+green@sketch+blue@sketch", ("*@sketch",)),
        ("*@sketch+red", ("*@sketch", "red")),
        ("domains:tree/red@sketch", ("red@sketch",)),
    ],
)
def test_names_of_tasks(wanted: str, forget: tuple[str, ...], path: Path, tmp_path: Path) -> None:
    (cell,) = plan(path, [write_method(tmp_path, "return clip")], classes=[wanted])
    assert (cell.run.dataset, cell.run.forget) == ("domains:tree", forget)


def test_equal_sets_have_equal_keys(path: Path, tmp_path: Path) -> None:
    mine = write_method(tmp_path, "return clip")
    keys = [plan(path, [mine], classes=[name])[0].run.key for name in ("red", "red@sketch+red@photo", "red@sketch")]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("red@skech", "unknown domain of 'domains:tree' 'skech'; known: photo, sketch; did you mean 'sketch'?"),
        ("*@skech", "unknown domain of 'domains:tree' 'skech'"),
        ("rde@sketch", "unknown class of 'domains:tree' 'rde'; known: blue, green, red; did you mean 'red'?"),
        ("domains:tree/rde", "unknown class of 'domains:tree' 'rde'"),
        ("rde", "unknown class 'rde'; known: blue, cyan, green, magenta, red, yellow; did you mean 'red'?"),
        ("cyan@sketch", "unknown class of 'domains:tree' 'cyan'"),
        ("folder:cold/cyan@sketch", "unknown class of 'folder:cold' 'cyan@sketch'"),
    ],
)
def test_names_that_stand_for_nothing(wanted: str, message: str, path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        plan(path, [write_method(tmp_path, "return clip")], classes=[wanted])
    assert message in str(caught.value)


def test_the_suites_classes_may_be_tasks(path: Path, tmp_path: Path) -> None:
    path.write_text(path.read_text() + '\n[classes]\n"domains:tree" = ["*@photo", ["red@sketch", "blue@sketch"]]\n')
    cells = plan(path, [write_method(tmp_path, "return clip")], datasets=["domains:tree"])
    assert [cell.run.forget for cell in cells] == [("*@photo",), ("blue@sketch", "red@sketch")]
    path.write_text(path.read_text().replace("*@photo", "*@phot"))
    with pytest.raises(InputError, match=r"unknown domain .*did you mean 'photo'"):
        plan(path, [write_method(tmp_path, "return clip")])


@pytest.mark.parametrize("access", ["ZS", "semi-ZS"])
def test_what_a_method_sees(access: str, path: Path, tmp_path: Path) -> None:
    mine = write_method(tmp_path, TELL, access=access)
    (cell,) = plan(path, [mine], classes=["red@photo+*@sketch"])
    outcome = run_cell(cell, bench_of(load_suite(str(path))), CONDITIONS)
    assert outcome.record.status == "ok", outcome.record.reason
    told = outcome.history[:6]
    assert [line["name"] for line in told] == [
        "red@photo",
        "blue@sketch",
        "green@sketch",
        "red@sketch",
        "blue@photo",
        "green@photo",
    ]
    assert {line["step"] for line in told} == {4}
    assert (told[3]["text"], told[3]["domain"], told[3]["shown"]) == ("a sketch of a red.", "sketch", "red")
    if access == "semi-ZS":
        (shown,) = outcome.history[6:]
        names = str(shown["names"]).split("|")
        assert set(names) == {line["name"] for line in told[:4]}
        assert [name.split("@")[1] for name in names] == str(shown["domains"]).split("|")
        assert "a photo of a red." in str(shown["texts"])


def test_measurements_of_a_task(path: Path, tmp_path: Path) -> None:
    (cell,) = plan(path, [write_method(tmp_path, "return clip")], classes=["red@sketch"])
    record = run_cell(cell, bench_of(load_suite(str(path))), CONDITIONS).record
    assert record.status == "ok", record.reason
    found = {(item.metric, item.group): item for item in record.measurements if item.dataset == "domains:tree"}
    assert set(found) == {
        ("accuracy", "target"),
        ("accuracy", "other"),
        ("domain-accuracy", "same-class"),
        ("domain-accuracy", "same-domain"),
        ("domain-accuracy", "unrelated"),
    }
    assert [found["accuracy", group].n for group in ("target", "other")] == [3, 15]
    # Photos and sketches of a colour share its text in this model: only the candidates' domain parts them.
    assert all(item.before == item.after == 1.0 for item in found.values())
    assert record.run.evaluation[0].template == "{domain} of a {}."


AUDITS = (
    "linear-probe",
    "neighbours",
    "paraphrases",
    "quantisation",
    "relearning",
    "retrain-distance",
    "separability",
)


@pytest.mark.parametrize("wanted", ["red@sketch", "red", "*@sketch"])
def test_every_audit_of_a_task(wanted: str, path: Path, tmp_path: Path) -> None:
    """Photos and sketches of a colour share class vectors' starts and differ in brightness; doing nothing changes
    nothing, and candidates of the own domain alone let everything be right."""
    path.write_text(path.read_text().replace('"domain-accuracy"', ", ".join(f'"{name}"' for name in AUDITS)))
    (cell,) = plan(path, [write_method(tmp_path, "return clip")], classes=[wanted])
    record = run_cell(cell, bench_of(load_suite(str(path))), CONDITIONS).record
    assert record.status == "ok", record.reason
    found = {(item.metric, item.group): item for item in record.measurements if item.metric in AUDITS}
    assert {metric for metric, _ in found} == set(AUDITS)
    assert all(item.before == item.after for (metric, _), item in found.items() if metric != "retrain-distance")
    assert found["relearning", "steps-to-return"].after == 0.0
    for metric, group in (("quantisation", "target"), ("linear-probe", "target"), ("paraphrases", "worst")):
        assert found[metric, group].after == 1.0
        assert found[metric, group].n == {"red@sketch": 3, "red": 6, "*@sketch": 9}[wanted]
    near = [group for metric, group in found if metric == "neighbours" and "/" in group]
    assert {group.rpartition("@")[2] for group in near} == {"red@sketch": {"sketch"}, "red": {"photo", "sketch"}}.get(
        wanted, set()
    )


def test_what_audits_are_given(path: Path, tmp_path: Path) -> None:
    (cell,) = plan(path, [write_method(tmp_path, "return clip")], classes=["red@sketch"])
    bench = bench_of(load_suite(str(path)))
    found = further_evidence({"train", "models"}, run=cell.run, bench=bench, unlearned=bench.clip)
    models, item = found["models"], bench.evaluated["domains:tree"]
    assert models.classes == ("blue", "green", "red") * 2
    assert models.phrases == ("a photo",) * 3 + ("a sketch",) * 3
    assert models.texts == item.dataset.texts
    assert found["train"].class_of is not None
    assert found["train"].class_of.tolist() == [0, 1, 2] * 2


def test_a_tuning_set_inside_a_reported_domain_is_refused(path: Path) -> None:
    text = path.read_text() + '\n[classes]\n"domains:tree" = ["*@photo"]\n"folder:cold" = []\n'
    path.write_text(
        text + '[tuning]\n"domains:tree" = ["red@sketch", "blue@sketch"]\n"folder:cold" = ["cyan", "yellow"]\n'
    )
    suite = load_suite(str(path))
    assert tuning_tasks(suite, bench_of(suite)).tasks[::2] == (
        ("domains:tree", ("red@sketch",)),
        ("domains:tree", ("blue@sketch",)),
    )
    path.write_text(text + '[tuning]\n"domains:tree" = ["red@sketch", "blue"]\n"folder:cold" = ["cyan", "yellow"]\n')
    suite = load_suite(str(path))
    with pytest.raises(InputError, match="tuning classes are reported ones too: domains:tree/blue;"):
        tuning_tasks(suite, bench_of(suite))


def test_synthetic_images_are_accepted_among_their_own_domain(tmp_path: Path) -> None:
    """Two domains whose texts this model can't tell apart: no image would be the likeliest of all of them."""
    clip = open_model(write_model(tmp_path))
    texts = ("a photo red", "a photo green", "a sketch red", "a sketch green")
    settings = SynthesisSettings(images_per_class=2, max_steps=20, max_attempts=2, threshold=0.5, threshold_floor=0.5)
    made = synthetic_images(
        clip,
        fingerprint="colours",
        dataset="any",
        texts=texts,
        targets=(3, 0),
        settings=settings,
        seed=0,
        domains=("photo", "photo", "sketch", "sketch"),
    )
    assert made.synthetic.labels.tolist() == [0, 0, 1, 1]
    assert bool((made.synthetic.probabilities > 0.5).all())
    (again,) = (
        synthetic_images(
            clip, fingerprint="colours", dataset="any", texts=texts[2:], targets=(1,), settings=settings, seed=0
        ),
    )
    assert again.synthetic.unit.equal(made.synthetic.unit[:2])  # the same cell of the cache


def test_templates_of_methods_leave_a_domain_alone() -> None:
    plain = Concept(name="dog", text="a photo of a dog.")
    sketch = Concept(name="dog@sketch", text="a sketch of a dog.", domain="sketch", class_name="dog")
    assert plain.fill("A picture of {}") == "A picture of dog"
    assert sketch.fill("A picture of {}") == "a sketch of a dog."


def test_a_template_with_a_domain_needs_domains(tmp_path: Path) -> None:
    dataset = open_dataset(f"folder:{write_colours(tmp_path / 'plain')}")
    with pytest.raises(InputError, match=r"names a domain, and 'folder:plain' has none; leave \{domain\} out"):
        dataset.texts_in("{domain} of a {}.")


def test_from_the_command_line(path: Path, call: Call, tmp_path: Path) -> None:
    usual = (
        "--suite",
        path,
        "--methods",
        write_method(tmp_path, "return clip"),
        "--jobs",
        1,
        "--out",
        tmp_path / "o",
    )
    said = call("run", *usual, "--classes", "*@sketch,red@photo", "--dry-run")
    assert said.code == 0
    assert "domains:tree/*@sketch seed 0" in said.out
    is_one_error(call("run", *usual, "--classes", "red@skech"), "unknown domain", "did you mean 'sketch'?")
    listed = call("list", "datasets").out
    assert "domains:/path" in listed
    assert "mini-domains" in listed
