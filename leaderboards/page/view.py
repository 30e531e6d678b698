"""All that a page shows, gathered from boards: what templates read."""

from collections.abc import Sequence
from dataclasses import dataclass

from unlearn_bench.leaderboards.brief.headline import measured_line, sentences
from unlearn_bench.leaderboards.page import charts
from unlearn_bench.leaderboards.page.columns import ACCESS, Column, Table, table_of, table_of_curves
from unlearn_bench.leaderboards.page.extras import Extras
from unlearn_bench.leaderboards.page.forget_pages import DatasetPage, ForgetPage, dataset_pages, forget_pages
from unlearn_bench.leaderboards.page.heat import HeatMap, what_attacks_find, what_remains
from unlearn_bench.leaderboards.page.method_pages import Fact, MethodPage, method_pages
from unlearn_bench.leaderboards.statistics.curves import Curve, curves, is_curve
from unlearn_bench.leaderboards.statistics.ranking import UNRANKED
from unlearn_bench.leaderboards.statistics.rows import Board, Row
from unlearn_bench.leaderboards.statistics.settings import Aside
from unlearn_bench.leaderboards.tables import audits, captions
from unlearn_bench.leaderboards.tables import curves as curve_tables
from unlearn_bench.leaderboards.tables.asides import in_words
from unlearn_bench.leaderboards.tables.by_metric import controls, further, retrieval
from unlearn_bench.leaderboards.tables.predictions import predictions
from unlearn_bench.leaderboards.tables.scores import differences
from unlearn_bench.leaderboards.tables.section import Section, full_note, joined, not_found
from unlearn_bench.leaderboards.tables.tables import costs_of, missing

_PLOT = (
    "Up and to the right is better; doing nothing is the upper left corner. The dashed line joins the front: "
    "methods of which none forgets and keeps more. Of curves, a line joins the settings of one method. Names "
    "that find no room are left out: point at a mark, or go from one to the next with the arrow keys. The plot ends "
    "at the least of the methods that kept half; those below are named under it, and drawn on the whole scale."
)
_REFERENCES = (
    "Rows that show the scale: identity does nothing, retrain was trained again without the class, finetune-retain "
    "goes on training on the rest, random-weights knows nothing."
)


@dataclass(frozen=True, kw_only=True)
class BoardView:
    """One suite and model: a tab of the first screen.

    Attributes:
        number: its place among the tabs. tab, title: what it is called, short and long. measured: in one line.
        headline: what it comes to, in sentences. remains, attacks: what audits, and the standard
            attack, find. about: how it was measured. tables: all others, to be unfolded.
    """

    number: int
    tab: str
    title: str
    measured: str
    headline: tuple[str, ...]
    table: Table
    chart: charts.Chart | None
    remains: HeatMap | None
    attacks: HeatMap | None
    about: tuple[str, ...]
    tables: tuple[Section, ...]


@dataclass(frozen=True, kw_only=True)
class View:
    """All boards, and the pages about what is in them.

    Attributes:
        glossary: each heading of a table with what it means, then longer words. asides: what is left out.
    """

    boards: tuple[BoardView, ...]
    methods: tuple[MethodPage, ...]
    datasets: tuple[DatasetPage, ...]
    forget_sets: tuple[ForgetPage, ...]
    glossary: tuple[Fact, ...]
    asides: tuple[str, ...]


def view_of(boards: Sequence[Board], asides: Sequence[Aside], extras: Extras, baseline: str | None = None) -> View:
    """Gather everything."""
    found = tuple(_board(number, board, boards, baseline) for number, board in enumerate(boards))
    columns = {column.key: column for each in found for column in each.table.columns}
    return View(
        boards=found,
        methods=method_pages(boards, extras),
        datasets=dataset_pages(boards),
        forget_sets=forget_pages(boards, extras),
        glossary=_glossary(tuple(columns.values())),
        asides=tuple(in_words(aside) for aside in asides),
    )


def _board(number: int, board: Board, boards: Sequence[Board], baseline: str | None) -> BoardView:
    curved = is_curve(board)
    return BoardView(
        number=number,
        tab=_tab(board, boards),
        title=captions.title(board),
        measured=measured_line(board),
        headline=sentences(board),
        table=table_of_curves(curves(board), _curve_note) if curved else table_of(board, _note),
        chart=charts.front_of(board),
        remains=None if curved else what_remains(board),
        attacks=None if curved else what_attacks_find(board),
        about=(*captions.measured(board), *captions.settings(board)) if curved else captions.about(board),
        tables=tuple(_folded(board, baseline)),
    )


def _tab(board: Board, boards: Sequence[Board]) -> str:
    """The model, and the suite where there are several; what else tells boards apart where these do not."""
    suites = {each.run.suite for each in boards}
    name = board.run.model if len(suites) == 1 else f"{board.run.suite}: {board.run.model}"
    alike = [each for each in boards if (each.run.suite, each.run.model) == (board.run.suite, board.run.model)]
    return f"{name} ({board.variant})" if len(alike) > 1 and board.variant else name


def _folded(board: Board, baseline: str | None) -> list[Section]:
    """Tables for whoever wants all of it."""
    if is_curve(board):
        return [curve_tables.table(board), *missing(board)]
    best = _baseline(board, baseline)
    return [
        *(differences(board, best) if best else ()),
        costs_of(board),
        *retrieval(board),
        *further(board),
        *controls(board),
        *predictions(board),
        *missing(board),
    ]


def _baseline(board: Board, name: str | None) -> Row | None:
    chosen = board.find(name) if name else None
    scored = [row for row in board.rows if row.overall.score is not None]
    return chosen or next((row for row in scored if row.place is not None), scored[0] if scored else None)


def _note(row: Row) -> str:
    return full_note(row, row.overall)


def _curve_note(curve: Curve) -> str:
    return joined(UNRANKED.get(curve.standing, ""), not_found(curve.records))


def _glossary(columns: Sequence[Column]) -> tuple[Fact, ...]:
    words = [Fact(name=column.title, text=column.about) for column in columns]
    longer = (
        ("Access", "; ".join(f"{name}: {text}" for name, text in ACCESS.items())),
        ("References", _REFERENCES),
        ("Plot", _PLOT),
        ("Did not forget", "More than half of the target accuracy is still there."),
        ("Score in full", captions.SCORE),
        ("Forgetting, retention, irreversibility, front in full", captions.TRADE_OFF),
        ("Ranks in full", captions.RANKS),
        ("Intervals", captions.INTERVALS),
        ("What remains", audits.READING),
        *((("Worst known recovery in full", audits.RECOVERY),) if any(c.key == "recovery" for c in columns) else ()),
    )  # fmt: skip
    return (*words, *(Fact(name=name, text=text) for name, text in longer))
