"""Files of the cache that are believed only while their content is what was written."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unlearn_bench.cache import atomic_path, write_text

BROKEN = ".broken"
"""Added to the name of a file that is not what was written, which is kept aside."""


def seal_path(path: Path) -> Path:
    """Where the hash of the file's content is written."""
    return path.with_name(f"{path.name}.seal")


@contextmanager
def sealed_path(path: Path) -> Iterator[Path]:
    """As `atomic_path`, and notes the hash of what was written; who dies in between leaves a file without a seal."""
    with atomic_path(path) as part:
        yield part
        said = json.dumps({"bytes": part.stat().st_size, "sha256": _hash(part)})
        seal_path(path).unlink(missing_ok=True)  # the old file under the new seal would be called damaged
    write_text(seal_path(path), said)


def seal(path: Path) -> None:
    """Note the hash of a file that has just been written in another way."""
    write_text(seal_path(path), json.dumps({"bytes": path.stat().st_size, "sha256": _hash(path)}))


def is_whole(path: Path) -> bool:
    """Whether the file is there and is what was written.

    One that is not is set aside with `BROKEN` added to its name, so that it is made again. One without a seal is not
    believed either: it is of an older version, or its writer was killed. The whole file is read.
    """
    try:
        said = json.loads(seal_path(path).read_text(encoding="utf-8"))
        size, digest = said["bytes"], said["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if not path.is_file():
        return False
    if path.stat().st_size == size and _hash(path) == digest:
        return True
    with suppress(OSError):  # a cache that may only be read: not believed, and left where it is
        path.replace(path.with_name(path.name + BROKEN))
        seal_path(path).unlink(missing_ok=True)
    return False


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
