"""`folder:/path`: people's own images, one folder per class."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import parse_qsl

from PIL import Image

from unlearn_bench.benchmarks.data.dataset.base import Dataset, Index, Split
from unlearn_bench.benchmarks.data.dataset.formats import endings
from unlearn_bench.benchmarks.data.dataset.partition import Part, classes_lacking, cut_by_hash, default_classes
from unlearn_bench.benchmarks.data.dataset.pictures import read_rgb
from unlearn_bench.benchmarks.data.dataset.prefixes import FOLDER_PREFIX
from unlearn_bench.benchmarks.data.dataset.templates import DEFAULT_TEMPLATE, check_template
from unlearn_bench.benchmarks.data.layouts.split_folders import OPTIONS, find_split_folders
from unlearn_bench.benchmarks.data.layouts.tree import Leaf, Tree, is_text, shown
from unlearn_bench.documents import parse_json
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.shown import visible

CLASS_NAMES_FILE = "classnames.json"

_SHARES: tuple[tuple[str, float], ...] = (("train", 0.4), ("val", 0.2), ("test", 0.4))


@dataclass(frozen=True, kw_only=True)
class _File:
    """A picture; `folder` is what tells its class: a folder's name, or its path where groups of classes are."""

    path: Path
    folder: str
    domain: str


class FolderDataset(Dataset):
    """Images in `<class>/`, `<group>/<class>/` or `<domain>/<class>/`, perhaps below folders of splits.

    Splits are folders called train, val and test, in any letter case; `valid`, `validation`, `dev` and `eval` are
    other words for val, and where there is no test, what is called so is test. A missing val is a fifth of train.
    Without such folders, each class's files are ordered by a hash of their names and cut 40 : 20 : 40 into train, val
    and test, so that adding a class moves no file of another.

    `<domain>/<class>/` is understood only where the folders share classes as domains do: at least two classes are in
    all of them, and these are most. Elsewhere folders above classes are groups, and only the part of a path below the
    group names a class. Class names are folders' names with spaces for underscores, or what `classnames.json` (folder
    or path of a folder, to name) says. A class without images in train or in test is left out. The version is a hash
    of names and bytes.

    Raises:
        InputError: no such folder, no images, one class only, parts that may be several splits, two folders with one
            class name, a name that is no UTF-8, or a `classnames.json` that is not understood.
    """

    licence = "as the owner of the folder says"
    path: Path
    threadsafe = True

    def __init__(
        self,
        path: Path,
        *,
        template: str = DEFAULT_TEMPLATE,
        splits: Mapping[Part, str] | None = None,
        name: str = "",
    ) -> None:
        if not path.is_dir():
            raise InputError(f"no folder at {str(path)!r}; give folder:/path with one sub-folder per class")
        self.path = path.resolve()
        self.name = f"{FOLDER_PREFIX}{visible(name or self.path.name)}"
        self.template = template
        self.source = "a folder of the user's"
        tree = Tree(self.path)
        parted = find_split_folders(tree, given=splits, of=self.name)
        leaves = {part: tree.leaves(folder) for part, folder in parted.folders.items()}
        paths = {leaf.parts for found in leaves.values() for leaf in found}
        domains = _have_domains(paths, of=self.name)
        keys = {parts: parts[-1] if domains else "/".join(parts) for parts in paths}
        if len(set(keys.values())) < 2:
            raise _few(path, len(set(keys.values())), tree)
        names = _name_classes(self.path, keys, of=self.name)
        files = {part: _files(found, keys, domains=domains) for part, found in leaves.items()}
        found = parted.cut(files, _SHARES, _cut)
        self._files = self._without_lacking(found, sorted(names), names, tree)
        folders = sorted({file.folder for part in self._files.values() for file in part})
        if len(folders) < 2:
            raise _few(path, len(folders), tree)
        self._labels = {folder: label for label, folder in enumerate(folders)}
        self.class_names = tuple(names[folder] for folder in folders)
        self.forget_classes, self.tuning_classes = default_classes(self.class_names)
        self.layout = f"{_in_words(paths, domains=domains)}; {parted.words}"
        self.left_out = tree.left_out

    @cached_property
    def version(self) -> str:  # type: ignore[override]
        """A hash of every file's split, name and bytes, and of the class names."""
        digest = hashlib.sha256(json.dumps(self.class_names).encode())
        for split, files in sorted(self._files.items()):
            for file in files:
                digest.update(os.fsencode(f"{split}/{file.path.relative_to(self.path).as_posix()}"))
                digest.update(hashlib.sha256(file.path.read_bytes()).digest())
        return digest.hexdigest()[:16]

    def index(self, split: Split) -> Index:
        """Labels, relative file names and domains."""
        files = self._of(split)
        domains = tuple(file.domain for file in files)
        return Index(
            labels=tuple(self._labels[file.folder] for file in files),
            names=tuple(shown(file.path.relative_to(self.path).as_posix()) for file in files),
            domains=domains if any(domains) else (),
        )

    def picture(self, split: Split, row: int) -> Image.Image:
        """The file's first frame, as RGB."""
        path = self._of(split)[row].path
        return read_rgb(path, name=shown(str(path)))

    def _of(self, split: Split) -> tuple[_File, ...]:
        return self._files.get(split, ())

    def _without_lacking(
        self, files: Mapping[str, Sequence[_File]], folders: Sequence[str], names: Mapping[str, str], tree: Tree
    ) -> dict[str, tuple[_File, ...]]:
        """The files of the classes that have images in train and in test; the other classes are noted."""
        places = {folder: label for label, folder in enumerate(folders)}
        counts = {part: [places[file.folder] for file in found] for part, found in files.items()}
        lacking = {folders[label]: split for label, split in classes_lacking(counts, len(folders)).items()}
        for folder, split in lacking.items():
            own = [file for found in files.values() for file in found if file.folder == folder]
            tree.leave(own[0].path.parent, f"class {names[folder]!r} has no image in {split}", count=len(own))
        return {part: tuple(file for file in found if file.folder not in lacking) for part, found in files.items()}


