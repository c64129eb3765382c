"""A small HTTP server that stands for a cloud's or GitHub's token endpoint, for tests."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from tests.serving import QuietHandler, Serving


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


Answer = Callable[[Asked], tuple[int, Any]]


class TokenEndpoints(Serving):
    """Answers a path, without its query, by `answers`; a body is JSON or, as a text, sent as it is.

    `asked` is every request in its order. With `tls` it speaks https.
    """

    def __init__(self, answers: Mapping[str, Answer], tls: ssl.SSLContext | None = None) -> None:
        self.answers = dict(answers)
        self.asked: list[Asked] = []
        endpoints = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                path = self.path.partition("?")[0]
                asked = Asked(self.command, path, dict(self.headers), self.rfile.read(length))
                endpoints.asked.append(asked)
                answer = endpoints.answers.get(path, lambda _: (404, {"message": "Not Found"}))
                status, content = answer(asked)
                body = (content if isinstance(content, str) else json.dumps(content)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET
            do_PUT = do_GET

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]
