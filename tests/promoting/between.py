"""Stands between a promotion and a server, passes every request on, and strikes once, at the one that is waited for."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

from tests.serving import QuietHandler, running

Moment = Literal["before", "midway", "unanswered", "late"]


@dataclass(frozen=True)
class Strike:
    """`act` is done at the first request that fits: before the server hears of it, in its middle, or before its answer.

    Nothing more is passed on after `act`, neither of the request nor of the answer. `midway` the server has half of the
    body by then. A `late` request is passed on after `act`, however long that takes, and is answered.
    """

    method: str
    path: str
    moment: Moment
    act: Callable[[], object]
    holds: Callable[[bytes], bool] = lambda body: True

    def fits(self, method: str, path: str, body: bytes) -> bool:
        """Say whether this is the request."""
        found = re.search(self.path, path)
        return method == self.method and found is not None and self.holds(body)


@dataclass
class Between:
    """`url` is the address to give to the promotion, `upstream` the server's."""

    upstream: str
    url: str = ""
    strike: Strike | None = None
    struck: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        """Host and port."""
        return urlsplit(self.url).netloc

    def take(self, method: str, path: str, body: bytes) -> Strike | None:
        """Return the strike where this is its request; it is not returned again."""
        with self.lock:
            strike = self.strike
            if strike is None or not strike.fits(method, path, body):
                return None
            self.strike = None
            return strike


@contextmanager
def between(upstream: str) -> Iterator[Between]:
    """Stand before the server at `upstream`."""
    state = Between(upstream)
    handler = type("Handler", (_Handler,), {"state": state})
    with running(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as state.url:
        yield state


class _Handler(QuietHandler):
    state: Between

    def _pass(self) -> None:
        body = self._body()
        strike = self.state.take(self.command, self.path, body)
        if strike is None:
            self._answer(*self._ask(body))
            return
        if strike.moment == "late":
            strike.act()
            self._ask(body)
        elif strike.moment == "midway":
            self._ask_half(body, strike.act)
        else:
            if strike.moment == "unanswered":
                self._ask(body)
            strike.act()
        self.close_connection = True
        self.state.struck.set()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _pass

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _ask(self, body: bytes) -> tuple[HTTPResponse, bytes]:
        connection = self._connection()
        try:
            connection.request(self.command, self.path, body, dict(self._headers(body)))
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def _ask_half(self, body: bytes, act: Callable[[], object]) -> None:
        """Send half of the request, do `act`, hang up, and see what the server makes of that."""
        connection = self._connection()
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self._headers(body):
            connection.putheader(name, value)
        connection.endheaders(body[: len(body) // 2])
        act()
        assert isinstance(connection.sock, socket.socket)
        connection.sock.shutdown(socket.SHUT_WR)
        while connection.sock.recv(65536):
            pass
        connection.close()

    def _connection(self) -> HTTPConnection:
        parts = urlsplit(self.state.upstream)
        return HTTPConnection(parts.hostname or "", parts.port, timeout=60)

    def _headers(self, body: bytes) -> Iterator[tuple[str, str]]:
        for name, value in self.headers.items():
            if name.lower() not in ("transfer-encoding", "content-length", "connection", "expect"):
                yield name, value
        yield "Connection", "close"
        if self.command not in ("GET", "HEAD"):
            yield "Content-Length", str(len(body))

    def _answer(self, answer: HTTPResponse, content: bytes) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") or "0"
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(content)))
        self.end_headers()
        self.wfile.write(content)
