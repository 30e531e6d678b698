"""What a run needs beside the package: weights and images, where they come from, whether they are here."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Fetched = Callable[[int, int | None], None]
"""Takes the bytes that are here so far, and how many there will be if that is known."""


@dataclass(frozen=True, kw_only=True)
class Availability:
    """Whether an asset is here.

    Attributes:
        state: `present` (complete and checked as far as its source allows), `partial` (a download that stopped, or
            files that are missing or wrong), `missing`.
        path: where it is, or where it will be.
        bytes: what it takes on disk when complete; None where nobody says.
        note: what is missing or wrong, and how to get it by hand; empty where all is well.
    """

    state: Literal["present", "partial", "missing"]
    path: str
    bytes: int | None
    note: str = ""


class Asset(ABC):
    """Weights of a model, or the images of a dataset.

    Attributes:
        name: the model's or dataset's spec. source: address or hub name. licence: its terms, in a few words.
    """

    name: str
    kind: Literal["weights", "images"]
    source: str
    licence: str

    @abstractmethod
    def availability(self) -> Availability:
        """Look at the disk; never at the network."""

    @abstractmethod
    def fetch(self, progress: Fetched) -> None:
        """Download what is missing, going on where a download stopped, and verify it; nothing if all is here.

        Raises:
            InputError: no network, a checksum that does not fit (the file is kept aside), no space, or a source
                that nobody can download from (the error says how to get it by hand).
        """
