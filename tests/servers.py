"""A real HTTP server on this machine, with the faults that servers and networks have."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What a server gives: the same body at every path. Change it while it runs."""

    body: bytes = b""
    status: int = 200
    #: status of the first answers, before `status`
    first: list[int] = field(default_factory=list)
    #: headers of every answer
    headers: dict[str, str] = field(default_factory=dict)
    #: whether it honours the header Range
    ranges: bool = True
    #: whether it says how long the body is
    length: bool = True
    #: bytes after which each connection breaks off
    breaks_after: int | None = None
    #: bytes after which each connection falls silent
    stalls_after: int | None = None
    url: str = ""
    #: the header Range of each request so far, or ""
    requests: list[str] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(body: bytes = b"", **settings: object) -> Iterator[Site]:
    """A server for the length of a `with` block."""
    site = Site(body, **settings)
    handler = type("Handler", (_Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site = self.site
        wanted = self.headers.get("Range", "")
        site.requests.append(wanted)
        start = 0
        status = site.first.pop(0) if site.first else site.status
        if wanted and site.ranges and status == 200:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(site.body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(site.body)}")
                self.end_headers()
                return
            self.send_response(206)
            end = len(site.body) - 1
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(site.body)}")
        else:
            self.send_response(status)
        for name, value in site.headers.items():
            self.send_header(name, value)
        if site.length:
            self.send_header("Content-Length", str(len(site.body) - start))
        self.end_headers()
        body = site.body[start:]
        if site.breaks_after is not None:
            body = body[: site.breaks_after]
        if site.stalls_after is not None:
            self.wfile.write(body[: site.stalls_after])
            site.closing.wait()
            return
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Tests print nothing."""
