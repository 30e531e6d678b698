"""Folders of pictures as people have them: which files are pictures, which folders hold some, what is left out."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unlearn_bench.benchmarks.data.dataset.base import LeftOut
from unlearn_bench.benchmarks.data.dataset.formats import endings

_DEEPEST = 8
_JUNK = {"thumbs.db", "desktop.ini", "classnames.json"}


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """A folder with pictures in it: the names on the way to it, below where the search began, and its files."""

    parts: tuple[str, ...]
    files: tuple[Path, ...]


class Tree:
    """A folder that is searched for pictures; what is not used is noted in `left_out`, each file once.

    Hidden files and folders (a dot first) are passed over without a word. Files are pictures by their ending, as
    Pillow lists them. Links are followed, but not those that lead nowhere or up to a folder that holds them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._left_out: dict[str, LeftOut] = {}

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What was met and not used, in the order of the names."""
        return tuple(self._left_out[name] for name in sorted(self._left_out))

    def leave(self, path: Path, reason: str, *, count: int = 1) -> None:
        """Note that `path` is not used."""
        name = self.name_of(path)
        self._left_out[name] = LeftOut(name=name, reason=reason, count=count)

    def name_of(self, path: Path) -> str:
        """A path below the root as text; what is no UTF-8 is escaped."""
        return shown(path.relative_to(self.root).as_posix())

    def pictures(self, folder: Path) -> list[Path]:
        """The pictures directly in a folder."""
        found = []
        for entry in _entries(folder):
            path = folder / entry.name
            if entry.is_dir() or entry.name.lower() in _JUNK:
                continue
            if not entry.is_file():
                self.leave(path, "a link to nothing" if entry.is_symlink() else "no regular file")
            elif path.suffix.lower() in endings():
                found.append(path)
            else:
                ending = shown(path.suffix.lower())
                self.leave(path, f"the ending {ending} is not one of pictures" if ending else "no ending")
        return found

    def folders(self, folder: Path) -> list[Path]:
        """The folders directly in a folder, without those that lead back up or have a blank for a name."""
        found = []
        for entry in _entries(folder):
            path = folder / entry.name
            if not entry.is_dir():
                continue
            if not entry.name.strip():
                self.leave(path, "a folder whose name is blank")
            elif entry.is_symlink() and _leads_up(path, self.root):
                self.leave(path, "a link to a folder that holds it")
            else:
                found.append(path)
        return found

    def leaves(self, folder: Path) -> list[Leaf]:
        """Every folder below `folder` that holds pictures itself, however deep."""
        return list(self._leaves(folder, ()))

    def _leaves(self, folder: Path, parts: tuple[str, ...]) -> Iterator[Leaf]:
        for inner in self.folders(folder):
            below = (*parts, inner.name)
            files = self.pictures(inner)
            if files:
                yield Leaf(parts=below, files=tuple(files))
            if len(below) < _DEEPEST:
                yield from self._leaves(inner, below)


def shown(name: str) -> str:
    """A file's name as text that can be written anywhere: bytes that are no UTF-8 as `\\xe9`.

    >>> shown("caf\\udce9.jpg")
    'caf\\\\xe9.jpg'
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def is_text(name: str) -> bool:
    """Whether a name is UTF-8 to its end."""
    return shown(name) == name


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def _leads_up(link: Path, root: Path) -> bool:
    """Whether a link leads to the root, to a folder above it, or to one that holds the link."""
    try:
        target = link.resolve()
    except OSError:  # a ring of links
        return True
    return target in {root, *root.parents} or target in link.parents or target in link.parent.resolve().parents
