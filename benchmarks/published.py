"""The published records that come with a checkout, where there is one."""

from pathlib import Path

from unlearn_bench.leaderboards.records import Record
from unlearn_bench.leaderboards.storage import read_csv

RESULTS = Path(__file__).resolve().parent.parent / "leaderboards" / "results"


def published_records() -> tuple[Record, ...]:
    """The records of every CSV in `leaderboards/results`; empty where none are shipped."""
    return tuple(record for path in sorted(RESULTS.glob("*.csv")) for record in read_csv(path))
