"""A stand-in for the places that weights come from: a local server, and the hub's folder layout on disk."""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from unlearn_bench.downloads.transfer import silent
from unlearn_bench.errors import InputError
from unlearn_bench.models.open_clip_weights import Weights, weights_asset

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@dataclass
class Server:
    """Files by path, and how the server behaves.

    Attributes:
        files: what is served, by the path of its address; `/cdn` before a path serves the same.
        etags: other hashes than the contents' own.
        cuts: for a path, after how many bytes of an answer the connection closes, one for each request.
        ranges: whether parts of a file are served.
        redirect: where a GET is sent on to.
        asked: each request: its method, path, range and authorization.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    cuts: dict[str, list[int]] = field(default_factory=dict)
    ranges: bool = True
    redirect: str | None = None
    asked: list[tuple[str, str, str | None, str | None]] = field(default_factory=list)
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add_to_hub(self, repository: str, name: str, content: bytes, *, etag: str | None = None) -> None:
        """Serve a file under the addresses that the hub's client asks for."""
        for revision in ("main", COMMIT):
            path = f"/{repository}/resolve/{revision}/{name}"
            self.files[path] = content
            self.etags[path] = etag or (sha256(content) if len(content) > 200 else git_hash(content))

    def ranges_of(self, ending: str) -> list[str | None]:
        """The ranges that were asked of files whose path ends so."""
        return [wanted for method, path, wanted, _ in self.asked if method == "GET" and path.endswith(ending)]


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        pass

    @property
    def book(self) -> Server:
        book = self.server.book  # type: ignore[attr-defined]
        assert isinstance(book, Server)
        return book

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        book, wanted = self.book, self.headers.get("Range")
        book.asked.append((self.command, self.path, wanted, self.headers.get("Authorization")))
        path = self.path.removeprefix("/cdn")
        content = book.files.get(path)
        if content is None:
            self._head(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT, "Content-Length": "0"})
            return
        if with_body and book.redirect is not None and path == self.path:
            self._head(302, {"Location": f"{book.redirect}/cdn{path}", "Content-Length": "0"})
            return
        facts = {"X-Repo-Commit": COMMIT, "ETag": f'"{book.etags.get(path, "none")}"'}
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and book.ranges else 0
        if start and start >= len(content):
            self._head(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"})
            return
        if start:
            facts["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._head(206 if start else 200, {**facts, "Content-Length": str(len(content) - start)})
        if with_body:
            cuts = book.cuts.get(path)
            self.wfile.write(content[start:][: cuts.pop(0) if cuts else None])

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def serving() -> Iterator[Server]:
    """A server on this machine."""
    book = Server()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.book = book  # type: ignore[attr-defined]
        book.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield book
        finally:
            server.shutdown()
            thread.join()


def use_cache(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Let the hub's client and open_clip keep their files under `folder`; the hub's cache folder."""
    hub = folder / "hf" / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "hf" / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HOME", str(folder / "home"))
    return hub


def use_server(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Let the hub be at `address`."""
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")


def place(hub: Path, repository: str, name: str, content: bytes, *, blob: str | None = None) -> Path:
    """Put a file into the hub's layout, as its client does; the link in the snapshot."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    stored = folder / "blobs" / (blob or sha256(content))
    link = folder / "snapshots" / COMMIT / name
    for parent in (stored.parent, link.parent, folder / "refs"):
        parent.mkdir(parents=True, exist_ok=True)
    stored.write_bytes(content)
    (folder / "refs" / "main").write_text(COMMIT)
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(stored, link.parent))
    return link


def block_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Refuse every connection; the addresses that somebody tried."""
    import socket

    tried: list[Any] = []

    def refuse(_: socket.socket, address: Any) -> None:
        tried.append(address)
        raise OSError("no network in tests")

    def no_name(*arguments: Any, **more: Any) -> None:
        tried.append(arguments[0])
        raise socket.gaierror(-3, "no network in tests")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    return tried


def asset(spec: str = "RN50:openai") -> Weights:
    """The asset of weights that have one."""
    found = weights_asset(spec)
    assert found is not None
    return found


def refusal(spec: str = "RN50:openai") -> str:
    """The one line with which fetching ends."""
    with pytest.raises(InputError) as caught:
        asset(spec).fetch(silent)
    message = str(caught.value)
    assert "\n" not in message
    return message
