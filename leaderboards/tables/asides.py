"""What is said of records that stand beside a leaderboard: how many, in what they differ, and how to see them."""

from collections.abc import Mapping, Sequence

from unlearn_bench.leaderboards.statistics.identity import board_identity, describe_differences
from unlearn_bench.leaderboards.statistics.settings import Aside, done, last_time
from unlearn_bench.leaderboards.tables.section import Section

_FEW = 3
"""So many names stand in a sentence; of more metrics, what is missing is named and not what there is."""


def section_of(asides: Sequence[Aside]) -> tuple[Section, ...]:
    """A short section that names each; nothing where there are none."""
    if not asides:
        return ()
    said = (*(in_words(aside) for aside in asides), "Show them in full with --all-settings.")
    return (Section(title="Also in these records, measured in other settings", level=2, paragraphs=said),)


def in_words(aside: Aside) -> str:
    """One of them in a sentence."""
    run = aside.records[0].run
    methods = _few(sorted({record.run.label for record in aside.records}))
    time = last_time(aside.records)[:10]
    when = f", the last on {time}" if time else ""
    return f"{run.model}, suite {run.suite}: {_cells(aside)} of {methods} with {_difference(aside)}{when}."


def _cells(aside: Aside) -> str:
    count, ok = len(aside.records), done(aside.records)
    said = f"{count} cell{'' if count == 1 else 's'}"
    return said if ok == count else f"{said} ({ok} ok)"


def _difference(aside: Aside) -> str:
    """In what the records differ from those of the leaderboard that are about the same methods."""
    run = aside.records[0].run
    names = {(record.run.label, record.run.dataset) for record in aside.records}
    main = next(record.run for record in aside.main if (record.run.label, record.run.dataset) in names)
    mine, theirs = board_identity(run), board_identity(main)
    rest = [{name: value for name, value in side.items() if name != "metrics"} for side in (mine, theirs)]
    parts = [f"other metrics ({_metrics(run.metrics, main.metrics)})"] if run.metrics != main.metrics else []
    other = describe_differences(rest[0], rest[1:])
    parts += [f"other settings ({_few(other.split(', '))})"] if other else []
    return " and ".join(parts)


def _metrics(mine: Mapping[str, int], theirs: Mapping[str, int]) -> str:
    lacking, extra = sorted(theirs.keys() - mine.keys()), sorted(mine.keys() - theirs.keys())
    versions = [
        f"{name} at version {mine[name]}" for name in sorted(mine) if theirs.get(name, mine[name]) != mine[name]
    ]
    parts = []
    if lacking and not extra and len(mine) <= _FEW:
        parts.append(f"{', '.join(sorted(mine))} only")
    elif lacking:
        parts.append(f"without {_few(lacking)}")
    if extra:
        parts.append(f"with {_few(extra)}")
    return ", ".join([*parts, *versions])


def _few(names: Sequence[str]) -> str:
    """The first of them, and how many more there are.

    >>> _few(["a", "b", "c", "d", "e"]), _few(["a", "b"])
    ('a, b, c and 2 more', 'a, b')
    """
    shown = ", ".join(names[:_FEW])
    return f"{shown} and {len(names) - _FEW} more" if len(names) > _FEW else shown
