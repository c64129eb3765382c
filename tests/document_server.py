"""A server on a loopback port that answers as a test says, for tests of what reads documents over HTTP."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer

from tests.serving import QuietHandler, Serving


@dataclass(frozen=True)
class Sent:
    """An answer; the body may come in pieces, also without an end."""

    body: bytes | Iterable[bytes] = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A request that came: its path with the query, its headers by names in lower case, and what a POST brought."""

    path: str
    headers: Mapping[str, str]
    body: bytes = b""


class DocumentServer(Serving):
    """Answers paths (without their query) by `answers`, others with 404; `asked` is every request so far."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Sent | Callable[[Asked], Sent]] = {}
        self.asked: list[Asked] = []
        handler = type("Handler", (_Handler,), {"documents": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def answer(self, asked: Asked) -> Sent:
        self.asked.append(asked)
        found = self.answers.get(asked.path.partition("?")[0], Sent(status=404))
        return found if isinstance(found, Sent) else found(asked)


class _Handler(QuietHandler):
    documents: DocumentServer

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        sent = self.documents.answer(Asked(self.path, headers, body))
        self.send_response(sent.status)
        for name, value in sent.headers.items():
            self.send_header(name, value)
        whole = sent.body if isinstance(sent.body, bytes) else None
        if whole is not None:
            self.send_header("Content-Length", str(len(whole)))
        self.end_headers()
        for piece in [whole] if whole is not None else sent.body:
            self.wfile.write(bytes(piece))

    do_POST = do_GET
