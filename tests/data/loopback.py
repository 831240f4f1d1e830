"""An HTTP server on the loopback interface that misbehaves as told, for tests of downloads."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """What is served and how; ``requests`` lists (path, Range) of every request."""

    content: bytes
    etag: str | None = '"1"'
    cut_after: int | None = None  # bytes after which the connection breaks
    cuts: int = 0  # how many answers are cut
    pause: float = 0.0  # seconds between pieces
    errors: int = 0  # how many answers are errors
    error: int = 503  # their status
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""

    def file(self, name: str) -> str:
        return f"{self.url}/{name}"


@contextmanager
def serve(content: bytes, **behaviour) -> Iterator[Served]:
    """Serve ``content`` at every path but /missing (404) and /moved (a redirect to /file)."""
    served = Served(content, **behaviour)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(served))
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            served.requests.append((self.path, wanted))
            if self.path == "/missing":
                self.send_error(404)
            elif self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/file")
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif served.errors > 0:
                served.errors -= 1
                self.send_error(served.error)
            else:
                self._send(wanted)

        def _send(self, wanted: str | None) -> None:
            match = re.fullmatch(r"bytes=(\d+)-", wanted or "")
            same = self.headers.get("If-Range") in (None, served.etag)
            start = int(match[1]) if match and same else 0
            body = served.content[start:]
            if start and not body:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            if served.etag:
                self.send_header("ETag", served.etag)
            self.end_headers()
            self._send_body(body)

        def _send_body(self, body: bytes) -> None:
            if served.cuts > 0 and served.cut_after is not None:
                served.cuts -= 1
                self.wfile.write(body[: served.cut_after])
                self.wfile.flush()
                self.connection.close()
                return
            size = max(1, len(body) // 10) if served.pause else max(1, len(body))
            for start in range(0, len(body), size):
                self.wfile.write(body[start : start + size])
                time.sleep(served.pause)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    return Handler
