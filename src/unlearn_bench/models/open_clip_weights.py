"""Published weights of open_clip as assets: whether they are in the cache, and how they get there."""

import os
from abc import abstractmethod
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import open_clip
import torch
from filelock import FileLock
from huggingface_hub import (
    constants,
    get_hf_file_metadata,
    get_token,
    hf_hub_download,
    hf_hub_url,
    metadata_load,
    try_to_load_from_cache,
)
from huggingface_hub.errors import EntryNotFoundError
from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

from unlearn_bench.downloads.assets import Asset, Availability, Fetched
from unlearn_bench.downloads.transfer import BROKEN, PART, Checksum, brief, bytes_at, download, set_aside, silent
from unlearn_bench.errors import InputError
from unlearn_bench.models.open_clip_model import build_open_clip
from unlearn_bench.models.open_clip_names import Published, published

_CARD = "README.md"
_TOKENIZER = (  # the first, and one of the others, which hold the vocabulary
    "tokenizer_config.json",
    "tokenizer.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.json",
    "vocab.txt",
)
_SHA256_DIGITS, _GIT_DIGITS = 64, 40


def weights_asset(spec: str) -> "Weights | None":
    """The published weights that `spec` names, in the place where open_clip looks for them.

    Returns:
        None where nothing needs fetching: embedded models, files, folders, random weights, plug-ins.

    Raises:
        InputError: no such architecture or tag, a name that needs a tag, or a captioner.
    """
    what = published(spec)
    if what is None:
        return None
    return HubWeights(what) if what.facts.get("hf_hub") else UrlWeights(what)  # open_clip's own preference


