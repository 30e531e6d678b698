"""The file layout of the Hugging Face hub's cache, and its answers over the web, made here."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from tests.benchmarks.data.photo_trees import colour_of
from tests.benchmarks.data.web import Web

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def encoded(label: int, side: int = 12) -> bytes:
    packed = io.BytesIO()
    Image.new("RGB", (side, side), colour_of(label)).save(packed, "PNG")
    return packed.getvalue()


def parquet(
    labels: Sequence[Any],
    *,
    names: Sequence[str] | None,
    image: str = "image",
    label: str = "label",
    cells: Sequence[bytes | None] | None = None,
    more: Mapping[str, Sequence[str]] | None = None,
) -> bytes:
    """A shard as the package `datasets` writes it: images as bytes, class names in the schema, `more` as text."""
    import datasets  # type: ignore[import-not-found,unused-ignore]
    import pyarrow as pa  # type: ignore[import-not-found,unused-ignore]
    import pyarrow.parquet as pq  # type: ignore[import-not-found,unused-ignore]

    if cells is None:
        cells = [encoded(item if isinstance(item, int) and item >= 0 else 0) for item in labels]
    kind = datasets.ClassLabel(names=list(names)) if names else datasets.Value(_value_of(labels))
    words = {name: datasets.Value("string") for name in more or {}}
    features = datasets.Features({image: datasets.Image(), label: kind, **words})
    images = [None if cell is None else {"bytes": cell, "path": None} for cell in cells]
    table = pa.Table.from_pydict({image: images, label: list(labels), **(more or {})}, schema=features.arrow_schema)
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _value_of(labels: Sequence[Any]) -> str:
    return "string" if isinstance(labels[0], str) else "int64"


def write_cache(cache: Path, repository: str, files: Mapping[str, bytes], *, revision: str = "main") -> Path:
    """Blobs, links to them in the snapshot of a commit, and the branch: what a download leaves behind."""
    folder = cache / ("datasets--" + repository.replace("/", "--"))
    snapshot = folder / "snapshots" / COMMIT
    for name, data in files.items():
        blob = folder / "blobs" / hashlib.sha256(data).hexdigest()
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        link = snapshot / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    if revision != COMMIT:
        (folder / "refs").mkdir(parents=True, exist_ok=True)
        (folder / "refs" / revision).write_text(COMMIT)
    return snapshot


def put_on_web(web: Web, repository: str, files: Mapping[str, bytes], *, revision: str = "main") -> None:
    """The two addresses that the hub's client asks: the list of files, and each file with its sums in the headers."""
    siblings = []
    for name, data in files.items():
        digest = hashlib.sha256(data).hexdigest()
        path = f"/datasets/{repository}/resolve/{COMMIT}/{name}"
        web.files[path] = data
        web.headers[path] = {"ETag": f'"{digest}"', "X-Repo-Commit": COMMIT}
        large = {"lfs": {"sha256": digest, "size": len(data), "pointerSize": 130}} if name.endswith("parquet") else {}
        siblings.append({"rfilename": name, "size": len(data), "blobId": digest[:40], **large})
    answer = {"id": repository, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}
    path = f"/api/datasets/{repository}/revision/{revision}"
    web.files[path] = json.dumps(answer).encode()
    web.headers[path] = {"Content-Type": "application/json"}
