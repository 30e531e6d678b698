"""Records of curves, made by hand: what points of a front would have measured."""

from typing import Any

from tests.leaderboards.examples import identity, sweep
from unlearn_bench.leaderboards.records.record import CURVE, Record

SUITE = f"mini{CURVE}"


def front(method: str, *points: tuple[int, int, int], trials: int = 64, **changes: Any) -> list[Record]:
    """A method's points: target, other and rest images right after."""
    return [
        item
        for number, (target, other, rest) in enumerate(points, 1)
        for item in sweep(
            method,
            targets=(target,),
            measured={"other": other, "rest": rest},
            preset={"source": "tuned", "trials": trials, "point": number, "points": len(points)},
            suite=SUITE,
            hyperparameters={"strength": number},
            **changes,
        )
    ]


def nothing() -> list[Record]:
    return identity(suite=SUITE, preset={"source": "default"})
