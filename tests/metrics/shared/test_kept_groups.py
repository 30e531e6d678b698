"""Kept labels by the part that they share with what is forgotten: none is lost, none counts twice."""

import torch

from unlearn_bench.metrics.shared.kept_groups import kept_groups

FIRST, SECOND = torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([0, 1, 2, 0, 1, 2])
NAMES = ("first", "second", "neither")


def test_the_first_part_goes_before_the_second() -> None:
    assert kept_groups(FIRST, SECOND, (0,), NAMES) == {"first": (1, 2), "second": (3,), "neither": (4, 5)}
    assert kept_groups(FIRST, SECOND, (0, 4), NAMES) == {"first": (1, 2, 3, 5)}
    assert kept_groups(FIRST, SECOND, (0, 1, 2), NAMES) == {"second": (3, 4, 5)}


def test_every_kept_label_is_in_one_group() -> None:
    for forget in ((), (2,), (1, 5), (0, 1, 2, 3, 4, 5)):
        groups = kept_groups(FIRST, SECOND, forget, NAMES)
        assert sorted([*forget, *(label for labels in groups.values() for label in labels)]) == list(range(6))