class Weights(Asset):
    """One file of weights, with the tokenizer that its architecture may need beside it.

    Attributes:
        published: which weights they are.
    """

    def __init__(self, what: Published, *, source: str) -> None:
        self.published = what
        self.name = what.spec
        self.kind = "weights"
        self.source = source
        self.licence = self._licence()
        self._fitting: tuple[object, ...] | None = None

    @abstractmethod
    def file(self) -> Path | None:
        """The file as open_clip would take it from the cache, not checked; None where there is none."""

    @abstractmethod
    def fetch_file(self, progress: Fetched) -> Path:
        """Download the file if it is not here or wrong, verify it, and say where it is.

        Raises:
            InputError: as `fetch` does.
        """

    @abstractmethod
    def _checksum(self, path: Path) -> Checksum | None:
        """What `path` must hash to, as far as the source tells."""

    @abstractmethod
    def _folder(self) -> Path:
        """Where a missing file will be."""

    @abstractmethod
    def _parts(self) -> list[Path]:
        """What downloads left that stopped."""

    def availability(self) -> Availability:
        """Look at the disk; never at the network. A file whose checksum is known is read through once."""
        path = self.file()
        if path is None:
            parts = self._parts()
            return Availability(
                state="partial" if parts else "missing",
                path=str(parts[0] if parts else self._folder()),
                bytes=self._fp32_bytes(),
                note="; ".join(filter(None, (self._tokenizer_lacks(), self._by_hand()))),
            )
        if not self.fits(path):
            note = f"its checksum does not fit; fetching keeps it aside as {BROKEN}; {self._by_hand()}"
            return Availability(state="partial", path=str(path), bytes=bytes_at(path.resolve()), note=note)
        lacks = self._tokenizer_lacks()
        return Availability(
            state="partial" if lacks else "present", path=str(path), bytes=bytes_at(path.resolve()), note=lacks
        )

    def fetch(self, progress: Fetched) -> None:
        """Download what is missing, going on where a download stopped, and verify it; nothing if all is here."""
        if self.availability().state == "present":
            return
        if self._tokenizer_repository() and find_spec("transformers") is None:
            lacks = self._tokenizer_lacks()
            raise InputError(f"the weights of {self.name!r} are not fetched, since nothing could use them: {lacks}")
        self.fetch_file(progress)
        self.licence = self._licence()
        if self._tokenizer_lacks():
            try:
                open_clip.get_tokenizer(self.published.name, trust_remote_code=False)
            except Exception as error:  # the hub's client raises errors of many libraries
                raise InputError(f"the tokenizer of {self.name!r} can't be fetched ({brief(error)})") from error

    def fits(self, path: Path) -> bool:
        """Whether the file is what its source says; True where the source says nothing. Reads it once."""
        checksum = self._checksum(path)
        stat = path.stat()
        key = (checksum, stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if checksum is None or key == self._fitting:
            return True
        if not checksum.fits(path):
            return False
        self._fitting = key
        return True

    def _failed(self, error: Exception) -> InputError:
        reason = str(error) if isinstance(error, InputError) else brief(error)
        return InputError(
            f"the weights of {self.name!r} can't be fetched ({reason}); go online once and run again, "
            f"or fetch them elsewhere and give {self.published.name_for_file}:FILE"
        )

    @abstractmethod
    def _by_hand(self) -> str:
        """How to get the file without this program."""

    def _licence(self) -> str:
        return "MIT" if self.published.tag == "openai" else f"see {self.source}"

    def _fp32_bytes(self) -> int | None:
        """What the architecture's tensors take in fp32, the most that weights are published in.

        None where the network would have to be asked how a text tower of transformers is built.
        """
        config = self.published.config
        if name := config["text_cfg"].get("hf_model_name"):
            here = try_to_load_from_cache(str(name), "config.json")
            if not isinstance(here, str):
                return None
            # By its folder: by its name the library asks the network all the same, for 23 s where there is none.
            config = {**config, "text_cfg": {**config["text_cfg"], "hf_model_name": str(Path(here).parent)}}
        try:
            with torch.device("meta"):  # shapes alone
                model = build_open_clip(config)
        except Exception:  # a library that is not installed; then nobody says
            return None
        return 4 * sum(int(value.numel()) for value in model.state_dict().values())

    def _tokenizer_repository(self) -> str | None:
        name = self.published.config["text_cfg"].get("hf_tokenizer_name")
        return str(name) if name else None

    def _tokenizer_lacks(self) -> str:
        repository = self._tokenizer_repository()
        if repository is None:
            return ""
        if find_spec("transformers") is None:
            return f"its tokenizer ({repository}) needs `pip install transformers`"
        here = {name for name in _TOKENIZER if isinstance(try_to_load_from_cache(repository, name), str)}
        complete = _TOKENIZER[0] in here and len(here) > 1
        return "" if complete else f"its tokenizer ({repository}) is not here; `hf download {repository}`"


class HubWeights(Weights):
    """Weights on the Hugging Face hub, in the hub's own cache folder and layout.

    The hub's client keeps nothing of a download that stopped and checks no hash, so the file is downloaded here; the
    client is asked for the file's facts before and for its place in the layout after.
    """

    def __init__(self, what: Published) -> None:
        self.repository, file = os.path.split(what.facts["hf_hub"])
        self.files = _with_safetensors(file or HF_WEIGHTS_NAME)
        super().__init__(what, source=f"{constants.ENDPOINT}/{self.repository}")

    def file(self) -> Path | None:
        """The file that the cache's `main` points to: without code in it if there is one."""
        for name in self.files:
            found = try_to_load_from_cache(self.repository, name)
            if isinstance(found, str):
                return Path(found)
        return None

    def fetch_file(self, progress: Fetched) -> Path:
        """Download the file if it is not here or wrong, verify it, and say where it is."""
        path = self.file()
        if path is not None and self.fits(path):
            return path
        try:
            path = self._take(self.files, progress)
        except Exception as error:  # the hub's client raises errors of many libraries
            raise self._failed(error) from error
        with suppress(Exception):  # the card only tells the licence
            self._take((_CARD,), silent)
        return path

    def _take(self, names: tuple[str, ...], progress: Fetched) -> Path:
        """Put the first of the files that the repository has into the hub's cache."""
        name, facts = self._facts(names)
        blob = self._folder() / "blobs" / facts.etag
        lock = self._folder().parent / ".locks" / self._folder().name / f"{facts.etag}.lock"  # as the client's
        lock.parent.mkdir(parents=True, exist_ok=True)
        checksum = _blob_checksum(facts.etag)
        with FileLock(lock):
            if blob.exists() and checksum is not None and not checksum.fits(blob):
                set_aside(blob)
            if not blob.exists():
                blob.unlink(missing_ok=True)  # a link that points nowhere
                download(
                    hf_hub_url(self.repository, name, revision=facts.commit_hash),
                    blob,
                    checksum=checksum,
                    progress=progress,
                    headers={"Authorization": f"Bearer {token}"} if (token := get_token()) else None,
                )
        return Path(hf_hub_download(self.repository, name))

    def _facts(self, names: tuple[str, ...]) -> tuple[str, Any]:
        for name in names:
            try:
                return name, get_hf_file_metadata(hf_hub_url(self.repository, name))
            except EntryNotFoundError:
                if name == names[-1]:
                    raise
        raise InputError(f"no file to look for in {self.repository}")

    def _checksum(self, path: Path) -> Checksum | None:
        return _blob_checksum(Path(os.readlink(path)).name) if path.is_symlink() else None

    def _folder(self) -> Path:
        return Path(constants.HF_HUB_CACHE) / f"models--{self.repository.replace('/', '--')}"

    def _parts(self) -> list[Path]:
        return sorted((self._folder() / "blobs").glob(f"*{PART}"), key=bytes_at, reverse=True)

    def _by_hand(self) -> str:
        return (
            f"by hand: `hf download {self.repository} {self.files[0]}` where there is a network, then copy "
            f"{self._folder().name} to {str(self._folder().parent)!r}, or give {self.published.name_for_file}:FILE"
        )

    def _licence(self) -> str:
        card = try_to_load_from_cache(self.repository, _CARD)
        if not isinstance(card, str):
            return super()._licence()
        try:
            facts = metadata_load(card) or {}
        except Exception:  # a card is anybody's text
            return super()._licence()
        named = facts.get("license_name") if facts.get("license") == "other" else facts.get("license")
        return str(named) if named else super()._licence()


class UrlWeights(Weights):
    """Weights at an address, in open_clip's folder for them."""

    def __init__(self, what: Published) -> None:
        super().__init__(what, source=what.facts.get("url", ""))
        self.target = self._folder() / os.path.basename(self.source)

    def file(self) -> Path | None:
        """The file in open_clip's folder."""
        return self.target if self.target.is_file() else None

    def fetch_file(self, progress: Fetched) -> Path:
        """Download the file if it is not here or wrong, verify it, and say where it is."""
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.target.with_name(f".{self.target.name}.lock")):
                if self.target.is_file() and not self.fits(self.target):
                    set_aside(self.target)
                if not self.target.is_file():
                    checksum = self._checksum(self.target)
                    download(self.source, self.target, checksum=checksum, progress=progress)
        except (InputError, OSError) as error:
            raise self._failed(error) from error
        return self.target

    def _checksum(self, path: Path) -> Checksum | None:
        """OpenAI's addresses hold the hash as a folder, open_clip's own the start of it at the end of the name."""
        if "openaipublic" in self.source:
            return Checksum(kind="sha256", value=self.source.split("/")[-2])
        if "mlfoundations" in self.source:
            return Checksum(kind="sha256", value=path.stem.rsplit("-", 1)[-1])
        return None

    def _folder(self) -> Path:
        return Path("~/.cache/clip").expanduser()

    def _parts(self) -> list[Path]:
        part = self.target.with_name(self.target.name + PART)
        return [part] if part.is_file() else []

    def _by_hand(self) -> str:
        return f"by hand: download {self.source} where there is a network, and copy it to {str(self.target)!r}"


def _with_safetensors(name: str) -> tuple[str, ...]:
    """The files in which open_clip looks for the weights, in its order."""
    if name == HF_WEIGHTS_NAME:
        return HF_SAFE_WEIGHTS_NAME, name
    return (f"{name[:-4]}.safetensors", name) if name.endswith((".bin", ".pth")) else (name,)


def _blob_checksum(name: str) -> Checksum | None:
    """The hub names a large file by its SHA-256, a small one by its git hash."""
    if not all(letter in "0123456789abcdef" for letter in name):
        return None
    if len(name) == _SHA256_DIGITS:
        return Checksum(kind="sha256", value=name)
    return Checksum(kind="git", value=name) if len(name) == _GIT_DIGITS else None
