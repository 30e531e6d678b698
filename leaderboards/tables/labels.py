"""Where the names of a scatter plot's points go, so that they can be read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

Floats = NDArray[np.float64]

_DISTANCES = (5.0, 11.0, 18.0, 26.0, 36.0, 48.0, 62.0, 80.0, 102.0, 128.0, 160.0, 200.0)
"""Between a point and its label, in pixels."""
_FAR = 9.0
"""Between a point and its label, in pixels: beyond it there is a line from one to the other."""
_ANGLES = 16
_PASSES = 3
_STEPS = 12
"""Points of a leader line at which it is looked at."""

_ON_LABEL, _OUTSIDE, _ON_POINT, _ON_BAR = 40.0, 40.0, 12.0, 4.0
"""How wrong a place is, per square pixel of overlap; a pixel of distance weighs 1."""
_LEADER_ON_LABEL, _LEADER_ON_POINT = 20.0, 6.0
"""Per pixel of a leader line that lies on something."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What labels must not cover. All in pixels, y upwards.

    Attributes:
        points: (n, 2). sizes: (n, 2) widths and heights of the labels.
        bars: (m, 4) left, bottom, right, top of what had better not be covered: error bars.
        bounds: (4,) within which labels stay.
        marker: half the side of a point's marker.
    """

    points: Floats
    sizes: Floats
    bars: Floats
    bounds: Floats
    marker: float = 5.0


def place_labels(scene: Scene) -> Floats:
    """The middle of each label, (n, 2): near its point, off the other labels, the points and the bars.

    Each label in turn takes the best of a few hundred places around its point; then each may choose again, a few
    times, as the others now stand. Deterministic.
    """
    count = len(scene.points)
    places: list[Floats] = [np.zeros((0, 2)) for _ in range(count)]
    crowded = [float(np.sum(1 / (1 + np.linalg.norm(scene.points - point, axis=1)))) for point in scene.points]
    order = sorted(range(count), key=lambda place: (-crowded[place], place))
    for turn in range(_PASSES):
        before = [place.copy() for place in places]
        for index in order:
            others = [other for other in range(count) if other != index and len(places[other])]
            places[index] = _best(scene, index, [(other, places[other][0]) for other in others])
        if turn and all(np.array_equal(old, new) for old, new in zip(before, places, strict=True)):
            break
    return np.concatenate(places) if places else np.zeros((0, 2))


def write_beside(
    figure: "Figure",
    axes: "Axes",
    texts: "Sequence[Text]",
    *,
    points: Floats,
    bars: Floats,
    marker: float = Scene.marker,
) -> None:
    """Move texts to where they can be read, with a line to the point where they are far from it.

    Args:
        points: (n, 2) to which they belong. bars: (m, 4), see `Scene`. Both in the figure's own pixels.
    """
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]  # the Agg canvas has one
    extents = [text.get_window_extent(renderer) for text in texts]
    scale = figure.dpi / 72
    scene = Scene(
        points=points / scale,
        sizes=np.array([(extent.width + 4, extent.height + 2) for extent in extents]) / scale,
        bars=bars / scale,
        bounds=np.array(axes.bbox.extents) / scale,
        marker=marker,
    )
    to_data = axes.transData.inverted()
    for text, point, middle, size in zip(texts, scene.points, place_labels(scene), scene.sizes, strict=True):
        text.set_position(tuple(to_data.transform(middle * scale)))
        end = leader(point, middle, size)
        if np.linalg.norm(end - point) > _FAR:
            ends = to_data.transform(np.stack([point, end]) * scale)
            axes.plot(ends[:, 0], ends[:, 1], color=text.get_color(), linewidth=0.6, alpha=0.7, zorder=1)


def leader(point: Floats, middle: Floats, size: Floats) -> Floats:
    """The end of the line from a point to its label: the nearest place on the label's edge, (2,)."""
    return np.asarray(np.clip(point, middle - size / 2, middle + size / 2))


def boxes(middles: Floats, size: Floats) -> Floats:
    """Left, bottom, right, top of labels around these middles, (n, 4)."""
    return np.concatenate([middles - size / 2, middles + size / 2], axis=-1)


def _best(scene: Scene, index: int, placed: Sequence[tuple[int, Floats]]) -> Floats:
    point, size = scene.points[index], scene.sizes[index]
    middles, far = _candidates(point, size)
    mine = boxes(middles, size)  # (C, 4)
    cost = far + _ON_BAR * _overlap(mine, scene.bars)
    low, high = scene.bounds[:2], scene.bounds[2:]
    inside = np.prod(np.clip(np.minimum(mine[:, 2:], high) - np.maximum(mine[:, :2], low), 0, None), axis=1)
    cost += _OUTSIDE * (np.prod(size) - inside)
    markers = boxes(scene.points, np.full(2, 2 * scene.marker))
    cost += _ON_POINT * _overlap(mine, markers)
    lines = _lines(point, np.clip(point, mine[:, :2], mine[:, 2:]))  # (C, T, 2)
    cost += _LEADER_ON_POINT * _hits(lines, np.delete(markers, index, axis=0))
    for other, middle in placed:
        theirs = boxes(middle[None], scene.sizes[other])
        cost += _ON_LABEL * _overlap(mine, theirs) + _LEADER_ON_LABEL * _hits(lines, theirs)
        line = _lines(scene.points[other], leader(scene.points[other], middle, scene.sizes[other])[None])[0]
        cost += _LEADER_ON_LABEL * _spacing(line) * _inside(line[None], mine[:, None]).sum(axis=1)
    return np.asarray(middles[int(np.argmin(cost))][None])


def _candidates(point: Floats, size: Floats) -> tuple[Floats, Floats]:
    """Middles around a point, (C, 2), and how far from it each label would be, (C,)."""
    angles = 2 * np.pi * np.arange(_ANGLES) / _ANGLES
    ways = np.stack([np.cos(angles), np.sin(angles)], axis=1)  # (A, 2)
    gaps = np.repeat(np.array(_DISTANCES), _ANGLES)
    return point + np.tile(ways, (len(_DISTANCES), 1)) * (gaps[:, None] + size / 2), gaps


def _overlap(mine: Floats, theirs: Floats) -> Floats:
    """The area that each of (C, 4) shares with all of (M, 4), summed, (C,)."""
    sides = np.minimum(mine[:, None, 2:], theirs[None, :, 2:]) - np.maximum(mine[:, None, :2], theirs[None, :, :2])
    return np.asarray(np.prod(np.clip(sides, 0, None), axis=2).sum(axis=1))


def _lines(start: Floats, ends: Floats) -> Floats:
    """Points along lines from `start` to each of (C, 2), (C, T, 2)."""
    steps = np.linspace(0, 1, _STEPS)[None, :, None]
    return np.asarray(start + steps * (ends[:, None, :] - start))


def _hits(lines: Floats, theirs: Floats) -> Floats:
    """The length of each line (C, T, 2) that lies in any of (M, 4), (C,)."""
    return np.asarray(_spacing(lines) * _inside(lines[:, :, None], theirs[None, None]).sum(axis=(1, 2)))


def _spacing(lines: Floats) -> Floats:
    """Between two points of lines (.., T, 2), (..)."""
    return np.asarray(np.linalg.norm(lines[..., 1, :] - lines[..., 0, :], axis=-1))


def _inside(points: Floats, areas: Floats) -> NDArray[np.bool_]:
    """Whether points (.., 2) lie in areas (.., 4)."""
    return np.asarray(np.all((points >= areas[..., :2]) & (points <= areas[..., 2:]), axis=-1))
