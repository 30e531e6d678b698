"""The command that compares what searches found on several models or under several conditions, method by method.

    python -m unlearn_bench.benchmarks.tuning.limits "64 trials=a.toml" "640 trials=b.toml" --out limits.md

Each file is one that `tune` wrote; several of one name count as one. Nothing is run: of each method the page says
what its search came to on the tuning classes under each condition, so that what holds a method back (budget, data,
width of the model) can be read off.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from unlearn_bench.benchmarks.presets.preset import FRONT, read_presets
from unlearn_bench.cache import write_text
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.leaderboards.statistics.curves import dominated_area
from unlearn_bench.leaderboards.tables.render import markdown
from unlearn_bench.leaderboards.tables.section import Section, number
from unlearn_bench.mistakes import mistakes_in_a_line

app = typer.Typer(add_completion=False)

NOT_TRIED = "-"
READING = (
    "Of each method under each condition, on the tuning classes alone: the least Avg. Score of a setting that forgot "
    "(target AF/BF at most .5), with its forgetting / retention, and the area of the square of forgetting and "
    "retention that the front of its trials dominates (doing nothing: 0; forgetting all at no cost: 1). "
    "'none forgot': no trial on all classes did. An asterisk: it forgot with more harm than good. "
    f"'{NOT_TRIED}': not tried."
)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What was searched under one condition.

    Attributes:
        name: of its columns. tables: the tuned methods' preset tables, by name.
    """

    name: str
    tables: Mapping[str, Mapping[str, Any]]


def condition(text: str) -> Condition:
    """`NAME=FILE` as a condition.

    Raises:
        InputError: no equals sign, no such file, or nothing in it that was tuned.
    """
    name, equals, file = text.partition("=")
    if not (equals and name and file):
        raise InputError(f"condition {text!r} is not of the form NAME=FILE; give for example '640 trials=b.toml'")
    path = Path(file)
    if not path.is_file():
        raise InputError(f"no preset file at {file!r} for {name!r}; give one that `tune` wrote")
    tables = {key: table for key, table in read_presets(path).items() if table.get("source") == "tuned"}
    if not tables:
        raise InputError(f"preset file {file!r} holds nothing that was tuned; give one that `tune` wrote")
    return Condition(name=name, tables=tables)


def merged(conditions: Sequence[Condition]) -> list[Condition]:
    """Conditions of one name as one, in the order of their first mention: searches may be a file for each method."""
    found: dict[str, Condition] = {}
    for each in conditions:
        former = found.get(each.name)
        tables = {**former.tables, **each.tables} if former else each.tables
        found[each.name] = Condition(name=each.name, tables=tables)
    return list(found.values())


def section(conditions: Sequence[Condition], methods: Sequence[str] = ()) -> Section:
    """The table: a row for each method of any condition, or for these alone, in their order.

    Raises:
        InputError: a method that no condition has.
    """
    known = sorted({name for each in conditions for name in each.tables})
    for name in methods:
        if name not in known:
            raise unknown("method of these files", name, known)
    methods = methods or known
    headers = ["method"]
    for each in conditions:
        budgets = sorted({int(table["trials"]) for table in each.tables.values()})
        headers += [f"{each.name}: {'/'.join(map(str, budgets))} trials", "area"]
    rows = [(name, *(cell for each in conditions for cell in cells(each.tables.get(name)))) for name in methods]
    return Section(
        title="What holds methods back", level=1, paragraphs=(READING,), headers=tuple(headers), rows=tuple(rows)
    )


def cells(table: Mapping[str, Any] | None) -> tuple[str, str]:
    """Score with forgetting and retention, and the area, of one search."""
    if table is None:
        return NOT_TRIED, NOT_TRIED
    points = table.get(FRONT, ())
    forgotten, kept = (np.array([float(point[name]) for point in points]) for name in ("forgetting", "retention"))
    covered = number(float(dominated_area(forgotten, kept)) if points else 0.0)
    best = table.get("best_that_forgot")
    if best is None:
        return "none forgot", covered
    mark = "" if table.get("found") else "*"
    return f"{number(best['score'])}{mark} ({number(best['forgetting'])} / {number(best['retention'])})", covered


@app.command()
@mistakes_in_a_line
def main(
    conditions: Annotated[list[str], typer.Argument(help="NAME=FILE, each a preset file that `tune` wrote.")],
    *,
    methods: Annotated[str, typer.Option(help="Rows, separated by commas; all without.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write here instead of to the screen.")] = None,
) -> None:
    """Compare what searches found under several conditions.

    Example: python -m unlearn_bench.benchmarks.tuning.limits "mini-rn=mini-rn.toml" "twice as wide=wide.toml"
    """
    wanted = [name.strip() for name in methods.split(",") if name.strip()]
    text = markdown([section(merged([condition(each) for each in conditions]), wanted)])
    if out is None:
        typer.echo(text)
    else:
        write_text(out, text)


if __name__ == "__main__":
    app()
