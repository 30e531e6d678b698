"""What stands in the last column of a row: why it has no rank, and what came of tuning it."""

from collections.abc import Iterable, Mapping

from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.ranking import UNRANKED
from unlearn_bench.leaderboards.statistics.rows import Row, Summary


def in_short(row: Row, summary: Summary) -> str:
    """Why the row has no rank, and whether it did not forget."""
    return joined(UNRANKED.get(row.standing, ""), "did not forget" if summary.did_not_forget else "")


def in_full(row: Row, summary: Summary) -> str:
    """The same, and whether tuning found anything."""
    return joined(in_short(row, summary), not_found(row.records))


def not_found(records: Iterable[Record]) -> str:
    """What is said of a method of which no trial forgot without more harm than good; else nothing.

    All records say it or none does: where their presets differ, or don't tell, nothing is said.
    """
    presets = [record.preset for record in records]
    if not presets or any(preset.get("found", True) for preset in presets):
        return ""
    said = {_not_found(preset) for preset in presets}
    return said.pop() if len(said) == 1 else ""


def two_decimals(value: float) -> str:
    """A share in a sentence.

    >>> two_decimals(0.812), two_decimals(-0.05), two_decimals(1.0), two_decimals(-0.001)
    ('.81', '-.05', '1.00', '.00')
    """
    text = f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.2f}"
    return text.removeprefix("-") if text == "-.00" else text


def joined(*said: str) -> str:
    return "; ".join(filter(None, said))


def _not_found(preset: Mapping[str, object]) -> str:
    trials, best = preset.get("trials", preset.get("budget")), preset.get("best_that_forgot")
    what = f"no setting{f' of {trials}' if isinstance(trials, int) else ''} forgot without more harm than good"
    if not isinstance(best, Mapping):
        return what
    numbers = [(name, best.get(name)) for name in ("forgetting", "retention")]
    shown = [f"{name} {two_decimals(value)}" for name, value in numbers if isinstance(value, int | float)]
    return f"{what}; the best that forgot: {', '.join(shown)} on the tuning classes" if len(shown) == 2 else what
