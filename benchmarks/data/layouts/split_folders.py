"""Which folders of a tree are its splits, told by their names and by what is in them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, get_args

from unlearn_bench.benchmarks.data.dataset.partition import FIFTH, SPLIT_WORDS, Part, assign_splits, is_split_word
from unlearn_bench.benchmarks.data.layouts.tree import Tree, shown
from unlearn_bench.errors import InputError

File = TypeVar("File")
Shares = tuple[tuple[str, float], ...]

OPTIONS: tuple[Part, ...] = get_args(Part)
"""Options of a spec with which people say which folder is which split."""

WHOLE_TREE = "all"
"""In place of a split's name: the images are not split."""


@dataclass(frozen=True, kw_only=True)
class SplitFolders:
    """Where the images of each split lie.

    Attributes:
        folders: by split, or one folder called `WHOLE_TREE`. words: which folder serves as what.
    """

    folders: Mapping[str, Path]
    words: str

    @property
    def are_there(self) -> bool:
        """Whether somebody has split the images."""
        return WHOLE_TREE not in self.folders

    def cut(
        self,
        files: Mapping[str, Sequence[File]],
        shares: Shares,
        cut: Callable[[Sequence[File], Shares], Mapping[str, Sequence[File]]],
    ) -> dict[str, Sequence[File]]:
        """The files by split: all of them cut into `shares` where nobody has, and a missing val out of train."""
        if not self.are_there:
            return dict(cut(files[WHOLE_TREE], shares))
        found = dict(files)
        return {**found, **cut(found["train"], FIFTH)} if "train" in found and "val" not in found else found


def find_split_folders(tree: Tree, *, of: str, given: Mapping[Part, str] | None = None) -> SplitFolders:
    """The folders of the splits, directly in the tree's root.

    A folder is a split by its name, if it holds folders and no pictures: with pictures in it, a folder called train
    is a class of trains. Pictures and folders beside the splits are left out.

    Raises:
        InputError: several folders may be one split; one split alone beside other folders; splits without classes.
    """
    top = {shown(path.name): path for path in tree.folders(tree.root)}
    said = {part: name for part, name in (given or {}).items() if name}
    holding = {name: bool(tree.pictures(path)) for name, path in top.items() if is_split_word(name)}
    splits = [name for name in top if not holding.get(name, True) or name in said.values()]
    if top and holding.keys() == top.keys() and all(holding.values()):
        raise InputError(
            f"{of!r} has images directly in {', '.join(top)}; put them into one folder for each class there"
        )
    _leave_loose(tree, tree.root)
    found = assign_splits(splits if not said else list(top), of=of, given=said)
    others = [name for name in top if name not in found.values()]
    if not found:
        return SplitFolders(folders={WHOLE_TREE: tree.root}, words="no folders of splits, cut by a hash of the names")
    if len(found) == 1 and not said:
        (alone,) = found.values()
        filled = [name for name in others if tree.pictures(top[name]) or tree.leaves(top[name])]
        if filled:
            raise InputError(
                f"{of!r} has {alone!r}, which may be a split or a class, beside {len(filled)} other folders "
                f"({', '.join(filled[:3])}); say which are the splits with ?train=NAME&test=NAME, or rename {alone!r}"
            )
        if alone.lower() not in SPLIT_WORDS["test"]:  # test alone is measured, and nothing of it cut off
            return SplitFolders(
                folders={WHOLE_TREE: top[alone]}, words=f"all in {alone!r}, cut by a hash of the names"
            )
    for name in found.values():
        _leave_loose(tree, top[name])
    for name in others:
        count = sum(len(leaf.files) for leaf in tree.leaves(top[name])) + len(tree.pictures(top[name]))
        if count:
            tree.leave(top[name], "beside the folders of the splits", count=count)
    words = ", ".join(f"{part} from {name!r}" for part, name in found.items())
    return SplitFolders(
        folders={part: top[name] for part, name in found.items()},
        words=words + ("" if "val" in found or "train" not in found else ", val a fifth of train"),
    )


def _leave_loose(tree: Tree, folder: Path) -> None:
    """Note the pictures directly in a folder that is to hold folders of classes."""
    for path in tree.pictures(folder):
        tree.leave(path, "not in a folder of a class")