def open_classes(spec: str) -> FolderDataset:
    """The dataset of `folder:/path`, or of `folder:/path?template=a product photo of a {}&test=holdout&name=mine`.

    Raises:
        InputError: an option that is none, a template without its `{}`; and what `FolderDataset` raises.
    """
    path, _, rest = spec.removeprefix(FOLDER_PREFIX).partition("?")
    options = dict(parse_qsl(rest, keep_blank_values=True))
    template = options.pop("template", DEFAULT_TEMPLATE)
    name = options.pop("name", "")
    splits = {part: options.pop(part) for part in OPTIONS if part in options}
    if options:
        raise unknown(f"option of {FOLDER_PREFIX}{path}", next(iter(options)), ["template", "name", *OPTIONS])
    check_template(template, of=spec)
    return FolderDataset(Path(path).expanduser(), template=template, splits=splits, name=name)


def read_class_names(root: Path, folders: Collection[str]) -> dict[str, str]:
    """What the folder's `classnames.json` calls the classes of some of the folders; nothing where there is none.

    Raises:
        InputError: the file is not understood, or names folders without images.
    """
    path = root / CLASS_NAMES_FILE
    if not path.is_file():
        return {}
    try:
        given = parse_json(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"{str(path)!r} is not JSON ({error}); give an object of folder to class name") from error
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise InputError(f"{str(path)!r} must be an object of folder name to class name (both texts)")
    blank = [key for key, value in given.items() if not value.strip()]
    if blank:
        raise InputError(f"{str(path)!r} gives the folder {blank[0]!r} a blank for a name; give it a word")
    strangers = sorted(given.keys() - set(folders))
    if strangers:
        raise InputError(f"{str(path)!r} names folders that hold no images: {', '.join(strangers[:5])}")
    return given


def spoken(folder: str) -> str:
    """A folder's name as a class name.

    >>> spoken("alarm_clock")
    'alarm clock'
    """
    return folder.replace("_", " ")


