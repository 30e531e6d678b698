"""What a page can show beside records: pictures, histories, trials; all of it may be missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from unlearn_bench.leaderboards.records.record import Record
from unlearn_bench.leaderboards.statistics.intervals import ClassKey
from unlearn_bench.metrics.shared.rankings import Found, Ranking

MethodKey = tuple[str, str]
"""A model and a method, or a variant's name."""

Place = tuple[str, int]
"""A hash of prepared images, as records note it of each dataset, and the row of one of them."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A real test image: its place among the test images of its forget set, how many these are, the file's bytes."""

    place: int
    of: int
    image: bytes


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A setting that tuning tried: what it reached on the tuning classes, and whether it was taken."""

    forgetting: float
    retention: float
    chosen: bool = False


@dataclass(frozen=True, kw_only=True)
class Extras:
    """Beside the records.

    Attributes:
        sheets: by model and forget set, a contact sheet of the synthetic images that methods without data were given.
        examples: by forget set, real test images.
        histories: by run key, what the method reported at each step.
        trials: by model and method, the settings that its tuning kept.
        rankings: by run key, the test images that the words of the forget classes find.
        pictures: of these images, the file's bytes.
    """

    sheets: Mapping[tuple[str, ClassKey], bytes] = field(default_factory=dict)
    examples: Mapping[ClassKey, Sequence[Example]] = field(default_factory=dict)
    histories: Mapping[str, Sequence[Mapping[str, object]]] = field(default_factory=dict)
    trials: Mapping[MethodKey, Sequence[Trial]] = field(default_factory=dict)
    rankings: Mapping[str, Sequence[Ranking]] = field(default_factory=dict)
    pictures: Mapping[Place, bytes] = field(default_factory=dict)


def place_of(record: Record, image: Found) -> Place | None:
    """Which picture an image of a record's rankings is; None where the record does not say."""
    content = record.provenance.get("content")
    known = content.get(image.dataset) if isinstance(content, dict) else None
    return (known, image.row) if isinstance(known, str) else None
