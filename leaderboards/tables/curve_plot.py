"""Forgetting against retention, a line through the points of each method; the largest areas in colour."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unlearn_bench.leaderboards.statistics.curves import Curve, CurvePoint, curves
from unlearn_bench.leaderboards.statistics.frame import least_shown, told
from unlearn_bench.leaderboards.statistics.intervals import Interval
from unlearn_bench.leaderboards.statistics.ranking import UNRANKED
from unlearn_bench.leaderboards.statistics.rows import Board
from unlearn_bench.leaderboards.tables.captions import title
from unlearn_bench.leaderboards.tables.front_plot import (
    LOOKS,
    OTHER_LOOK,
    REFERENCE_LOOK,
    access_entries,
    entry,
    write_under,
)
from unlearn_bench.leaderboards.tables.labels import write_beside
from unlearn_bench.shown import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Of Okabe and Ito, 2008, told apart with any kind of colour vision; for the largest areas, in their order."""

_GREY = "#a0a0a0"
_STEP = 6.0
"""Pixels from one box to the next of those that keep names off a line."""


@dataclass(frozen=True, kw_only=True)
class Dot:
    """One point of a line; without intervals, bars have no length."""

    forgetting: float
    retention: float
    across: Interval
    along: Interval
    on_front: bool


@dataclass(frozen=True, kw_only=True)
class Line:
    """One method: its measured points by forgetting, its colour, and whether it is one of those with large areas."""

    name: str
    marker: str
    access: str
    colour: str
    bold: bool
    is_reference: bool
    dots: tuple[Dot, ...]

    @property
    def joined(self) -> tuple[Dot, ...]:
        """The points on its own front."""
        return tuple(dot for dot in self.dots if dot.on_front)


def colours(boards: Sequence[Board]) -> Mapping[str, str]:
    """By method, so that it has one in all panels: those with the largest areas, summed over these boards."""
    areas: dict[str, float] = {}
    for curve in (curve for board in boards for curve in curves(board)):
        if curve.standing != "reference" and curve.area:
            areas[curve.label] = areas.get(curve.label, 0.0) + curve.area
    return dict(zip(sorted(areas, key=lambda name: (-areas[name], name)), COLOURS, strict=False))


def lines(board: Board, coloured: Mapping[str, str] = MappingProxyType({})) -> tuple[Line, ...]:
    """What of a board can be drawn: methods with a measured point."""
    return tuple(_line(curve, coloured.get(curve.label)) for curve in curves(board) if curve.measured)


def shown(
    board: Board, coloured: Mapping[str, str] = MappingProxyType({})
) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """The lines that are drawn, and those that lie below them with all their points and are only named."""
    found = lines(board, coloured)
    least = least_shown((dot.retention, dot.along) for line in found if not line.is_reference for dot in line.dots)
    below = [line for line in found if all(dot.retention < least for dot in line.dots)]
    return tuple(line for line in found if line not in below), tuple(below)