def _have_domains(paths: Collection[tuple[str, ...]], *, of: str) -> bool:
    """Whether the upper folders of these paths are domains: they share their classes.

    Raises:
        InputError: a folder holds pictures and folders with pictures.
    """
    for path in sorted(paths):
        above = next((path[:place] for place in range(1, len(path)) if path[:place] in paths), None)
        if above is not None:
            raise InputError(
                f"folder {shown('/'.join(above))!r} of {of!r} holds images, and so does {shown('/'.join(path))!r} "
                "below it; classes lie in folders of their own: move one of them"
            )
    outer: dict[str, set[str]] = {}
    for path in paths:
        outer.setdefault(path[0], set()).add(path[-1])
    if len(outer) < 2 or any(len(path) != 2 for path in paths):
        return False
    everywhere, all_classes = set.intersection(*outer.values()), set.union(*outer.values())
    return len(everywhere) >= 2 and 2 * len(everywhere) > len(all_classes)


def _name_classes(root: Path, keys: Mapping[tuple[str, ...], str], *, of: str) -> dict[str, str]:
    """The class name of each key; of several folders, a name stands for one class alone.

    Raises:
        InputError: two folders with one name, or a name that is no UTF-8.
    """
    last = {key: parts[-1] for parts, key in keys.items()}
    often = Counter(last.values())
    short = {name: key for key, name in last.items() if often[name] == 1}
    given = {
        short.get(folder, folder): name
        for folder, name in read_class_names(root, {shown(name) for name in (*last, *short)}).items()
    }
    names: dict[str, str] = {}
    for parts, key in keys.items():
        below = parts[-1:] if key == parts[-1] else parts[1:]
        names[key] = given.get(shown(key), spoken(" ".join(below)))
        if not is_text(names[key]):
            raise InputError(
                f"class folder {shown(key)!r} of {of!r} has a name that is no UTF-8; rename it, or name it in "
                f"{CLASS_NAMES_FILE}"
            )
    first: dict[str, str] = {}
    for key, name in sorted(names.items()):
        other = first.setdefault(name, key)
        if other != key:
            raise _twice(of, name, other, key, given=bool(given))
    return names


def _twice(of: str, name: str, one: str, other: str, *, given: bool) -> InputError:
    if given:
        return InputError(
            f"{CLASS_NAMES_FILE} in {of!r} gives two folders one name ({name!r}: {one!r}, {other!r}); make names "
            "differ"
        )
    domains = "" if "/" not in one else "; give domains:/path if the upper folders are domains with the same classes"
    return InputError(
        f"the folders {one!r} and {other!r} of {of!r} would both be the class {name!r}; name them apart in "
        f"{CLASS_NAMES_FILE} there, such as {json.dumps({one: 'NAME', other: 'OTHER'})}{domains}"
    )


def _files(leaves: Sequence[Leaf], keys: Mapping[tuple[str, ...], str], *, domains: bool) -> tuple[_File, ...]:
    return tuple(
        _File(path=path, folder=keys[leaf.parts], domain=shown(leaf.parts[0]) if domains else "")
        for leaf in leaves
        for path in leaf.files
    )


def _cut(files: Sequence[_File], parts: tuple[tuple[str, float], ...]) -> dict[str, tuple[_File, ...]]:
    """Cut each class's (and domain's) files into shares."""
    cut = cut_by_hash(
        files, parts, group=lambda file: (file.folder, file.domain), name=lambda file: shown(file.path.name)
    )
    return {name: tuple(sorted(chosen, key=lambda file: file.path)) for name, chosen in cut.items()}


def _few(path: Path, count: int, tree: Tree) -> InputError:
    left = tree.left_out
    why = f"; left out are {len(left)}, first {left[0].name!r} ({left[0].reason})" if left else ""
    return InputError(
        f"folder {shown(str(path))!r} holds images of {count} classes; at least two sub-folders with images "
        f"({len(endings())} endings, .jpg and .png among them) in train and test are needed{why}"
    )


def _in_words(paths: Collection[tuple[str, ...]], *, domains: bool) -> str:
    if domains:
        return f"{len({path[0] for path in paths})} domains that share their classes, <domain>/<class>/"
    deepest = max(len(path) for path in paths)
    if deepest == 1:
        return "one folder for each class"
    groups = sorted({shown(path[0]) for path in paths if len(path) > 1})
    named = ", ".join(groups[:3]) + (", .." if len(groups) > 3 else "")
    return f"classes in folders below {len(groups)} groups ({named}), which are no part of their names"
