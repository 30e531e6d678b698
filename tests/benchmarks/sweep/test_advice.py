"""What is said at the end of a sweep, and that the commands it names work."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from tests.benchmarks.support import Call, write_method
from tests.leaderboards.examples import ended, identity, sweep
from unlearn_bench.benchmarks import cli
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.setting import Setting
from unlearn_bench.benchmarks.speed import rehearsal
from unlearn_bench.benchmarks.sweep.advice import Given, rehearsal_command, what_next, why_no_numbers
from unlearn_bench.benchmarks.sweep.rates import Sizes
from unlearn_bench.leaderboards.records.record import Record

GIVEN = Given(suite="mini")
REHEARSE = "python -m unlearn_bench.benchmarks.speed.rehearsal "
UNMOVED = (15,)
"""Right answers on the target, of 16 before."""


def cells_of(records: Sequence[Record], **targets: str) -> list[Cell]:
    """A cell for each record; `targets` by method where it is no method of this package."""
    found = []
    for record in records:
        setting = Setting(
            model=record.run.model,
            datasets=("mini-digits",),
            control=(),
            train_split="train",
            test_split="test",
            device="cpu",
        )
        target = targets.get(record.run.method, "unlearn_bench.methods.lip:Lip")
        found.append(Cell(run=record.run, setting=setting, method_target=target, metric_targets=(), preset={}))
    return found


def said(records: Sequence[Record], given: Given = GIVEN, **targets: str) -> tuple[str, ...]:
    return what_next(records, cells_of(records, **targets), given)


def test_nothing_is_said_where_most_forgot() -> None:
    held = sweep("emb", targets=UNMOVED, preset={"source": "default"})
    assert said([*sweep("lip"), *held, *identity()]) == ()
    assert said([*sweep("lip"), *identity()]) == ()
    assert said([]) == ()
    assert said(identity()) == ()  # a reference that does nothing is as it should be


def test_defaults_that_did_not_forget_are_to_be_tuned() -> None:
    held = [*sweep("lip", targets=UNMOVED, preset={"source": "default"})]
    held += sweep("emb", targets=UNMOVED, preset={"source": "given"})
    why, command = said([*sweep("ssd"), *held, *identity()])
    assert why.startswith("mini-rn: 2 of 3 methods did not forget, target AF/BF is over .5; they ran ")
    assert "with settings given by hand (emb); at defaults, which were made without this model (lip). " in why
    assert command == "unlearn-bench tune --suite mini --model mini-rn --methods emb,lip"


def test_what_was_tuned_in_vain_gets_more_trials() -> None:
    tuned = {"source": "tuned", "trials": 12, "suite": "mini-full"}
    why, command = said(sweep("lip", targets=UNMOVED, preset=tuned))
    assert "1 of 1 method did not forget" in why
    assert "with what 12 trials of tuning found on suite mini-full (lip)" in why
    assert shlex.split(command)[-2:] == ["--trials", "24"]


def test_rows_that_lack_a_cell_say_nothing() -> None:
    records = sweep("lip", targets=UNMOVED, preset={"source": "default"})
    records[0] = ended(records[0], "failed", "x")
    assert said(records) == ()


def test_every_model_has_its_own_advice() -> None:
    default: dict[str, Any] = {"targets": UNMOVED, "preset": {"source": "default"}}
    lines = said([*sweep("lip", **default), *sweep("lip", model="mini-vit", fingerprint="beef", **default)])
    assert [line.split(":")[0] for line in lines[::2]] == ["mini-rn", "mini-vit"]
    assert ["--model mini-vit" in line for line in lines] == [False, False, False, True]


def test_the_command_repeats_what_was_given_and_names_files(tmp_path: Path) -> None:
    spec = write_method(tmp_path, "return clip", name="lip")
    file = Path(spec.rpartition(":")[0])
    text = file.read_text().replace("strength: float = 0.5", "strength: float = tunable(0.5, low=0.1, high=1.0)")
    file.write_text(text.replace("import Method", "import Method, tunable"))
    given = Given(suite="my suite.toml", data=["folder:/a b", "cifar10"], classes=["cat"], template="a {}.")
    _, command = said(sweep("lip", targets=UNMOVED, preset={"source": "default"}), given, lip=spec)
    assert shlex.split(command) == [
        "unlearn-bench", "tune", "--suite", "my suite.toml", "--model", "mini-rn", "--data", "folder:/a b,cifar10",
        "--template", "a {}.", "--classes", "cat", "--methods", spec,
    ]  # fmt: skip


def test_a_method_without_ranges_can_not_be_tuned(tmp_path: Path) -> None:
    spec = write_method(tmp_path, "return clip", name="lip")
    (line,) = said(sweep("lip", targets=UNMOVED, preset={"source": "default"}), lip=spec)
    assert line.endswith("None of them declares anything to tune: give other hyperparameters.")


def test_options_of_the_advised_tuning_exist() -> None:
    _, command = said(sweep("lip", targets=UNMOVED, preset={"source": "tuned", "trials": 4}))
    words = shlex.split(command)
    tune = get_command(cli.app).commands["tune"]  # type: ignore[attr-defined]
    context = tune.make_context("tune", words[2:])
    assert (context.params["suite"], context.params["model"]) == ("mini", "mini-rn")
    assert (context.params["methods"], context.params["trials"]) == ("lip", 8)


def test_reasons_are_grouped_by_method() -> None:
    skipped = [ended(item, "skipped", "needs a joint projection") for item in sweep("null-space")]
    failed = [
        ended(item, "failed", f"loss is nan at step {step}") for step, item in enumerate(sweep("lip", seeds=(0, 1)))
    ]
    assert why_no_numbers([*sweep("emb"), *skipped, *failed]) == (
        "skipped: null-space: needs a joint projection (3 cells)",
        "failed: lip: loss is nan at step 0 (1 cell)",
        "failed: lip: loss is nan at step 1 (1 cell)",
        "failed: lip: loss is nan at step 2 (1 cell)",
        "failed: lip: 3 more reasons, in the leaderboard",
    )


def test_a_rehearsal_is_as_large_as_the_data() -> None:
    small = Sizes(test=39, train=52, train_by_class={f"c{place}": 4 for place in range(13)})
    control = Sizes(test=5, train=0, train_by_class={})
    command = rehearsal_command(replace(GIVEN, models=["a b.py:build"], precision="bf16"), "cpu", [control, small])
    assert command == (
        f"{REHEARSE}--suite mini --model 'a b.py:build' --precision bf16 --device cpu --classes 13 --train 4 --test 3"
    )
    large = Sizes(test=20000, train=20000, train_by_class={str(place): 100 for place in range(200)})
    assert rehearsal_command(GIVEN, "cuda", [large]).endswith("--device cuda --classes 100 --train 50 --test 50")
    assert rehearsal_command(GIVEN, "cpu", [control]) == f"{REHEARSE}--suite mini --device cpu"


@pytest.mark.parametrize("own_data", [False, True])
def test_the_hinted_rehearsal_runs_for_an_own_suite(
    own_data: bool, suite_file: Path, run: Call, tmp_path: Path
) -> None:
    more = ["--data", f"folder:{tmp_path / 'data' / 'warm'}"] if own_data else []
    planned = run("--dry-run", *more)
    (line,) = [line for line in planned.out.splitlines() if REHEARSE in line]
    assert "no estimate: mine never measured here" in planned.out
    done = CliRunner().invoke(rehearsal.app, shlex.split(line.partition(REHEARSE)[2]))
    assert done.exit_code == 0, done.output
    assert f"--suite {suite_file}" in line
    assert run("--dry-run", *more).out.rstrip().endswith("by a rehearsal with random weights")


def test_a_run_ends_with_reasons_and_what_to_do(run: Call, tmp_path: Path) -> None:
    write_method(tmp_path, "return clip", name="idle")
    write_method(tmp_path, "raise ValueError('no such layer')", name="bad")
    methods = [f"{tmp_path / f'method_{name}.py'}:Mine" for name in ("idle", "bad")]
    done = run("--methods", ",".join(methods), "--classes", "red")
    lines = done.out.splitlines()
    assert done.code == 1
    assert re.search(r"^failed: bad: ValueError: no such layer \(.*\) \(1 cell\)$", done.out, re.MULTILINE)
    assert lines[-2].startswith("1 ok, 0 skipped, 1 failed, 0 done before; all of it to look at in ")
    assert "1 of 1 method did not forget, target AF/BF is over .5; they ran at defaults" in lines[-1]


@pytest.fixture
def run(sweep: Call) -> Call:
    """The `sweep` of conftest, whose name the records' example has here."""
    return sweep
