"""How final forgetting is: the worst known recovery where the standard attack ran, else irreversibility."""

from collections.abc import Iterable

from unlearn_bench.leaderboards.brief.headline import short
from unlearn_bench.leaderboards.statistics.rows import Board, Recovery, Row


def attacked(boards: Iterable[Board]) -> bool:
    """Whether there are boards, and the standard attack ran on all of them."""
    ran = [any(row.recovery for row in board.rows) for board in boards]
    return bool(ran) and all(ran)


def heading(*, recovered: bool) -> str:
    """Of the column: lower is better where it says what was recovered, else higher."""
    return "recovered" if recovered else "irreversible"


def bare(found: Recovery) -> str:
    """A mark for a share of which no retrained model is the zero; it is larger."""
    return " (bare)" if found.is_bare and found.attack else ""


def found_by(found: Recovery) -> str:
    """Which attack found most, in words."""
    return f"by {found.attack}{', bare share: no retrained model is its zero' if bare(found) else ''}"


def number_of(row: Row, *, recovered: bool) -> str:
    """The share alone."""
    if recovered:
        return f"{short(row.recovery.share)}{bare(row.recovery)}" if row.recovery else short(None)
    return short(row.irreversibility if row.audits else None)


def cell(row: Row, *, recovered: bool) -> str:
    """The share, with the attack that found it: `.312 by int8`."""
    share = number_of(row, recovered=recovered)
    by = row.recovery.attack if recovered and row.recovery and row.recovery.share else ""  # nothing is found by none
    return f"{share} by {by}" if by else share
