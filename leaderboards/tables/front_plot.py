"""Forgetting against retention, one point for each method, with intervals on both axes."""

import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unlearn_bench.leaderboards.statistics.frame import least_shown, told
from unlearn_bench.leaderboards.statistics.intervals import Interval
from unlearn_bench.leaderboards.statistics.ranking import UNRANKED
from unlearn_bench.leaderboards.statistics.rows import Board, Row
from unlearn_bench.leaderboards.tables.captions import title
from unlearn_bench.leaderboards.tables.labels import write_beside
from unlearn_bench.shown import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

LOOKS = {"ZS": ("#0072B2", "o"), "semi-ZS": ("#D55E00", "^"), "not-ZS": ("#009E73", "s")}
"""Colour and marker by access. Colours of Okabe and Ito, 2008, told apart with any kind of colour vision."""
OTHER_LOOK = ("#CC79A7", "P")
_LINE = "#9a9a9a"
REFERENCE_LOOK = ("#6b6b6b", "x")

_LINE_LENGTH = 98  # letters of a remark that fit under a panel
_UNDER_AXIS = -34  # points from the axis to what stands below its label


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One row in the plot: its name, forgetting and retention, their intervals, and how it is drawn."""

    name: str
    forgetting: float
    retention: float
    across: Interval
    along: Interval
    access: str
    is_reference: bool
    on_front: bool


def marks(board: Board) -> tuple[Mark, ...]:
    """What of a board can be drawn: rows that have both numbers. Without intervals, bars have no length."""
    found = []
    for row in board.rows:
        summary = row.overall
        gone, kept = summary.forgetting, summary.retention
        if gone is not None and kept is not None:
            found.append(
                Mark(
                    name=_name(row),
                    forgetting=gone,
                    retention=kept,
                    across=summary.intervals.get("forgetting", Interval(low=gone, high=gone)),
                    along=summary.intervals.get("retention", Interval(low=kept, high=kept)),
                    access=row.run.access,
                    is_reference=row.standing == "reference",
                    on_front=row.on_front,
                )
            )
    return tuple(found)


def shown(board: Board) -> tuple[tuple[Mark, ...], tuple[Mark, ...]]:
    """The marks that are drawn, and those that lie below them and are only named."""
    found = marks(board)
    least = least_shown((mark.retention, mark.along) for mark in found if not mark.is_reference)
    return (
        tuple(mark for mark in found if mark.retention >= least),
        tuple(mark for mark in found if mark.retention < least),
    )


def _name(row: Row) -> str:
    told = UNRANKED.get(row.standing)
    return f"{row.label} ({told})" if told else row.label


def _look(mark: Mark) -> tuple[str, str]:
    return REFERENCE_LOOK if mark.is_reference else LOOKS.get(mark.access, OTHER_LOOK)


def panel(axes: "Axes", board: Board, boards: Sequence[Board]) -> None:  # noqa: ARG001  (all kinds are called alike)
    """Points, error bars, the edge of what the front beats."""
    found, below = shown(board)
    for mark in found:
        colour, marker = _look(mark)
        axes.errorbar(
            mark.forgetting,
            mark.retention,
            xerr=_reach(mark.forgetting, mark.across),
            yerr=_reach(mark.retention, mark.along),
            fmt=marker,
            color=colour,
            markerfacecolor=colour if mark.on_front or mark.is_reference else "white",
            markersize=7,
            markeredgewidth=1.4,
            elinewidth=0.9,
            zorder=3 if mark.is_reference else 4,
        )
    low = min(mark.along.low for mark in found)
    room = max(1 - low, 0.05)
    axes.set_xlim(-0.14, 1.08)
    axes.set_ylim(max(low - 0.15 * room, -0.08), 1 + 0.3 * room)
    x, y = _stairs(board, axes.get_ylim()[0])
    axes.plot(x, y, color=_LINE, linestyle="--", linewidth=1, zorder=2, scalex=False, scaley=False)
    axes.set_xlabel("forgetting: 1 - AF/BF of the target (more is better)")
    axes.set_ylabel("retention: mean of min(1, AF/BF) (more is better)")
    axes.set_title(visible(title(board)), fontsize=10, parse_math=False)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_yticks([tick for tick in axes.get_yticks() if axes.get_ylim()[0] <= tick <= 1 + 1e-9])
    write_under(axes, told([(mark.name, mark.forgetting, mark.retention) for mark in below]))
    axes.grid(color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def write_under(axes: "Axes", text: str) -> None:
    """A remark under a panel's axis, in as many lines as it needs."""
    if text:
        lines = "\n".join(textwrap.wrap(visible(text), _LINE_LENGTH))
        axes.annotate(lines, (0.5, 0), (0, _UNDER_AXIS), xycoords="axes fraction", textcoords="offset points",
                      ha="center", va="top", color=REFERENCE_LOOK[0], fontsize=8.5, style="italic",
                      parse_math=False)  # fmt: skip


