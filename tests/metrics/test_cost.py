import math

import pytest
import torch
from torch import Tensor

from tests.metrics.evidence import by_group, make_evidence, random_dataset
from unlearn_bench.metrics.base import Cost, Evidence, Metric
from unlearn_bench.metrics.cost import PeakMemory, RelativeChange, Seconds, ShareChanged

OWN = random_dataset("own", [0, 1], 2)


def states(original: dict[str, Tensor], unlearned: dict[str, Tensor], *trainable: str) -> Evidence:
    return make_evidence(OWN, original=original, unlearned=unlearned, trainable=trainable)


def after(metric: Metric, evidence: Evidence, group: str = "all") -> float | None:
    item = by_group(metric, evidence)["", group]
    assert item.before is None
    return item.after


def test_seconds_by_part() -> None:
    cost = Cost(seconds={"evaluation": 3.0, "method": 1.5, "synthesis": 0.0}, peak_memory_bytes=0)
    found = Seconds().measure(make_evidence(OWN, cost=cost))
    assert [(item.group, item.before, item.after, item.n) for item in found] == [
        ("method", None, 1.5, 1),
        ("synthesis", None, 0.0, 1),
        ("evaluation", None, 3.0, 1),
    ]


def test_audits_are_a_fourth_part_where_there_were_any() -> None:
    cost = Cost(seconds={"method": 1.5, "audit": 0.25}, peak_memory_bytes=0)
    found = by_group(Seconds(), make_evidence(OWN, cost=cost))
    assert [group for _, group in found] == ["method", "synthesis", "evaluation", "audit"]
    assert (found["", "audit"].after, found["", "audit"].n) == (0.25, 1)


def test_a_part_that_was_not_timed_is_a_gap_and_not_nought() -> None:
    cost = Cost(seconds={"method": 1.5}, peak_memory_bytes=0)
    item = by_group(Seconds(), make_evidence(OWN, cost=cost))["", "synthesis"]
    assert (item.after, item.n) == (None, 0)


def test_peak_memory_is_in_mebibytes() -> None:
    cost = Cost(seconds={}, peak_memory_bytes=3 * 1024 * 1024 + 512 * 1024)
    assert after(PeakMemory(), make_evidence(OWN, cost=cost)) == 3.5


def test_share_changed_counts_scalars_and_tensors_but_no_buffers() -> None:
    original = {"a": torch.zeros(2, 3), "b": torch.ones(3), "c": torch.ones(1), "running": torch.zeros(50)}
    unlearned = {name: value.clone() for name, value in original.items()}
    unlearned["a"][0, 1] = 1e-30
    unlearned["a"][1, 2] = -2.0
    unlearned["b"][0] = 0.5
    unlearned["running"] += 1
    evidence = states(original, unlearned, "a", "b", "c")
    found = by_group(ShareChanged(), evidence)
    assert (found["", "all"].after, found["", "all"].n) == (3 / 10, 10)
    assert (found["", "tensors"].after, found["", "tensors"].n) == (2 / 3, 3)


def test_the_sign_of_nought_is_no_change() -> None:
    evidence = states({"a": torch.tensor([0.0, 1.0])}, {"a": torch.tensor([-0.0, 1.0])}, "a")
    assert after(ShareChanged(), evidence) == 0.0
    assert after(ShareChanged(), evidence, "tensors") == 0.0
    assert after(RelativeChange(), evidence) == 0.0


def test_relative_change_by_hand() -> None:
    original = {"a": torch.tensor([[3.0, 0.0]]), "b": torch.tensor([4.0]), "running": torch.tensor([9.0])}
    unlearned = {"a": torch.tensor([[3.0, 2.0]]), "b": torch.tensor([3.0]), "running": torch.tensor([0.0])}
    found = by_group(RelativeChange(), states(original, unlearned, "a", "b"))
    assert found["", "all"].after == pytest.approx(math.sqrt(2**2 + 1**2) / 5)
    assert found["", "all"].n == 3


def test_relative_change_against_all_values_in_a_row() -> None:
    stream = torch.Generator().manual_seed(0)
    original = {name: torch.randn(7, 5, generator=stream) for name in "abc"}
    unlearned = {name: value + 0.01 * torch.randn(7, 5, generator=stream) for name, value in original.items()}
    start = [x for value in original.values() for x in value.flatten().tolist()]
    end = [x for value in unlearned.values() for x in value.flatten().tolist()]
    expected = math.dist(start, end) / math.hypot(*start)
    assert after(RelativeChange(), states(original, unlearned, "a", "b", "c")) == pytest.approx(expected)


def test_values_near_the_end_of_float32_do_not_overflow() -> None:
    evidence = states({"a": torch.tensor([3e38])}, {"a": torch.tensor([-3e38])}, "a")
    assert after(RelativeChange(), evidence) == pytest.approx(2.0)


def test_nothing_trainable_leaves_gaps() -> None:
    evidence = states({"a": torch.ones(2)}, {"a": torch.ones(2)})
    assert after(ShareChanged(), evidence) is None
    assert after(ShareChanged(), evidence, "tensors") is None
    assert after(RelativeChange(), evidence) is None


def test_parameters_that_were_all_nought_have_no_relative_change() -> None:
    evidence = states({"a": torch.zeros(2)}, {"a": torch.ones(2)}, "a")
    assert after(RelativeChange(), evidence) is None
    assert after(ShareChanged(), evidence) == 1.0
