"""Where the page of a method, a dataset or a forget set is: a place in the one file, or a file of the site."""

import hashlib
import re
from dataclasses import dataclass

from unlearn_bench.leaderboards.statistics.intervals import ClassKey

FOLDERS = {"method": "methods", "dataset": "datasets", "class": "classes"}
"""What a page may be about, and the folder of such pages on a site."""


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Links from one page to others.

    Attributes:
        site: whether each page is a file of its own; else all are parts of one file.
        up: from the page that links to the site's top: empty at the top, `../` in a folder.
    """

    site: bool = False
    up: str = ""

    @property
    def home(self) -> str:
        """The first screen."""
        return f"{self.up}index.html" if self.site else "#leaderboard"

    def method(self, label: str) -> str:
        return self.to("method", slug(label))

    def dataset(self, name: str) -> str:
        return self.to("dataset", slug(name))

    def forget_set(self, key: ClassKey) -> str:
        return self.to("class", class_slug(key))

    def to(self, kind: str, name: str) -> str:
        """The link to the page of that kind with that slug."""
        return f"{self.up}{file_of(kind, name)}" if self.site else f"#{kind}-{name}"


def file_of(kind: str, name: str) -> str:
    """The page's file on a site.

    >>> file_of("method", "lip")
    'methods/lip.html'
    """
    return f"{FOLDERS[kind]}/{name}.html"


def slug(text: str) -> str:
    """A name for a file or a place: short, plain letters, and different for different texts.

    >>> slug("text-null-space"), slug("digit five"), slug("a/b") == slug("a-b")
    ('text-null-space', 'digit-five-3d145e6f', False)
    """
    plain = re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:60]
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode()).hexdigest()[:8]}".lstrip("-")


def class_slug(key: ClassKey) -> str:
    """The same for a forget set of a dataset."""
    dataset, forget = key
    return slug("\n".join((dataset, *forget)))
