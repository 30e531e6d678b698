"""A method that only hides the class is visible as such: the audits part it from one that never knew the class."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from unlearn_bench.benchmarks.presets.preset import build_method, presets_for, resolved
from unlearn_bench.benchmarks.referee.cell import Cell
from unlearn_bench.benchmarks.referee.conditions import Conditions
from unlearn_bench.benchmarks.referee.referee import run_cell
from unlearn_bench.benchmarks.referee.setting import Setting
from unlearn_bench.benchmarks.referee.workbench import open_workbench
from unlearn_bench.benchmarks.sweep.plan import run_for
from unlearn_bench.benchmarks.sweep.players import load_method, load_metrics
from unlearn_bench.clip import Clip
from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.methods.base import Access, Method, Request

pytestmark = pytest.mark.slow

AUDITS = ("accuracy", "retrieval", "linear-probe", "relearning", "paraphrases", "separability", "quantisation")


@dataclass(frozen=True, kw_only=True)
class TurnName(Method):
    """Turn the forgotten names round in the text projection; no image is touched.

    With a factor of 1 the name would become what rounding leaves of it, and its direction chance.
    """

    name: ClassVar[str] = "turn-name"
    access: ClassVar[Access] = "ZS"

    def unlearn(self, clip: Clip, request: Request) -> Clip:
        """Reflect, in place: of a length along the names, a thousandth is left, the other way round."""
        with torch.no_grad():
            texts = clip.embed_texts([concept.text for concept in request.forget])
            basis = torch.linalg.qr(texts.T).Q  # (D, classes)
            (weight,) = (
                item.value for item in clip.weights() if (item.place.tower, item.place.role) == ("text", "projection")
            )
            weight.sub_(1.001 * weight @ basis @ basis.T)
        return clip


@pytest.fixture(scope="module")
def records() -> Mapping[str, Record]:
    """`digit seven` of mini-rn: hidden, never learned at all, and left alone."""
    setting = Setting(
        model="mini-rn", datasets=("mini-digits",), control=(), train_split="train", test_split="test", device="cpu"
    )
    bench, metrics = open_workbench(setting), load_metrics(AUDITS)
    found = {}
    for target in (f"{Path(__file__)}:TurnName", "random-weights", "identity"):
        loaded = load_method(target)
        run = run_for(
            "hiding",
            bench,
            method=loaded,
            hyperparameters=resolved(build_method(loaded.kind, {})),
            dataset="mini-digits",
            forget=("digit seven",),
            metrics={name: metric.version for name, (_, metric) in metrics.items()},
            synthesis=presets_for("mini-rn").synthesis(),
            seed=0,
        )
        cell = Cell(
            run=run,
            setting=setting,
            method_target=loaded.target,
            metric_targets=tuple(place for place, _ in metrics.values()),
            preset={"source": "given"},
        )
        record = run_cell(cell, bench, Conditions(device="cpu", jobs=1, threads=1, commit=None)).record
        assert record.status == "ok", record.reason
        found[loaded.kind.name] = record
    return found


def after(record: Record, metric: str, group: str) -> float:
    item = record.find(metric, group=group)
    assert item is not None
    assert item.after is not None
    return item.after


def test_by_accuracy_alone_the_class_is_gone_and_the_rest_kept(records: Mapping[str, Record]) -> None:
    hidden = records["turn-name"]
    assert after(hidden, "accuracy", "target") < 0.05
    assert after(hidden, "accuracy", "other") > 0.85
    assert after(records["identity"], "accuracy", "target") > 0.8


@pytest.mark.parametrize(("metric", "group"), [("linear-probe", "target"), ("retrieval", "ifi@5/target")])
def test_its_images_lie_where_they_lay(metric: str, group: str, records: Mapping[str, Record]) -> None:
    untouched = after(records["identity"], metric, group)
    assert untouched > 0.7
    assert after(records["turn-name"], metric, group) == untouched
    assert after(records["random-weights"], metric, group) < 0.5


def test_it_comes_back_where_an_untrained_one_does_not(records: Mapping[str, Record]) -> None:
    assert after(records["turn-name"], "relearning", "steps-to-return") < 17
    assert after(records["turn-name"], "relearning", "shots@4/target") > 0.5
    assert after(records["random-weights"], "relearning", "steps-to-return") == 17
    assert after(records["identity"], "relearning", "steps-to-return") == 0


def test_some_wording_finds_what_the_template_does_not(records: Mapping[str, Record]) -> None:
    worst = after(records["turn-name"], "paraphrases", "worst")
    assert worst > after(records["turn-name"], "accuracy", "target") + 0.05
    assert after(records["turn-name"], "paraphrases", "other-mean") > 0.85


def test_an_untrained_encoder_is_the_far_end(records: Mapping[str, Record]) -> None:
    blank = records["random-weights"]
    assert after(blank, "accuracy", "other") < 0.3
    assert after(blank, "relearning", "shots@16/other") < 0.3
    assert after(blank, "quantisation", "other") < 0.3
