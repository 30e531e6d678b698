"""A web server on this machine that serves files in parts, breaks off, and counts what it is asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Web:
    """What is served and what was asked.

    Attributes:
        files: path to bytes. headers: path to more headers. stop_at: place in a file behind which nothing comes.
        ranges: whether parts are served. asked: method, path and Range header of each request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    stop_at: int | None = None
    ranges: bool = True
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    address: str = ""


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that goes away in the middle of an answer is what some tests are about."""


@contextmanager
def serve() -> Iterator[Web]:
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def _answer(self, *, body: bool) -> None:
            path, wanted = self.path.split("?", 1)[0], self.headers.get("Range")
            web.asked.append((self.command, path, wanted))
            if path not in web.files:
                self.send_error(404)
                return
            whole = web.files[path]
            start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted and web.ranges else 0
            if start >= len(whole) > 0:
                self.send_error(416)
                return
            self.send_response(206 if wanted and web.ranges else 200)
            self.send_header("Content-Length", str(len(whole) - start))
            if wanted and web.ranges:
                self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
            for key, value in web.headers.get(path, {}).items():
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(whole[start : web.stop_at])

    server = _QuietServer(("127.0.0.1", 0), Handler)
    web.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