def panel(axes: "Axes", board: Board, boards: Sequence[Board]) -> None:
    """Lines, points and error bars; `boards` are all of the picture."""
    found, below = shown(board, colours(boards))
    for line in found:
        _draw(axes, line)
    low = min(dot.along.low for line in found for dot in line.dots)
    room = max(1 - low, 0.05)
    axes.set_xlim(-0.1, 1.12)
    axes.set_ylim(low - 0.06 * room, 1 + 0.16 * room)
    axes.set_xlabel("forgetting: 1 - AF/BF of the target (more is better)")
    axes.set_ylabel("retention: mean of min(1, AF/BF) (more is better)")
    axes.set_title(visible(title(board)), fontsize=10, parse_math=False)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_yticks([tick for tick in axes.get_yticks() if max(0.0, axes.get_ylim()[0]) <= tick <= 1 + 1e-9])
    write_under(axes, told([(line.name, line.dots[0].forgetting, line.dots[0].retention) for line in below]))
    axes.grid(color="#eeeeee", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def label(figure: "Figure", axes: "Axes", board: Board, boards: Sequence[Board]) -> None:
    """Write each name at the point of its line that is farthest from all other lines."""
    found, _ = shown(board, colours(boards))
    texts = [
        axes.text(0, 0, visible(line.name), color=line.colour if line.bold else REFERENCE_LOOK[0], ha="center",
                  va="center", fontsize=9 if line.bold else 7.5, fontweight="bold" if line.bold else "normal",
                  parse_math=False, style="italic" if line.is_reference else "normal", zorder=6)
        for line in found
    ]  # fmt: skip
    places = [_places(axes.transData, line.joined or line.dots) for line in found]
    bars = np.concatenate([_boxes(points) for points in places])
    write_beside(figure, axes, texts, points=np.array(_anchors(places)), bars=bars, marker=3.5)


def entries(boards: Sequence[Board]) -> "list[Line2D]":
    """What the legend says of these boards."""
    found = [line for board in boards for line in lines(board)]
    said = access_entries([line.access for line in found if not line.is_reference], REFERENCE_LOOK[0])
    if any(line.is_reference for line in found):
        said.append(entry("reference", *REFERENCE_LOOK))
    if any(not dot.on_front for line in found if not line.is_reference for dot in line.dots):
        said.append(entry("beaten by another point of its method", REFERENCE_LOOK[0], "o", face="white"))
    return said


def _line(curve: Curve, colour: str | None) -> Line:
    told = UNRANKED.get(curve.standing)
    is_reference = curve.standing == "reference"
    access = curve.points[0].row.run.access
    look = REFERENCE_LOOK if is_reference else LOOKS.get(access, OTHER_LOOK)
    dots = sorted((_dot(point) for point in curve.measured), key=lambda dot: (dot.forgetting, -dot.retention))
    return Line(
        name=f"{curve.label} ({told})" if told else curve.label,
        marker=look[1],
        access=access,
        colour=colour or (REFERENCE_LOOK[0] if is_reference else _GREY),
        bold=colour is not None,
        is_reference=is_reference,
        dots=tuple(dots),
    )


def _dot(point: CurvePoint) -> Dot:
    gone, kept = point.forgetting or 0.0, point.retention or 0.0
    return Dot(
        forgetting=gone,
        retention=kept,
        across=point.across or Interval(low=gone, high=gone),
        along=point.along or Interval(low=kept, high=kept),
        on_front=point.on_front,
    )


def _draw(axes: "Axes", line: Line) -> None:
    level = 4 if line.bold else 3
    x, y = ([getattr(dot, side) for dot in line.joined] for side in ("forgetting", "retention"))
    axes.plot(x, y, color=line.colour, linewidth=1.9 if line.bold else 0.9, zorder=level)
    for dot in line.dots:
        axes.errorbar(
            dot.forgetting,
            dot.retention,
            xerr=_reach(dot.forgetting, dot.across),
            yerr=_reach(dot.retention, dot.along),
            fmt=line.marker,
            color=line.colour,
            markerfacecolor=line.colour if dot.on_front or line.is_reference else "white",
            markersize=6 if line.bold else 3.8,
            markeredgewidth=1.1,
            elinewidth=0.7,
            ecolor=(line.colour, 0.55 if line.bold else 0.35),
            zorder=level + (0.5 if dot.on_front else 0),
        )


def _reach(value: float, interval: Interval) -> list[list[float]]:
    """How far an error bar goes to both sides; an interval of resamples need not hold its value."""
    return [[max(0.0, value - interval.low)], [max(0.0, interval.high - value)]]


def _places(to_pixels: object, dots: Sequence[Dot]) -> NDArray[np.float64]:
    transform = to_pixels.transform  # type: ignore[attr-defined]  # of matplotlib, which has no types
    return np.asarray(transform([(dot.forgetting, dot.retention) for dot in dots]), dtype=np.float64)


def _anchors(places: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """For each line, that of its points which is farthest from the nearest point of any other line."""
    found = []
    for index, own in enumerate(places):
        others = [_along(points) for other, points in enumerate(places) if other != index]
        if others:
            away = np.linalg.norm(own[:, None] - np.concatenate(others)[None], axis=-1).min(axis=1)
            found.append(own[int(np.argmax(away))])
        else:
            found.append(own[0])
    return found


def _along(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points on the line through these, `_STEP` pixels apart at most."""
    pieces = [points]
    for start, end in itertools.pairwise(points):
        steps = int(np.linalg.norm(end - start) // _STEP)
        pieces.append(start + (end - start) * (np.arange(1, steps + 1) / (steps + 1))[:, None])
    return np.concatenate(pieces)


def _boxes(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Left, bottom, right, top of boxes that cover the line through these points."""
    on = _along(points)
    return np.concatenate([on - 2.5, on + 2.5], axis=1)
