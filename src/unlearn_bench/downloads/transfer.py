"""Downloading one large file: a stopped download goes on, and a wrong file is never taken for the right one."""

import errno
import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Literal
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from unlearn_bench import __version__
from unlearn_bench.downloads.assets import Fetched
from unlearn_bench.errors import InputError

PART = ".incomplete"
BROKEN = ".broken"
_CHUNK = 1 << 20
_TIMEOUT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Checksum:
    """What a file's content must hash to.

    Attributes:
        kind: `sha256`; `md5`, where a source gives nothing better; or `git`, the SHA-1 by which git names a blob
            (of the word blob, the size and the content).
        value: in hexadecimal; may be only the first characters, where a source gives no more.
    """

    kind: Literal["sha256", "md5", "git"]
    value: str

    def of(self, path: Path) -> str:
        """The file's hash, in full."""
        if self.kind != "git":
            with path.open("rb") as file:
                return hashlib.file_digest(file, lambda: hashlib.new(self.kind, usedforsecurity=False)).hexdigest()
        found = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
        return found.hexdigest()

    def fits(self, path: Path) -> bool:
        """Whether the file's content is the right one."""
        return self.of(path).startswith(self.value)


def silent(here: int, total: int | None) -> None:
    """Progress that nobody watches."""


def bytes_at(path: Path) -> int:
    """What a file or the files in a folder hold; 0 where there is nothing. Links count as nothing."""
    if path.is_dir():
        return sum(item.stat().st_size for item in path.rglob("*") if item.is_file() and not item.is_symlink())
    return path.stat().st_size if path.is_file() else 0


def set_aside(path: Path) -> Path:
    """Rename a file of wrong content to `NAME.broken`, where nobody takes it for the right one."""
    aside = path.with_name(path.name.removesuffix(PART) + BROKEN)
    path.replace(aside)
    return aside


def download(
    url: str,
    target: Path,
    *,
    checksum: Checksum | None,
    progress: Fetched,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Put the content of `url` at `target`, by way of `NAME.incomplete`, with which the next try goes on.

    Args:
        checksum: of the whole file; None where the source gives none, and only the length is checked.
        headers: for the first address alone: what they hold (a token, say) goes to no other one.

    Raises:
        InputError: no network, an answer that is an error, no space, a stopped download, or a file of wrong content,
            which is kept aside as `NAME.broken`. One line without a full stop, to stand in brackets.
    """
    part = target.with_name(target.name + PART)
    while True:
        before = bytes_at(part)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            total = _receive(url, part, headers or {}, progress)
        except HTTPError as error:
            raise InputError(f"{url} answers {error.code} {error.reason}") from error
        except (OSError, HTTPException, ValueError) as error:
            if getattr(error, "errno", None) == errno.ENOSPC:
                raise InputError(f"no space left at {str(target.parent)!r}") from error
            if bytes_at(part) <= before:  # as long as something comes, it is worth asking again
                raise InputError(f"{url} can't be reached: {brief(error)}") from error
            continue
        here = bytes_at(part)
        if total is None or here == total:
            break
        if here <= before:
            raise InputError(f"{url} stops after {here} of {total} bytes; the next try goes on from there")
    if checksum is not None and not checksum.fits(part):
        found = checksum.of(part)
        raise InputError(
            f"{url} came with a wrong checksum, expected {checksum.kind} {checksum.value[:12]}.., "
            f"found {found[:12]}..; kept aside as {str(set_aside(part))!r}"
        )
    part.replace(target)


def _receive(url: str, part: Path, headers: Mapping[str, str], progress: Fetched) -> int | None:
    """Ask for what `part` lacks and append it; the length of the whole file if the server tells."""
    here = bytes_at(part)
    request = Request(url, headers={"User-Agent": f"unlearn-bench/{__version__}"})
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    if here:
        request.add_header("Range", f"bytes={here}-")
    try:
        answer: HTTPResponse = urlopen(request, timeout=_TIMEOUT_S)
    except HTTPError as error:
        if error.code != 416 or not here:  # 416: nothing lies beyond what is here
            raise
        if _whole(error.headers.get("Content-Range")) != here:
            part.unlink()
            return _receive(url, part, headers, progress)
        return here
    with answer:
        goes_on = answer.status == 206
        total = _whole(answer.headers.get("Content-Range" if goes_on else "Content-Length"))
        here = here if goes_on else 0
        _need_space(part.parent, None if total is None else total - here)
        progress(here, total)
        with part.open("ab" if goes_on else "wb") as file:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                here += len(chunk)
                progress(here, total)
    return total


def _whole(header: str | None) -> int | None:
    """The length of the whole file in `bytes 3-9/10`, `bytes */10` or `10`."""
    digits = (header or "").rpartition("/")[2]
    return int(digits) if digits.isdecimal() else None


def _need_space(folder: Path, count: int | None) -> None:
    free = shutil.disk_usage(folder).free
    if count is not None and count > free:
        raise InputError(f"no space at {str(folder)!r}: {count / 1e6:.0f} MB to come, {free / 1e6:.0f} MB free")


def brief(error: Exception) -> str:
    """An error's kind and the first line of what it says."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0][:160]}" if text else type(error).__name__
