"""What every method does to the embedded models, at settings that push hard: accuracy on the target class falls."""

from collections.abc import Callable
from typing import Any

import pytest

from unlearn_bench.benchmarks.presets.preset import build_method, presets_for, resolved
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.conditions import Conditions
from unlearn_bench.benchmarks.referee.referee import run_cell
from unlearn_bench.benchmarks.referee.setting import Setting
from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.benchmarks.sweep.plan import run_for
from unlearn_bench.benchmarks.sweep.players import load_method, load_metrics
from unlearn_bench.models.embedded import NAMES
from unlearn_bench.registry import catalogue

pytestmark = pytest.mark.slow

# Far stronger than one would choose, since the question is only whether the method reaches the target at all.
STRONG: dict[str, dict[str, Any]] = {
    "lip": {"learning_rate": 3e-3, "image_share": 0.5, "text_share": 0.5},
    "emb": {"learning_rate": 6e-3, "image_share": 0.5, "text_share": 0.5},
    "ulip": {"learning_rate": 0.03, "epochs": 8},
    "amns": {"learning_rate": 1e-3, "epochs": 10, "batch_size": 16},
    "amns-retain": {"learning_rate": 1e-3, "epochs": 5},
    "emmn": {"learning_rate": 3e-3, "batch_size": 16},
    "salun": {"learning_rate": 3e-3, "epochs": 5},
    "clip-erase": {"learning_rate": 1e-4},
    "gradient-ascent": {"learning_rate": 1e-4},
    "graddiff": {"learning_rate": 1e-4},
    "random-labels": {"learning_rate": 1e-4},
    "null-space": {"strength": 1.0},
    "text-null-space": {"strength": 1.0},
    "text-space-adaptation": {"forget_weight": 3.0, "steps": 500},
    "lip-real": {"learning_rate": 1e-2, "image_share": 0.5, "text_share": 0.5},
    "slug": {},
    "ssd": {"threshold": 2.0},
    "task-negation": {"learning_rate": 1e-4, "coefficient": 3.0},
    "negmerge": {"learning_rate": 1e-4, "coefficient": 3.0},
}
# Plain gradient descent on the convolutions goes to NaN where the transformer hardly moves.
STRONG_HERE: dict[tuple[str, str], dict[str, Any]] = {
    ("mini-rn", "ulip"): {"learning_rate": 1e-3, "epochs": 8},
    ("mini-vit", "amns"): {"learning_rate": 2e-3, "epochs": 10, "batch_size": 16},
}
COMPETITORS = sorted(name for name, entry in catalogue("methods").items() if entry.facts.get("kind") != "reference")


def test_no_competitor_is_left_out() -> None:
    assert sorted(STRONG) == COMPETITORS


@pytest.mark.parametrize("method", COMPETITORS)
@pytest.mark.parametrize("model", NAMES)
def test_the_target_is_recognised_less(
    model: str, method: str, record_property: Callable[[str, object], None]
) -> None:
    setting = Setting(
        model=model, datasets=("mini-digits",), control=(), train_split="train", test_split="val", device="cpu"
    )
    bench, loaded = open_workbench(setting), load_method(method)
    metrics = load_metrics(["accuracy"])
    strong = STRONG_HERE.get((model, method), STRONG[method])
    run = run_for(
        "effect",
        bench,
        method=loaded,
        hyperparameters=resolved(build_method(loaded.kind, strong)),
        dataset="mini-digits",
        forget=("digit seven",),
        metrics={name: metric.version for name, (_, metric) in metrics.items()},
        synthesis=presets_for(model).synthesis(),
        seed=0,
    )
    cell = Cell(
        run=run,
        setting=setting,
        method_target=loaded.target,
        metric_targets=tuple(target for target, _ in metrics.values()),
        preset={"source": "given"},
    )
    record = run_cell(cell, bench, Conditions(device="cpu", jobs=1, threads=1, commit=None)).record
    assert record.status == "ok", record.reason
    target = record.find("accuracy", group="target")
    assert target is not None
    assert target.before is not None
    assert target.after is not None
    record_property("target", f"{target.before:.3f} to {target.after:.3f}")
    assert target.after <= 0.75 * target.before
