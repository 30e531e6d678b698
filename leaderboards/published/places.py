"""The published records that come with a checkout, where there is one."""

from collections.abc import Collection
from pathlib import Path

from unlearn_bench.leaderboards.publish import Published
from unlearn_bench.leaderboards.records.record import CURVE, Record
from unlearn_bench.leaderboards.records.storage import read_csv

_HERE = Path(__file__).resolve().parent


def _published(suite: str, *, readme: Path | None = None) -> Published:
    records, table, picture = (_HERE / f"{suite}.{kind}" for kind in ("csv", "md", "svg"))
    return Published(suite=suite, records=records, table=table, picture=picture, readme=readme)


PUBLISHED: tuple[Published, ...] = (
    _published("mini-full", readme=_HERE.parent.parent / "README.md"),
    _published(f"mini-full{CURVE}"),
    _published("mini-domains"),
    _published("mini-pairs"),
    _published("mini-associations"),
    _published("mini-ablations"),
)
"""Where the embedded suites' published numbers are; in an installed package, the CSVs and the tables alone.

One without records is not published yet; it has no table and no picture either.
"""

PAPER = "paper"
"""The suite whose numbers stand on the paper's page."""

PAPER_RECORDS = _HERE / f"{PAPER}.csv"
"""Where its records are, once there are some."""

PAPER_PAGE = _HERE / "paper.md"
"""The main paper's tables, reported and measured."""


def published_records(*, metrics: Collection[str] | None = None) -> tuple[Record, ...]:
    """The records of every published suite, with what these metrics measured; empty where none are shipped.

    Without those of curves: they are as many again, of the same methods on the same classes with other settings.
    """
    paths = sorted(path for path in PAPER_RECORDS.parent.glob("*.csv") if not path.stem.endswith(CURVE))
    return tuple(record for path in paths for record in read_csv(path, metrics=metrics))


def paper_records() -> tuple[Record, ...]:
    """The published records of the suite `paper`; empty while nothing is measured."""
    return read_csv(PAPER_RECORDS) if PAPER_RECORDS.is_file() else ()
