"""The few images of each class that attacks are given."""

import torch

from unlearn_bench.metrics.shared.shots import SHOTS, few

LABELS = torch.tensor([2, 0, 2, 0, 2, 5, 2, 0])


def test_each_class_gives_so_many_or_all_it_has() -> None:
    for shots in SHOTS:
        rows = few(LABELS, shots, "own", 0)
        assert len(set(rows.tolist())) == len(rows)
        given = LABELS[rows].tolist()
        assert given == sorted(given)
        assert [given.count(label) for label in (0, 2, 5)] == [min(shots, 3), min(shots, 4), 1]


def test_smaller_sets_are_parts_of_larger_ones_and_seeds_draw_others() -> None:
    labels = torch.arange(3).repeat(30)
    one, four = (set(few(labels, shots, "own", 0).tolist()) for shots in (1, 4))
    assert one < four
    assert set(few(labels, 4, "own", 1).tolist()) != four
    assert set(few(labels, 4, "other", 0).tolist()) != four


def test_no_images_give_no_rows() -> None:
    assert few(LABELS[:0], 4, "own", 0).tolist() == []
