"""`domains:/path`: images in `<domain>/<class>/`, the layout that PACS, Office-Home and DomainNet share."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qsl

from PIL import Image

from unlearn_bench.benchmarks.data.dataset.base import Dataset, Index, Split
from unlearn_bench.benchmarks.data.dataset.domains import TEMPLATE, make_domain_labels
from unlearn_bench.benchmarks.data.dataset.formats import endings
from unlearn_bench.benchmarks.data.dataset.partition import (
    FIFTH,
    WHOLE,
    Part,
    classes_lacking,
    cut_by_hash,
    default_classes,
)
from unlearn_bench.benchmarks.data.dataset.pictures import read_rgb
from unlearn_bench.benchmarks.data.dataset.prefixes import DOMAINS_PREFIX
from unlearn_bench.benchmarks.data.dataset.templates import check_template
from unlearn_bench.benchmarks.data.layouts.folder import read_class_names, spoken
from unlearn_bench.benchmarks.data.layouts.official import BY_HASH
from unlearn_bench.benchmarks.data.layouts.split_folders import OPTIONS, find_split_folders
from unlearn_bench.benchmarks.data.layouts.tree import Tree, is_text, shown
from unlearn_bench.errors import InputError
from unlearn_bench.shown import visible

_LISTED: tuple[Split, ...] = ("train", "test")


@dataclass(frozen=True, kw_only=True)
class _File:
    """A picture: where it is below the root (`inside`, after its split's folder), its domain and its class folder."""

    path: Path
    inside: str
    domain: str
    folder: str


class DomainFolders(Dataset):
    """Images in `<domain>/<class>/` or `<split>/<domain>/<class>/`, one label for each class in each domain.

    Splits are folders called train, val and test, as `FolderDataset` understands them; or the lists
    `<domain>_train.txt` and `<domain>_test.txt` beside the domains where every domain has both (DomainNet's: a line
    is a path and a number); a missing `val` is a fifth of `train`. Otherwise the files of each class in each domain
    are ordered by a hash of their names and cut 50 : 20 : 30. Where a domain lacks a class, or has no image of it in
    train or in test, there is no such label. Class names are the folders' names with spaces for underscores, or what
    `classnames.json` (folder to name) says; domains are called like their folders. The version is the split's name
    and a hash of names, sizes, classes and phrases: not of the bytes, since DomainNet has 600,000 images.

    Args:
        path: the folder of the domains.
        template: of the evaluation, with `{}` for the class and, if it likes, `{domain}` for the domain's phrase.
        phrases: what `{domain}` stands for, by domain ("a pencil sketch"), where it shall not be the usual.

    Raises:
        InputError: no such folder; fewer than two domains or classes; a domain without images; two folders with one
            class name; a list that names a missing file; a phrase for a domain that is not there.
    """

    licence = "as the owner of the folder says"
    path: Path
    threadsafe = True

    def __init__(
        self,
        path: Path,
        *,
        template: str = TEMPLATE,
        phrases: dict[str, str] | None = None,
        splits: Mapping[Part, str] | None = None,
    ) -> None:
        if not path.is_dir():
            raise InputError(f"no folder at {str(path)!r}; give domains:/path with <domain>/<class>/ folders in it")
        self.path = path.resolve()
        self.name = f"{DOMAINS_PREFIX}{visible(self.path.name)}"
        self.template, self.source = template, "a folder of the user's"
        tree = Tree(self.path)
        self.split_name, words, self._files = _find_splits(tree, given=splits, of=self.name)
        self._leave_lacking(tree)
        files = [file for part in self._files.values() for file in part]
        folders = sorted({file.folder for file in files})
        names = {folder: spoken(folder) for folder in folders}
        names |= read_class_names(self.path, folders)
        if len(set(names.values())) < len(folders):
            raise InputError(f"two class folders in {str(path)!r} have one name; make names differ")
        _check_text([*names.values(), *(file.domain for file in files)], of=self.name)
        pairs = sorted({(file.domain, file.folder) for file in files})
        self._labels = {pair: label for label, pair in enumerate(pairs)}
        self.domain_labels = make_domain_labels(
            [(names[folder], domain) for domain, folder in pairs], of=self.name, phrases=phrases
        )
        self.class_names = self.domain_labels.names
        self.forget_classes, self.tuning_classes = default_classes(sorted(self.domain_labels.class_list))
        self.layout = f"{len(self.domain_labels.domain_list)} domains, <domain>/<class>/; {words}"
        self.left_out = tree.left_out

    @cached_property
    def version(self) -> str:  # type: ignore[override]
        """The split's name and a hash of every file's split, name and size, of the classes and the phrases."""
        phrases = self.domain_labels.phrases if self.domain_labels else {}
        digest = hashlib.sha256(json.dumps([self.class_names, sorted(phrases.items())]).encode())
        for split, files in sorted(self._files.items()):
            for file in files:
                line = f"{split}/{file.inside}:{file.path.stat().st_size}\n"
                digest.update(line.encode("utf-8", "surrogateescape"))
        return f"{self.split_name}-{digest.hexdigest()[:12]}"

    def index(self, split: Split) -> Index:
        """Labels, relative file names and domains."""
        files = self._files.get(split, ())
        return Index(
            labels=tuple(self._labels[file.domain, file.folder] for file in files),
            names=tuple(shown(file.path.relative_to(self.path).as_posix()) for file in files),
            domains=tuple(file.domain for file in files),
        )

    def picture(self, split: Split, row: int) -> Image.Image:
        """The file's first frame, as RGB."""
        path = self._files[split][row].path
        return read_rgb(path, name=shown(str(path)))

    def _leave_lacking(self, tree: Tree) -> None:
        """Take out the files of a class in a domain that has no image in train or none in test, and note it."""
        pairs = sorted({(file.domain, file.folder) for part in self._files.values() for file in part})
        places = {pair: place for place, pair in enumerate(pairs)}
        counts = {part: [places[file.domain, file.folder] for file in files] for part, files in self._files.items()}
        lacking = {pairs[place]: split for place, split in classes_lacking(counts, len(pairs)).items()}
        for (domain, folder), split in lacking.items():
            own = [f for files in self._files.values() for f in files if (f.domain, f.folder) == (domain, folder)]
            tree.leave(own[0].path.parent, f"{folder!r} of {domain!r} has no image in {split}", count=len(own))
        self._files = {
            part: [file for file in files if (file.domain, file.folder) not in lacking]
            for part, files in self._files.items()
        }


def open_domains(spec: str) -> DomainFolders:
    """The dataset of `domains:/path?template={domain} of the {}.&sketch=a pencil sketch&test=holdout`.

    Raises:
        InputError: a template without its `{}` or with another field, an option that is no domain of the dataset.
    """
    path, _, rest = spec.removeprefix(DOMAINS_PREFIX).partition("?")
    options = dict(parse_qsl(rest, keep_blank_values=True))
    template = options.pop("template", TEMPLATE)
    splits = {part: options.pop(part) for part in OPTIONS if part in options}
    check_template(template, of=spec)
    return DomainFolders(Path(path).expanduser(), template=template, phrases=options, splits=splits)


def _find_splits(tree: Tree, *, given: Mapping[Part, str] | None, of: str) -> tuple[str, str, dict[str, list[_File]]]:
    """The splits' name, which folders serve as what, and the files of each split."""
    root = tree.root
    parted = find_split_folders(tree, given=given, of=of)
    if parted.are_there:
        found = {str(part): _find_files(folder, tree) for part, folder in parted.folders.items()}
        return "folders", parted.words, _with_val(found)
    (folder,) = parted.folders.values()
    files = _find_files(folder, tree)
    domains = sorted({file.domain for file in files})
    if all((root / f"{domain}_{split}.txt").is_file() for domain in domains for split in _LISTED):
        return "listed", "split by the lists beside the domains", _with_val(_listed(root, files, domains))
    return BY_HASH, parted.words, _cut(files, WHOLE)


def _find_files(root: Path, tree: Tree) -> list[_File]:
    found = [file for domain in tree.folders(root) for file in _of_domain(domain, tree)]
    if not found:
        raise InputError(
            f"no images in <domain>/<class>/ folders below {str(root)!r}; is it the folder of the domains?"
        )
    return found


def _of_domain(domain: Path, tree: Tree) -> Iterator[_File]:
    empty = True
    for folder in tree.folders(domain):
        for path in tree.pictures(folder):
            empty = False
            inside = f"{domain.name}/{folder.name}/{path.name}"
            yield _File(path=path, inside=inside, domain=domain.name, folder=folder.name)
        for leaf in tree.leaves(folder):
            where = folder.joinpath(*leaf.parts)
            tree.leave(where, "deeper than <domain>/<class>/", count=len(leaf.files))
    direct = tree.pictures(domain)
    for path in direct:
        tree.leave(path, "in a domain's folder, not in a class's")
    if empty:
        hint = "folder:/path is for <class>/image" if direct else "remove it, or put <class>/ folders there"
        raise InputError(
            f"domain {shown(domain.name)!r} in {shown(str(domain.parent))!r} has no images in class folders "
            f"({len(endings())} endings are known, .jpg and .png among them); {hint}"
        )


def _check_text(names: Sequence[str], *, of: str) -> None:
    bad = next((name for name in names if not is_text(name)), None)
    if bad is not None:
        raise InputError(f"{of!r} has a folder {shown(bad)!r} whose name is no UTF-8; rename it")


def _listed(root: Path, files: list[_File], domains: list[str]) -> dict[str, list[_File]]:
    """The files that the lists name; the others are left out."""
    known = {file.inside: file for file in files}
    found: dict[str, list[_File]] = {}
    for split in _LISTED:
        for domain in domains:
            path = root / f"{domain}_{split}.txt"
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                if not line.strip():
                    continue
                name = PurePosixPath(line.rsplit(maxsplit=1)[0].replace("\\", "/")).as_posix()
                if name not in known:
                    raise InputError(
                        f"{str(path)!r}, line {number}, names {name!r}, which is not there; complete the images or "
                        "remove the lists"
                    )
                found.setdefault(split, []).append(known[name])
    both = {file.inside for file in found.get("train", [])} & {file.inside for file in found.get("test", [])}
    if both:
        raise InputError(f"lists in {str(root)!r} have {len(both)} images in train and test, {min(both)!r} first")
    return found


def _with_val(found: dict[str, list[_File]]) -> dict[str, list[_File]]:
    return found if "val" in found or "train" not in found else found | _cut(found["train"], FIFTH)


def _cut(files: list[_File], parts: tuple[tuple[str, float], ...]) -> dict[str, list[_File]]:
    """Cut the files of each class in each domain into shares."""
    cut = cut_by_hash(
        files, parts, group=lambda file: (file.domain, file.folder), name=lambda file: shown(file.path.name)
    )
    return {name: sorted(chosen, key=lambda file: file.path) for name, chosen in cut.items()}
