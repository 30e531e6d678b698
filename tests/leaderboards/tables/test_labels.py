"""Labels of a plot: they can be read, and stay with their points."""

import itertools

import numpy as np
import pytest

from unlearn_bench.leaderboards.tables.labels import Floats, Scene, boxes, leader, place_labels

BOUNDS = np.array([0.0, 0.0, 480.0, 330.0])


def scene(points: Floats, width: float = 60.0, bars: Floats | None = None) -> Scene:
    sizes = np.tile([width, 12.0], (len(points), 1))
    return Scene(points=points, sizes=sizes, bars=np.zeros((0, 4)) if bars is None else bars, bounds=BOUNDS)


def area(one: Floats, other: Floats) -> float:
    """What two areas share, in square pixels."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return float(max(0.0, width) * max(0.0, height))


def placed(of: Scene) -> Floats:
    return np.concatenate([boxes(m[None], size) for m, size in zip(place_labels(of), of.sizes, strict=True)])


@pytest.mark.parametrize("seed", range(3))
def test_labels_of_a_crowd_do_not_overlap_and_stay_inside(seed: int) -> None:
    generator = np.random.default_rng(seed)
    crowd = np.array([60.0, 280.0]) + generator.normal(0, 6, size=(8, 2))  # where methods that do nothing are
    points = np.concatenate([crowd, generator.uniform([40, 40], [440, 300], size=(14, 2))])
    found = placed(scene(points))
    assert max(area(one, other) for one, other in itertools.combinations(found, 2)) == 0
    assert (found[:, :2] >= BOUNDS[:2]).all()
    assert (found[:, 2:] <= BOUNDS[2:]).all()


def test_points_are_not_covered() -> None:
    points = np.array([[100.0 + 25 * column, 100.0 + 25 * line] for column in range(3) for line in range(3)])
    markers = [np.array([x - 5, y - 5, x + 5, y + 5]) for x, y in points]
    assert max(area(box, marker) for box in placed(scene(points, width=30)) for marker in markers) == 0


def test_a_lonely_label_stands_beside_its_point() -> None:
    (middle,) = place_labels(scene(np.array([[240.0, 150.0]])))
    end = leader(np.array([240.0, 150.0]), middle, np.array([60.0, 12.0]))
    assert np.linalg.norm(end - [240.0, 150.0]) < 8


def test_bars_are_left_free_where_there_is_room() -> None:
    bars = np.array([[180.0, 149.0, 300.0, 151.0], [239.0, 120.0, 241.0, 180.0]])
    (box,) = placed(scene(np.array([[240.0, 150.0]]), bars=bars))
    assert max(area(box, bar) for bar in bars) == 0


def test_a_corner_pushes_labels_inwards() -> None:
    (box,) = placed(scene(np.array([[478.0, 328.0]])))
    assert box[2] <= 480
    assert box[3] <= 330


def test_points_at_one_place_have_labels_at_several() -> None:
    found = placed(scene(np.tile([100.0, 200.0], (4, 1))))
    assert max(area(one, other) for one, other in itertools.combinations(found, 2)) == 0


def test_nothing_to_label_and_the_same_again() -> None:
    assert place_labels(scene(np.zeros((0, 2)))).shape == (0, 2)
    points = np.random.default_rng(3).uniform(50, 300, size=(10, 2))
    assert (place_labels(scene(points)) == place_labels(scene(points))).all()


def test_a_leader_ends_at_the_edge() -> None:
    size = np.array([20.0, 10.0])
    assert leader(np.array([0.0, 0.0]), np.array([30.0, 20.0]), size).tolist() == [20.0, 15.0]
    assert leader(np.array([30.0, 0.0]), np.array([30.0, 20.0]), size).tolist() == [30.0, 15.0]
