"""`folder:/path`: people's own images, one folder per class."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import parse_qsl

from PIL import Image

from unlearn_bench.benchmarks.data.dataset.base import Dataset, Index, Split
from unlearn_bench.benchmarks.data.dataset.partition import FIFTH, cut_by_hash, default_classes
from unlearn_bench.benchmarks.data.dataset.pictures import read_rgb
from unlearn_bench.benchmarks.data.dataset.prefixes import FOLDER_PREFIX
from unlearn_bench.benchmarks.data.dataset.templates import DEFAULT_TEMPLATE, check_template
from unlearn_bench.documents import parse_json
from unlearn_bench.errors import InputError, unknown

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"}
CLASS_NAMES_FILE = "classnames.json"


@dataclass(frozen=True, kw_only=True)
class _File:
    path: Path
    folder: str
    domain: str


class FolderDataset(Dataset):
    """Images in `<class>/`, `<split>/<class>/`, `<domain>/<class>/` or `<split>/<domain>/<class>/`.

    Splits are the folders `train`, `val` and `test` where there are any (a missing `val` is a fifth of `train`);
    otherwise each class's files are ordered by a hash of their names and cut 40 : 20 : 40 into train, val and test,
    so that adding a class moves no file of another. Class names are the folders' names with spaces for
    underscores, or what `classnames.json` (folder to name) says. The version is a hash of names and bytes.

    Raises:
        InputError: no such folder, no images, one class only, or a `classnames.json` that is not understood.
    """

    licence = "as the owner of the folder says"
    threadsafe = True

    def __init__(self, path: Path, *, template: str = DEFAULT_TEMPLATE) -> None:
        if not path.is_dir():
            raise InputError(f"no folder at {str(path)!r}; give folder:/path with one sub-folder per class")
        self.path = path.resolve()
        self.name = f"folder:{self.path.name}"
        self.template = template
        self.source = "a folder of the user's"
        self._files = _find_splits(self.path)
        folders = sorted({file.folder for files in self._files.values() for file in files})
        if len(folders) < 2:
            raise InputError(
                f"folder {str(path)!r} holds images of {len(folders)} classes; at least two sub-folders with images "
                f"({', '.join(sorted(SUFFIXES))}) are needed"
            )
        names = read_class_names(self.path, folders)
        self._labels = {folder: label for label, folder in enumerate(folders)}
        self.class_names = tuple(names[folder] for folder in folders)
        if len(set(self.class_names)) < len(self.class_names):
            raise InputError(f"{CLASS_NAMES_FILE} in {str(path)!r} gives two folders one name; make names differ")
        self.forget_classes, self.tuning_classes = default_classes(self.class_names)

    @cached_property
    def version(self) -> str:  # type: ignore[override]
        """A hash of every file's split, name and bytes, and of the class names."""
        digest = hashlib.sha256(json.dumps(self.class_names).encode())
        for split, files in sorted(self._files.items()):
            for file in files:
                digest.update(f"{split}/{file.path.relative_to(self.path).as_posix()}".encode())
                digest.update(hashlib.sha256(file.path.read_bytes()).digest())
        return digest.hexdigest()[:16]

    def index(self, split: Split) -> Index:
        """Labels, relative file names and domains."""
        files = self._of(split)
        domains = tuple(file.domain for file in files)
        return Index(
            labels=tuple(self._labels[file.folder] for file in files),
            names=tuple(file.path.relative_to(self.path).as_posix() for file in files),
            domains=domains if any(domains) else (),
        )

    def picture(self, split: Split, row: int) -> Image.Image:
        """The file's first frame, as RGB."""
        path = self._of(split)[row].path
        return read_rgb(path, name=str(path))

    def _of(self, split: Split) -> tuple[_File, ...]:
        return self._files.get(split, ())


def open_classes(spec: str) -> FolderDataset:
    """The dataset of `folder:/path`, or of `folder:/path?template=a product photo of a {}`.

    Raises:
        InputError: an option that is none, a template without its `{}`; and what `FolderDataset` raises.
    """
    path, _, rest = spec.removeprefix(FOLDER_PREFIX).partition("?")
    options = dict(parse_qsl(rest, keep_blank_values=True))
    template = options.pop("template", DEFAULT_TEMPLATE)
    if options:
        raise unknown(f"option of {FOLDER_PREFIX}{path}", next(iter(options)), ["template"])
    check_template(template, of=spec)
    return FolderDataset(Path(path).expanduser(), template=template)


def _find_splits(root: Path) -> dict[str, tuple[_File, ...]]:
    named = [split for split in ("train", "val", "test") if (root / split).is_dir()]
    if "test" not in named:
        return _cut(_find_files(root), (("train", 0.4), ("val", 0.2), ("test", 0.4)))
    found = {split: _find_files(root / split) for split in named}
    if "train" in found and "val" not in found:
        found |= _cut(found["train"], FIFTH)
    return found


def _find_files(root: Path) -> tuple[_File, ...]:
    """Files one folder deep (class) or two (domain, class)."""
    files = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
        inner = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        files += [_File(path=path, folder=folder.name, domain="") for path in images_in(folder)]
        for sub in inner:
            files += [_File(path=path, folder=sub.name, domain=folder.name) for path in images_in(sub)]
    return tuple(files)


def images_in(folder: Path) -> list[Path]:
    """The files directly in a folder that are pictures by their ending."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def _cut(files: tuple[_File, ...], parts: tuple[tuple[str, float], ...]) -> dict[str, tuple[_File, ...]]:
    """Cut each class's (and domain's) files into shares."""
    cut = cut_by_hash(files, parts, group=lambda file: (file.folder, file.domain), name=lambda file: file.path.name)
    return {name: tuple(sorted(chosen, key=lambda file: file.path)) for name, chosen in cut.items()}


def read_class_names(root: Path, folders: list[str]) -> dict[str, str]:
    """Folder to class name: spaces for underscores, or what the folder's `classnames.json` says.

    Raises:
        InputError: the file is not understood, or names folders without images.
    """
    names = {folder: folder.replace("_", " ") for folder in folders}
    path = root / CLASS_NAMES_FILE
    if not path.is_file():
        return names
    try:
        given = parse_json(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"{str(path)!r} is not JSON ({error}); give an object of folder to class name") from error
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise InputError(f"{str(path)!r} must be an object of folder name to class name (both texts)")
    strangers = sorted(given.keys() - names.keys())
    if strangers:
        raise InputError(f"{str(path)!r} names folders that hold no images: {', '.join(strangers[:5])}")
    return names | given
