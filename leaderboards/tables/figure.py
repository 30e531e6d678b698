"""Leaderboards as a picture: one panel for each, points or curves as its suite asks."""

import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from unlearn_bench.errors import InputError, unknown
from unlearn_bench.leaderboards.statistics.curves import is_curve
from unlearn_bench.leaderboards.statistics.rows import Board
from unlearn_bench.leaderboards.tables import curve_plot, front_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

PictureFormat = Literal["png", "svg"]
PICTURES: tuple[str, ...] = get_args(PictureFormat)

_DPI = 200
_COLUMNS = 2

_STYLE: dict[str, Any] = {
    "font.size": 9,
    "svg.fonttype": "none",  # text stays text: small files, names that can be searched for
    "svg.hashsalt": "unlearn-bench",  # names of parts inside the file: the same in every run
}


_INK, _PAPER = "#e6edf3", "#0d1117"
_DARK_STYLE: dict[str, Any] = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), _INK),
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), _PAPER),
}
_ON_DARK = {
    "#0072b2": "#56b4e9", "#d55e00": "#f0965a", "#009e73": "#3ecf9f", "#cc79a7": "#e08cc0",
    "#6b6b6b": "#a0a7b0", "#9a9a9a": "#7d8590", "#a0a0a0": "#7d8590", "#e6e6e6": "#262c33", "#eeeeee": "#262c33",
    "#ffffff": _PAPER,
}  # fmt: skip
"""Colours that are chosen for white paper, and what stands for them on dark."""

_STYLED = re.compile(r'(<[^<>]*?\bstyle=")([^"]*)(")')


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How boards of one kind are drawn.

    Attributes:
        size: width and height of a panel, in inches. can_draw: whether a board has anything to draw.
        panel: draws it, given all boards of the picture too. label: writes its names, once the panel has its size.
        entries: the legend's, of all boards.
    """

    size: tuple[float, float]
    can_draw: "Callable[[Board], bool]"
    panel: "Callable[[Axes, Board, Sequence[Board]], None]"
    label: "Callable[[Figure, Axes, Board, Sequence[Board]], None]"
    entries: "Callable[[Sequence[Board]], list[Line2D]]"


_FRONT = Kind(
    size=(6.8, 5.3),
    can_draw=lambda board: bool(front_plot.marks(board)),
    panel=front_plot.panel,
    label=front_plot.label,
    entries=front_plot.entries,
)
_CURVES = Kind(
    size=(7.4, 6.6),
    can_draw=lambda board: bool(curve_plot.lines(board)),
    panel=curve_plot.panel,
    label=curve_plot.label,
    entries=curve_plot.entries,
)


def draw(boards: Sequence[Board], *, fmt: PictureFormat | str = "png") -> bytes:
    """The boards' panels side by side, as a PNG or an SVG; the same bytes for the same records and matplotlib.

    Raises:
        InputError: an unknown format, or no row of any board has both numbers.
    """
    if fmt not in PICTURES:
        raise unknown("format", fmt, PICTURES)
    return _drawn(boards, fmt, [])


def _drawn(boards: Sequence[Board], fmt: str, styles: Sequence[dict[str, Any]]) -> bytes:
    drawn = [(board, kind) for board in boards for kind in [_kind(board)] if kind.can_draw(board)]
    if not drawn:
        raise InputError(
            "nothing to draw: no row has all its cells, so none has forgetting and retention; run the rest"
        )
    from matplotlib import style  # noqa: PLC0415  (takes its time, and most leaderboards are text)
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    # Without pyplot there is no figure that outlives this call; the reader's own style is set aside meanwhile.
    with style.context(["default", _STYLE, *styles]):
        columns = min(_COLUMNS, len(drawn))
        lines = math.ceil(len(drawn) / columns)
        width, height = (max(kind.size[side] for _, kind in drawn) for side in (0, 1))
        figure = Figure(figsize=(width * columns, height * lines), dpi=_DPI)
        FigureCanvasAgg(figure)
        axes = figure.subplots(lines, columns, squeeze=False).ravel()
        for (board, kind), panel in zip(drawn, axes, strict=False):
            kind.panel(panel, board, _of(kind, drawn))
        for empty in axes[len(drawn) :]:
            empty.set_axis_off()
        entries = _entries(drawn)
        figure.legend(handles=entries, loc="lower center", ncols=len(entries), frameon=False, handletextpad=0.4)
        figure.tight_layout(rect=(0, 0.35 / (height * lines), 1, 1))
        for (board, kind), panel in zip(drawn, axes, strict=False):
            kind.label(figure, panel, board, _of(kind, drawn))
        file = io.BytesIO()
        figure.savefig(
            file, format=fmt, metadata={"Software": None} if fmt == "png" else {"Date": None, "Creator": None}
        )
    return file.getvalue()


def draw_dark(boards: Sequence[Board]) -> str:
    """The same as an SVG for a dark page; errors as `draw`."""
    text = _drawn(boards, "svg", [_DARK_STYLE]).decode("utf-8")
    return _STYLED.sub(lambda found: f"{found[1]}{_recoloured(found[2])}{found[3]}", text)


def _recoloured(style: str) -> str:
    return re.sub("#[0-9a-f]{6}", lambda found: _ON_DARK.get(found[0], found[0]), style)


def _kind(board: Board) -> Kind:
    return _CURVES if is_curve(board) else _FRONT


def _of(kind: Kind, drawn: "Sequence[tuple[Board, Kind]]") -> list[Board]:
    return [board for board, own in drawn if own is kind]


def _entries(drawn: "Sequence[tuple[Board, Kind]]") -> "list[Line2D]":
    """The legend of all kinds that are drawn, each name once."""
    found: dict[str, Line2D] = {}
    for kind in (_FRONT, _CURVES):
        boards = _of(kind, drawn)
        for entry in kind.entries(boards) if boards else ():
            found.setdefault(str(entry.get_label()), entry)
    return list(found.values())
