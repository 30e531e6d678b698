"""How final forgetting is: the worst known recovery where the standard attack ran, else irreversibility."""

from collections.abc import Iterable

from unlearn_bench.leaderboards.brief.headline import short
from unlearn_bench.leaderboards.statistics.rows import Board, Row


def attacked(boards: Iterable[Board]) -> bool:
    """Whether the standard attack ran on all of these boards."""
    return all(any(row.recovery for row in board.rows) for board in boards)


def heading(*, recovered: bool) -> str:
    """Of the column: lower is better where it says what was recovered, else higher."""
    return "recovered" if recovered else "irreversible"


def number_of(row: Row, *, recovered: bool) -> str:
    """The share alone."""
    if recovered:
        return short(row.recovery.share if row.recovery else None)
    return short(row.irreversibility if row.audits else None)


def cell(row: Row, *, recovered: bool) -> str:
    """The share, with the attack that found it: `.312 by int8`."""
    share = number_of(row, recovered=recovered)
    by = row.recovery.attack if recovered and row.recovery else ""
    return f"{share} by {by}" if by else share
