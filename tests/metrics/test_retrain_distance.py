"""Distance to the retrained model: disagreement counted by hand, and gaps where nobody retrained."""

from dataclasses import replace

import torch

from tests.metrics.evidence import by_group, dataset_from_predictions, make_evidence
from unlearn_bench.metrics.base import Evidence
from unlearn_bench.metrics.retrain_distance import RetrainDistance


def evidence() -> Evidence:
    own = dataset_from_predictions("own", [0, 0, 0, 0, 1, 2], before=[0, 0, 0, 1, 1, 2], after=[3, 3, 0, 1, 1, 3])
    rest = dataset_from_predictions("rest", [0, 1], before=[0, 1], after=[1, 1])
    control = dataset_from_predictions("control", [2, 3], before=[2, 3], after=[2, 3], control=True)
    return make_evidence(own, rest, control)


def test_by_hand() -> None:
    reference = {
        "own": torch.tensor([3, 3, 3, 1, 1, 0]),
        "rest": torch.tensor([1, 0]),
        "control": torch.tensor([2, 3]),
    }
    found = by_group(RetrainDistance(), replace(evidence(), reference=reference))
    assert {key: (item.before, item.after, item.n) for key, item in found.items()} == {
        ("own", "target"): (0.75, 0.25, 4),
        ("own", "other"): (0.5, 0.5, 2),  # another wrong class is as far as the right one
        ("rest", "all"): (1.0, 0.5, 2),
        ("control", "control"): (0.0, 0.0, 2),
    }


def test_where_nobody_retrained_there_are_gaps_for_every_group() -> None:
    known = by_group(RetrainDistance(), replace(evidence(), reference={"rest": torch.tensor([0, 1])}))
    unknown = by_group(RetrainDistance(), replace(evidence(), reference={}))
    assert set(known) == set(unknown)
    assert {(item.before, item.after, item.n) for item in unknown.values()} == {(None, None, 0)}
    assert (known["rest", "all"].before, known["rest", "all"].after) == (0.0, 0.5)
    assert known["own", "target"].after is None


def test_the_retrained_model_itself_is_at_no_distance() -> None:
    own = dataset_from_predictions("own", [0, 1], before=[0, 1], after=[2, 1])
    found = by_group(RetrainDistance(), replace(make_evidence(own), reference={"own": torch.tensor([2, 1])}))
    assert (found["own", "target"].before, found["own", "target"].after) == (1.0, 0.0)
