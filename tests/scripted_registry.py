"""A small HTTP server that answers as a test says: registries with faults, and without, on a loopback port."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.serving import QuietHandler, Serving

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"


@dataclass(frozen=True)
class Asked:
    """One request; `path` is without its query."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Reply:
    """An answer; a body that is no bytes is sent piece by piece, with a pause of so many seconds before each.

    `length` is what the headers say where it is not the body's own: a longer one is cut off.
    """

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    pause: float = 0.0
    length: int | None = None


Script = Callable[[Asked], Reply]


def json_reply(document: Any, **headers: str) -> Reply:
    """Answer with a JSON document."""
    return Reply(body=json.dumps(document).encode(), headers=headers)


class ScriptedRegistry(Serving):
    """Answers by `script`, which a test may change, as long as the `with` block lasts; keeps what it was asked."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.asked: list[Asked] = []
        registry = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry._answer(self)

            do_HEAD = do_GET

        self._server = _Server(("127.0.0.1", 0), Handler)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.host = f"127.0.0.1:{self._server.server_port}"

    def requests(self) -> list[str]:
        """Return what was asked since the last call, such as ``HEAD /v2/a/b/manifests/1.0``."""
        asked, self.asked = self.asked, []
        return [str(one) for one in asked]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        asked = Asked(handler.command, parts.path, parse_qs(parts.query), headers)
        self.asked.append(asked)
        reply = self.script(asked)
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if isinstance(reply.body, bytes):
            length = len(reply.body) if reply.length is None else reply.length
            handler.send_header("Content-Length", str(length))
            handler.close_connection = reply.length is not None
        else:
            handler.send_header("Connection", "close")
        handler.end_headers()
        if handler.command == "HEAD":
            return
        try:
            for piece in [reply.body] if isinstance(reply.body, bytes) else reply.body:
                time.sleep(reply.pause)
                handler.wfile.write(piece)
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that hang up are part of the tests."""


def digest_of(content: bytes) -> str:
    """Return the digest of a blob or manifest."""
    return f"sha256:{sha256(content).hexdigest()}"


class Images:
    """A script of one repository, `name`: tags that show manifests, and what is behind them.

    `validator` makes the list of tags conditional. A tag in `ghosts` is listed and shows nothing.
    """

    def __init__(
        self, name: str = "acme/web", *, page: int = 1000, validator: bool = False
    ) -> None:
        self.name = name
        self.shown: dict[str, str] = {}
        self.ghosts: list[str] = []
        self._page = page
        self._validator = validator
        self._stored: dict[str, tuple[str, bytes]] = {}

    def push(
        self,
        tag: str,
        *,
        created: str | None = "2026-01-01T00:00:00Z",
        platforms: Iterable[str] = (),
        annotations: Mapping[str, str] | None = None,
        media_type: str = "",
    ) -> str:
        """Have the tag show an image, or an index of one for each of the platforms; return its digest.

        The media types are OCI's unless one is given.
        """
        entries = [(name, self._image(tag, created, name, IMAGE, {})) for name in platforms]
        if entries:
            digest = self._index(entries, dict(annotations or {}), media_type or INDEX)
        else:
            digest = self._image(
                tag, created, "linux/amd64", media_type or IMAGE, dict(annotations or {})
            )
        self.shown[tag] = digest
        return digest

    def _image(
        self,
        tag: str,
        created: str | None,
        platform: str,
        media_type: str,
        annotations: dict[str, str],
    ) -> str:
        system, _, architecture = platform.partition("/")
        config = {"os": system, "architecture": architecture, "created": created, "of": tag}
        manifest = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {"digest": self.store("", json.dumps(config).encode())},
            "annotations": annotations,
        }
        return self.store(media_type, json.dumps(manifest).encode())

    def _index(
        self, entries: list[tuple[str, str]], annotations: dict[str, str], media_type: str
    ) -> str:
        described = []
        for platform, digest in entries:
            system, _, architecture = platform.partition("/")
            place = {"os": system, "architecture": architecture}
            described.append({"digest": digest, "mediaType": IMAGE, "platform": place})
        document = {"mediaType": media_type, "manifests": described, "annotations": annotations}
        return self.store(media_type, json.dumps(document).encode())

    def store(self, media_type: str, content: bytes) -> str:
        """Keep a manifest or blob; return its digest."""
        digest = digest_of(content)
        self._stored[digest] = (media_type, content)
        return digest

    def __call__(self, asked: Asked) -> Reply:
        rest = asked.path.removeprefix(f"/v2/{self.name}/")
        kind, _, reference = rest.partition("/")
        if rest == asked.path:
            return Reply(200 if asked.path == "/v2/" else 404)
        if kind == "tags":
            return self._list(asked)
        stored = self._stored.get(self.shown.get(reference, reference))
        if stored is None:
            return Reply(404)
        headers = {"Content-Type": stored[0], "Docker-Content-Digest": digest_of(stored[1])}
        return Reply(body=stored[1], headers=headers)

    def _list(self, asked: Asked) -> Reply:
        tags = [*self.shown, *self.ghosts]
        start = int(asked.query.get("last", ["0"])[0])
        body = json.dumps({"name": self.name, "tags": tags[start : start + self._page]}).encode()
        headers = {}
        if start + self._page < len(tags):
            following = f"/v2/{self.name}/tags/list?n=1000&last={start + self._page}"
            headers["Link"] = f'<{following}>; rel="next"'
        if self._validator:
            headers["ETag"] = f'"{digest_of(body)}"'
            if asked.headers.get("if-none-match") == headers["ETag"]:
                return Reply(304, headers=headers)
        return Reply(body=body, headers=headers)
