"""What a leaderboard comes to: who leads and by how much, who did not forget, what can't be undone."""

from dataclasses import dataclass

from unlearn_bench.leaderboards.statistics.aggregate import difference
from unlearn_bench.leaderboards.statistics.recovery import RETRAINED
from unlearn_bench.leaderboards.statistics.rows import Board, Difference, Pair, Row

NOTHING = "identity"
"""The reference that does nothing: who scores worse did more harm than good."""

HALF = 0.5
"""Of what was forgotten: who gives back more, has hidden it rather than forgotten."""


SAME_ENTITY = ("association-accuracy", "same-entity")
"""What forgetting a link should leave: its entity, linked with something else."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """What one board says.

    Attributes:
        leaders: the rows of rank 1, best score first; empty where nothing is ranked.
        best: the row with the best score of those that compete, ranked or not; None without a score.
        follower: the first ranked row after the leaders. lead: its score minus the leader's.
        competing: how many rows have a score and are no reference. unforgotten: of these, those that did not forget.
        hardest: of those that did forget with less harm than good and were audited, the row with the greatest
            irreversibility, and that: a model that knows nothing any more is no example of forgetting for good.
        retrained: the irreversibility of the retrained model; None where it was not measured.
        as_hard: of the same rows those that are at least as irreversible as the retrained model.
        attacked: of the rows that forgot with less harm than good, those that the standard attack was tried on, the
            least recovered first. regained: how many of these give back over half.
        spared: where links were forgotten, of the rows that forgot with less harm than good, the accuracy on the
            entity's other links before and after, the least lost first. spilled: how many of these lost over half.
    """

    leaders: tuple[Row, ...]
    best: Row | None
    follower: Row | None
    lead: Difference | None
    competing: int
    unforgotten: int
    hardest: tuple[Row, float] | None
    retrained: float | None
    as_hard: tuple[Row, ...]
    attacked: tuple[Row, ...] = ()
    regained: int = 0
    spared: tuple[tuple[Row, Pair], ...] = ()
    spilled: int = 0


def kept(pair: Pair) -> float:
    """What is left of an accuracy, as a share of what was there.

    >>> kept(Pair(before=0.8, after=0.2))
    0.25
    """
    return (pair.after or 0.0) / pair.before if pair.before else 0.0


def findings(board: Board) -> Findings:
    """Look through a board's rows."""
    scored = [row for row in board.rows if row.standing != "reference" and row.overall.score is not None]
    ranked = [row for row in scored if row.place is not None]
    leaders = tuple(row for row in ranked if row.place == 1)
    follower = next((row for row in ranked if row.place != 1), None)
    references = {row.label: row for row in board.rows if row.standing == "reference"}
    retrained = references[RETRAINED].irreversibility if RETRAINED in references else None
    nothing = references[NOTHING].overall.score if NOTHING in references else None
    forgot = [row for row in scored if not row.overall.did_not_forget]
    well = [row for row in forgot if nothing is None or (row.overall.score or 0.0) < nothing]
    recovered = [
        (worst.share, row) for row in well if (worst := row.recovery) is not None and worst.share is not None
    ]
    spared = [(row, pair) for row in well if (pair := row.mean(*SAME_ENTITY)).before and pair.after is not None]
    audited = [(row, found) for row in well if row.audits and (found := row.irreversibility) is not None]
    return Findings(
        leaders=leaders,
        best=scored[0] if scored else None,
        follower=follower,
        lead=difference(follower, leaders[0]) if follower and leaders else None,
        competing=len(scored),
        unforgotten=len(scored) - len(forgot),
        hardest=max(audited, key=lambda pair: pair[1], default=None),
        retrained=retrained,
        as_hard=tuple(row for row, found in audited if retrained is not None and found >= retrained),
        attacked=tuple(row for _, row in sorted(recovered, key=lambda pair: pair[0])),
        regained=sum(share > HALF for share, _ in recovered),
        spared=tuple(sorted(spared, key=lambda found: -kept(found[1]))),
        spilled=sum(kept(pair) < HALF for _, pair in spared),
    )
