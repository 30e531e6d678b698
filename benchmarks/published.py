"""The published records that come with a checkout, where there is one."""

from pathlib import Path

from unlearn_bench.leaderboards.publish import Published
from unlearn_bench.leaderboards.records import Record
from unlearn_bench.leaderboards.storage import read_csv

_ROOT = Path(__file__).resolve().parent.parent

PUBLISHED = Published(
    records=_ROOT / "leaderboards" / "results" / "mini-full.csv",
    table=_ROOT / "leaderboards" / "mini-full.md",
    readme=_ROOT / "README.md",
)
"""Where the embedded suite's published numbers are; in an installed package, the CSV and the table alone."""

PAPER_RECORDS = PUBLISHED.records.parent / "paper.csv"
"""Where the records of the suite `paper` are, once there are some."""

PAPER_PAGE = _ROOT / "leaderboards" / "paper.md"
"""The main paper's tables, reported and measured."""


def published_records() -> tuple[Record, ...]:
    """The records of every CSV beside the published one; empty where none are shipped."""
    return tuple(record for path in sorted(PUBLISHED.records.parent.glob("*.csv")) for record in read_csv(path))


def paper_records() -> tuple[Record, ...]:
    """The published records of the suite `paper`; empty while nothing is measured."""
    return read_csv(PAPER_RECORDS) if PAPER_RECORDS.is_file() else ()
