"""What thousands of records have in common: which quantities they hold, in which order; and their numbers in a row.

Records of one kind of run share a layout, so that a quantity is looked up once for all of them, and each keeps its
numbers only: 1.5 kB for a hundred measurements, which would take 15 kB as objects.
"""

import base64
from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import overload

from unlearn_bench.metrics.base import Measurement

Quantity = tuple[str, int, str, str, int, bool]
"""Metric and its version, dataset, group, how many images, and whether it says what each of them came to."""

_NONE = float("nan")
"""For None; no number in a record is one that is none."""


class Layout:
    """The quantities of a record, in its order; of equal layouts there is one object, from `layout_of`.

    Attributes:
        places: of each metric's quantities. starts: where the outcomes of each begin, in bytes, and where all end.
    """

    def __init__(self, quantities: tuple[Quantity, ...]) -> None:
        self.quantities = quantities
        self.starts = [0]
        places: dict[str, list[int]] = {}
        for place, (metric, _, _, _, n, told) in enumerate(quantities):
            places.setdefault(metric, []).append(place)
            self.starts.append(self.starts[-1] + (outcome_bytes(n) if told else 0))
        self.places: Mapping[str, Sequence[int]] = places
        self._found: dict[tuple[str, str | None, str | None], tuple[int, ...]] = {}

    def find(self, metric: str, *, dataset: str | None = None, group: str | None = None) -> tuple[int, ...]:
        """The places of the quantities that fit, in their order."""
        asked = (metric, dataset, group)
        if asked not in self._found:
            every = ((place, self.quantities[place]) for place in self.places.get(metric, ()))
            self._found[asked] = tuple(
                place
                for place, (_, _, own, part, _, _) in every
                if (group is None or group == part) and (dataset is None or dataset == own)
            )
        return self._found[asked]

    def groups(self, metric: str) -> list[str]:
        """The group of each of a metric's quantities."""
        return [self.quantities[place][3] for place in self.places.get(metric, ())]


@lru_cache(maxsize=4096)
def layout_of(quantities: tuple[Quantity, ...]) -> Layout:
    """The one layout of these quantities."""
    return Layout(quantities)


def outcome_bytes(n: int) -> int:
    """How long the outcomes of n images are, before and after (`metrics.shared.outcomes`)."""
    return 2 * -(-n // 8)


class Measured(Sequence[Measurement]):
    """A record's measurements, each made when it is asked for.

    Attributes:
        before, after: a number for each quantity of the layout; not a number for None.
    """

    __slots__ = ("_outcomes", "after", "before", "layout")

    def __init__(self, layout: Layout, before: "array[float]", after: "array[float]", outcomes: bytes) -> None:
        self.layout, self.before, self.after, self._outcomes = layout, before, after, outcomes

    @classmethod
    def of(cls, items: Iterable[Measurement]) -> "Measured":
        """The same of measurements that are there already.

        Raises:
            ValueError: outcomes that are no base64 or of another length than the images ask for.
        """
        every = tuple(items)
        packed = [base64.b64decode(item.outcomes, validate=True) for item in every]
        quantities = tuple(
            (item.metric, item.version, item.dataset, item.group, item.n, bool(item.outcomes)) for item in every
        )
        layout = layout_of(quantities)
        sizes = [end - start for start, end in zip(layout.starts, layout.starts[1:], strict=False)]
        if [len(part) for part in packed] != sizes:
            raise ValueError("outcomes of other lengths than the images ask for")
        before, after = (
            array("d", [_NONE if value is None else value for value in side])
            for side in ([item.before for item in every], [item.after for item in every])
        )
        return cls(layout, before, after, b"".join(packed))

    def outcomes(self, place: int) -> bytes:
        """What each image of a quantity came to; empty where that is not told."""
        return self._outcomes[self.layout.starts[place] : self.layout.starts[place + 1]]

    @property
    def packed(self) -> bytes:
        """All outcomes, one after the other."""
        return self._outcomes

    def __len__(self) -> int:
        return len(self.before)

    @overload
    def __getitem__(self, place: int) -> Measurement: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Measurement, ...]: ...

    def __getitem__(self, place: int | slice) -> Measurement | tuple[Measurement, ...]:
        if isinstance(place, slice):
            return tuple(self[one] for one in range(*place.indices(len(self))))
        metric, version, dataset, group, n, told = self.layout.quantities[place]
        before, after = self.before[place], self.after[place]
        return Measurement(
            metric=metric,
            version=version,
            dataset=dataset,
            group=group,
            before=before if before == before else None,  # noqa: PLR0124  (not a number is not itself)
            after=after if after == after else None,  # noqa: PLR0124
            n=n,
            outcomes=base64.b64encode(self.outcomes(place % len(self))).decode("ascii") if told else "",
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]
