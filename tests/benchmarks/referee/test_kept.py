"""Kept weights: one more metric costs one more metric, and no file is believed that is not what it says."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.benchmarks.support import (
    CONDITIONS,
    NOISE,
    calls,
    colour_image,
    counting,
    plan,
    write_method,
    write_suite,
)
from tests.core.tiny import RESNET, clip_of
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.conditions import Conditions
from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.benchmarks.suites.suite import load_suite
from unlearn_bench.benchmarks.sweep.plan import cells_for, settings_for
from unlearn_bench.benchmarks.sweep.players import Choice
from unlearn_bench.benchmarks.sweep.work import Done, work
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.records.storage import WEIGHTS, read_records, weights_file
from unlearn_bench.models.sources import save_model

FEW = ("accuracy", "verification-gap", "seconds", "peak-memory", "share-changed")
MORE = (*FEW, "linear-probe", "predictions")
PLAIN, ONE_MORE = ("accuracy",), ("accuracy", "predictions")
LOOKS = "request.synthesize()\n"
EVERYWHERE = """
for value in clip.module.state_dict().values():
    if value.is_floating_point():
        value.mul_(1.0 + 0.05 * self.strength)
return clip
"""
"""Moves every tensor, buffers of batch norm too."""


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    (tmp_path / "calls").mkdir()
    return tmp_path / "calls"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def one_cell(suite_file: Path, spec: str, metrics: tuple[str, ...] = FEW, **choice: list[str] | list[int]) -> Cell:
    (cell,) = plan(suite_file, [spec], classes=["red"], metrics=list(metrics), **choice)
    return cell


def record_of(out: Path, cell: Cell) -> Record:
    (record,) = read_records([out / "cells" / f"{cell.run.key}.json"]).records
    return record


def done(
    cell: Cell, out: Path, *, conditions: Conditions = CONDITIONS, keep: bool = False, fresh: bool = False
) -> Done:
    found = work(cell, out, conditions, keep=keep, fresh=fresh)
    assert found.status == "ok", found
    return found


def numbers(record: Record) -> dict[tuple[str, str, str], tuple[object, ...]]:
    """All that was measured, but for seconds that passed while measuring."""
    return {
        (item.metric, item.dataset, item.group): (item.version, item.before, item.after, item.n, item.outcomes)
        for item in record.measurements
        if (item.metric, item.group) not in {("seconds", "evaluation"), ("seconds", "audit")}
    }


def is_measured_again(first: Record, second: Record) -> None:
    """All that the first run measured is in the second, bit by bit, and more."""
    known, found = numbers(first), numbers(second)
    assert known.items() <= found.items()
    assert {metric for metric, *_ in found} - {metric for metric, *_ in known} == {"linear-probe", "predictions"}


def test_one_more_metric_runs_no_method_and_repeats_every_bit(
    suite_file: Path, noted: Path, tmp_path: Path, out: Path
) -> None:
    spec = write_method(tmp_path, counting(LOOKS + NOISE, noted))
    first, second = one_cell(suite_file, spec), one_cell(suite_file, spec, MORE)
    assert first.run.key != second.run.key
    done(first, out, keep=True)
    assert done(second, out).warning == ""
    assert calls(noted) == ["red"]
    before, after = record_of(out, first), record_of(out, second)
    is_measured_again(before, after)
    assert any(metric == "verification-gap" for metric, *_ in numbers(before))  # the method's own synthetic images
    assert after.provenance["synthetic"] == before.provenance["synthetic"]
    assert after.provenance["kept_weights"]["record"] == first.run.key
    assert "kept_weights" not in before.provenance
    played = done(dataclasses.replace(second), tmp_path / "other")
    assert played.key == second.run.key
    assert calls(noted) == ["red", "red"]
    again = record_of(tmp_path / "other", second)
    costs = {key for key in numbers(again) if key[0] in {"seconds", "peak-memory"}}
    assert {key: value for key, value in numbers(again).items() if key not in costs} == {
        key: value for key, value in numbers(after).items() if key not in costs
    }
    lines = [(out / "cells" / f"{cell.run.key}.history.jsonl").read_text() for cell in (first, second)]
    assert lines[0] == lines[1] != ""


def test_a_model_with_convolutions_and_buffers_comes_back_bit_by_bit(tmp_path: Path, out: Path) -> None:
    save_model(clip_of(RESNET, scale=20.0), tmp_path / "original", {})
    suite = load_suite(str(write_suite(tmp_path, models=[f"local-dir:{tmp_path / 'original'}"])))
    spec = write_method(tmp_path, EVERYWHERE, access="not-ZS")
    (setting,) = settings_for(suite, Choice(), device="cpu", skip_bad=False)
    bench = open_workbench(setting)
    first, second = (
        cells_for(suite, Choice(methods=[spec], classes=["red"], metrics=metrics), bench)[0]
        for metrics in (FEW, MORE)
    )
    done(first, out, keep=True)
    tensors = load_file(weights_file(out, first.run))
    assert any(name.endswith("running_var") for name in tensors)
    done(second, out)
    assert "kept_weights" in record_of(out, second).provenance
    is_measured_again(record_of(out, first), record_of(out, second))


def test_only_what_changed_is_kept(suite_file: Path, tmp_path: Path, out: Path) -> None:
    noisy, idle = write_method(tmp_path, NOISE), write_method(tmp_path, "return clip", name="idle")
    cells = [one_cell(suite_file, spec, PLAIN) for spec in (noisy, idle)]
    for cell in cells:
        done(cell, out, keep=True)
    kept = [load_file(weights_file(out, cell.run)) for cell in cells]
    assert [set(tensors) for tensors in kept] == [{"text.2.weight"}, set()]
    done(one_cell(suite_file, idle, ONE_MORE), out)  # a file without tensors is whole
    assert "kept_weights" in record_of(out, one_cell(suite_file, idle, ONE_MORE)).provenance
    assert not list((out / WEIGHTS).glob(".*"))


def test_without_keep_nothing_is_kept(suite_file: Path, noted: Path, tmp_path: Path, out: Path) -> None:
    spec = write_method(tmp_path, counting(NOISE, noted))
    done(one_cell(suite_file, spec, PLAIN), out)
    assert not (out / WEIGHTS).exists()
    done(one_cell(suite_file, spec, ONE_MORE), out)
    assert calls(noted) == ["red", "red"]


@pytest.mark.parametrize(
    "body", ["raise ValueError('no')", "clip.module.text[2].weight.data.fill_(float('nan')); return clip"]
)
def test_what_failed_is_not_kept(body: str, suite_file: Path, tmp_path: Path, out: Path) -> None:
    assert (
        work(one_cell(suite_file, write_method(tmp_path, body), PLAIN), out, CONDITIONS, keep=True).status == "failed"
    )
    assert not (out / WEIGHTS).exists()


def test_another_seed_or_another_hyperparameter_has_weights_of_its_own(
    suite_file: Path, noted: Path, tmp_path: Path, out: Path
) -> None:
    spec = write_method(tmp_path, counting(NOISE, noted))
    done(one_cell(suite_file, spec, PLAIN), out, keep=True)
    done(one_cell(suite_file, spec, ONE_MORE, seeds=[1]), out, keep=True)
    path = Path(spec.rpartition(":")[0])
    path.write_text(path.read_text().replace("strength: float = 0.5", "strength: float = 0.75"))
    done(one_cell(suite_file, spec, ONE_MORE), out, keep=True)
    assert calls(noted) == ["red"] * 3
    assert len(list((out / WEIGHTS).iterdir())) == 3


def test_templates_of_variants_are_asked_of_one_model(
    suite_file: Path, noted: Path, tmp_path: Path, out: Path
) -> None:
    spec = write_method(tmp_path, counting(NOISE, noted))
    told = "\n".join(f'[variants.{n}]\nmethod = "{spec}"\ntemplate = "{n} {{}}"' for n in ("so", "thus"))
    suite_file.write_text(f"{suite_file.read_text()}\n{told}\n")
    for name in ("so", "thus"):
        done(one_cell(suite_file, name, PLAIN), out, keep=True)
    assert calls(noted) == ["red"]


def test_fresh_runs_the_method_and_replaces_what_is_kept(
    suite_file: Path, noted: Path, tmp_path: Path, out: Path
) -> None:
    """Else a record would say what one program made, and the weights beside it be what another did."""
    spec = write_method(tmp_path, counting(NOISE, noted))
    cell = one_cell(suite_file, spec, PLAIN)
    done(cell, out, keep=True)
    path = weights_file(out, cell.run)
    before = path.stat().st_mtime_ns
    done(cell, out, fresh=True)
    assert calls(noted) == ["red", "red"]
    assert path.stat().st_mtime_ns > before


def test_costs_are_those_of_the_run_in_which_the_method_ran(suite_file: Path, tmp_path: Path, out: Path) -> None:
    """Seconds of measuring are left out where they would stand beside seconds of other conditions."""
    spec = write_method(tmp_path, "import time\ntime.sleep(0.3)\n" + NOISE)
    first, second, third = (
        one_cell(suite_file, spec, (*FEW, *more)) for more in ((), ("predictions",), ("retrieval",))
    )
    crowded = dataclasses.replace(CONDITIONS, jobs=4)
    done(first, out, conditions=crowded, keep=True)
    done(second, out)
    done(third, out, conditions=crowded)
    records = [record_of(out, cell) for cell in (first, second, third)]
    for group in ("method", "synthesis"):
        found = {record.find("seconds", group=group) for record in records}
        assert len(found) == 1
    method = records[1].find("seconds", group="method")
    assert method is not None
    assert method.after is not None
    assert method.after > 0.3
    assert len({record.find("peak-memory") for record in records}) == 1
    assert [(record.provenance["jobs"], record.provenance["contended"]) for record in records] == [(4, True)] * 3
    evaluation = [record.find("seconds", group="evaluation") for record in records]
    assert [item.after is None for item in evaluation if item is not None] == [False, True, False]


def edited(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    """The same file with other words about it."""
    with safe_open(path, framework="pt") as file:
        said = json.loads(file.metadata()["unlearn-bench"])
    change(said)
    save_file(load_file(path), path, metadata={"unlearn-bench": json.dumps(said)})


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def of_another_shape(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    save_file({"text.2.weight": torch.zeros(2, 2)}, path, metadata=metadata)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-20]), "it is cut"),
    "empty": (lambda path: path.write_bytes(b""), "it is cut"),
    "one bit": (flip_a_bit, "not those that were written"),
    "foreign": (lambda path: save_file({"a": torch.zeros(1)}, path), "written by something else"),
    "another original": (lambda path: edited(path, lambda said: said.update(original="beef")), "fingerprint beef"),
    "another run": (lambda path: edited(path, lambda said: said.update(key="beef")), "it is of another run"),
    "another format": (lambda path: edited(path, lambda said: said.update(format=9)), "not of format 1"),
    "another shape": (of_another_shape, "do not fit"),
    "a word less": (lambda path: edited(path, lambda said: said.pop("seconds")), "do not fit"),
    "other data": (lambda path: edited(path, lambda said: said.update(request="beef")), "not those of then"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_can_not_be_trusted_is_named_and_set_aside_and_the_method_runs(
    case: str, suite_file: Path, noted: Path, tmp_path: Path, out: Path
) -> None:
    spec = write_method(tmp_path, counting(NOISE, noted))
    first, second = one_cell(suite_file, spec, PLAIN), one_cell(suite_file, spec, ONE_MORE)
    done(first, out, keep=True)
    path = weights_file(out, first.run)
    spoil, said = BROKEN[case]
    spoil(path)
    spoilt = path.read_bytes()
    warning = done(second, out).warning
    assert path.name in warning
    assert said in warning
    assert "set aside as" in warning
    assert path.with_name(f"{path.name}.broken").read_bytes() == spoilt
    assert calls(noted) == ["red", "red"]
    assert "kept_weights" not in record_of(out, second).provenance
    assert work(one_cell(suite_file, spec, (*ONE_MORE, "retrieval")), out, CONDITIONS).warning == ""  # kept anew
    assert calls(noted) == ["red", "red"]


def test_other_training_images_are_another_model(suite_file: Path, noted: Path, tmp_path: Path, out: Path) -> None:
    """A method with real data: what it is given is compared, not only what its data are called."""
    spec = write_method(tmp_path, counting(NOISE, noted), access="not-ZS")
    done(one_cell(suite_file, spec, PLAIN), out, keep=True)
    for number in range(10):
        colour_image("red", seed=100 + number).save(tmp_path / "data" / "warm" / "red" / f"{number:03}.png")
    open_workbench.cache_clear()
    done(one_cell(suite_file, spec, ONE_MORE), out)
    assert calls(noted) == ["red", "red"]


def test_a_method_file_that_was_edited_meanwhile_spoils_no_weights(
    suite_file: Path, tmp_path: Path, out: Path
) -> None:
    spec = write_method(tmp_path, NOISE)
    done(one_cell(suite_file, spec, PLAIN), out, keep=True)
    cell = one_cell(suite_file, spec, ONE_MORE)
    path = Path(spec.rpartition(":")[0])
    path.write_text(path.read_text() + "\n# edited\n")
    failed = work(cell, out, CONDITIONS)
    assert failed.status == "failed"
    assert "edited after the sweep was planned" in failed.reason
    assert failed.warning == ""
    assert weights_file(out, cell.run).is_file()