def _reach(value: float, interval: Interval) -> list[list[float]]:
    """How far an error bar goes to both sides; an interval of resamples need not hold its value."""
    return [[max(0.0, value - interval.low)], [max(0.0, interval.high - value)]]


def _stairs(board: Board, bottom: float) -> tuple[list[float], list[float]]:
    """The edge of what the front beats, corner by corner; nothing without a front."""
    on = [row.overall for row in board.rows if row.on_front]
    points = sorted((item.forgetting or 0.0, item.retention or 0.0) for item in on)
    if not points:
        return [], []
    left = [0.0, *(gone for gone, _ in points)]  # each step is as high as the next method's retention
    x = [value for value in left for _ in range(2)][1:]
    return x, [*(kept for _, kept in points for _ in range(2)), bottom]


def entries(boards: Sequence[Board]) -> "list[Line2D]":
    """What the legend says of these boards."""
    from matplotlib.lines import Line2D  # noqa: PLC0415

    found = [mark for board in boards for mark in marks(board)]
    said = access_entries([mark.access for mark in found if not mark.is_reference])
    if any(mark.is_reference for mark in found):
        said.append(entry("reference", *REFERENCE_LOOK))
    if any(mark.on_front for mark in found):
        said.append(Line2D([], [], color=_LINE, linestyle="--", linewidth=1, label="front"))
    return [*said, entry("not on the front", "#6b6b6b", "o", face="white")]


def access_entries(found: Sequence[str], colour: str = "") -> "list[Line2D]":
    """One for each kind of access that is there, in its own colour or all in this one."""
    said = [entry(name, colour or own, marker) for name, (own, marker) in LOOKS.items() if name in found]
    if any(name not in LOOKS for name in found):
        said.append(entry("other access", colour or OTHER_LOOK[0], OTHER_LOOK[1]))
    return said


def entry(label: str, colour: str, marker: str, *, face: str | None = None) -> "Line2D":
    from matplotlib.lines import Line2D  # noqa: PLC0415

    return Line2D([], [], color=colour, marker=marker, linestyle="", markerfacecolor=face or colour, label=label)


def label(figure: "Figure", axes: "Axes", board: Board, boards: Sequence[Board]) -> None:  # noqa: ARG001
    """Write the names where they can be read, with a line to the point where they are far from it."""
    found, _ = shown(board)
    texts = [
        axes.text(0, 0, visible(mark.name), color=_look(mark)[0], fontsize=8.5, ha="center", va="center",
                  parse_math=False, style="italic" if mark.is_reference else "normal", zorder=6)
        for mark in found
    ]  # fmt: skip
    points = axes.transData.transform([(mark.forgetting, mark.retention) for mark in found])
    write_beside(figure, axes, texts, points=points, bars=_bars(axes, board))


def _bars(axes: "Axes", board: Board) -> NDArray[np.float64]:
    """The error bars and the parts of the front's line in pixels, (M, 4), each two wide."""
    lines = []
    for mark in shown(board)[0]:
        lines.append([(mark.across.low, mark.retention), (mark.across.high, mark.retention)])
        lines.append([(mark.forgetting, mark.along.low), (mark.forgetting, mark.along.high)])
    corners = list(zip(*_stairs(board, axes.get_ylim()[0]), strict=True))
    lines += [[(min(x, u), min(y, v)), (max(x, u), max(y, v))] for (x, y), (u, v) in itertools.pairwise(corners)]
    found = axes.transData.transform(np.array(lines).reshape(-1, 2)).reshape(-1, 4)
    return np.asarray(found + np.array([-1, -1, 1, 1]))
