"""Which test images the words of a class find first, before and after: examples to look at, no numbers."""

from dataclasses import dataclass

MOST = 5
"""So many images of each side are named, so that what is kept of them stays small."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A test image: its dataset, its row among the dataset's test images, and the class that it shows."""

    dataset: str
    row: int
    shows: str


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The images nearest to the text of a class, the nearest first.

    Attributes:
        dataset, query: whose class it is, and its name.
    """

    dataset: str
    query: str
    before: tuple[Found, ...]
    after: tuple[Found, ...]

    def is_hit(self, image: Found) -> bool:
        """Whether the image shows what was asked for."""
        return (image.dataset, image.shows) == (self.dataset, self.query)
