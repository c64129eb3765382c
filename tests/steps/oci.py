"""Registries, logins and artifacts for the tests of the OCI steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from airfreight.model.credential import Credential
from airfreight.model.promotion import StepStatus
from airfreight.steps.base import StepContext
from airfreight.steps.oci_push import OciPushConfig, OciPushStep
from tests.registry_server import INDEX, DebianRegistry
from tests.serving import QuietHandler, running
from tests.steps.files import context_at

USER = ("robot", "s3cret-word")
IMAGE = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


@dataclass(frozen=True)
class Logins:
    """Gives `USER` to the repositories named, by kind and URL, and keeps what it was asked for.

    `authority` is the Connections' `ca_certificate`.
    """

    known: tuple[tuple[str, str], ...]
    authority: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def find(self, kind: str, url: str) -> Credential | None:
        self.asked.append((kind, url))
        known = (kind, url) in self.known
        return Credential(*USER, ca_certificate=self.authority) if known else None


def context(root: Path, *known: tuple[str, str], **settings: Any) -> StepContext:
    """Return a context with logins for `known`, which may travel over plain http."""
    usual = context_at(root)
    opened = replace(usual.settings, **{"allow_credentials_over_http": True, **settings})
    return replace(usual, credentials=Logins(known), settings=opened)


def digest_of(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def described(content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    return {
        "mediaType": media_type,
        "digest": digest_of(content),
        "size": len(content),
        **more,
    }


def image(config: bytes, *layers: dict[str, Any]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": described(config, CONFIG),
        "layers": list(layers),
    }


def push_image(registry: DebianRegistry, repository: str, tag: str, *layers: bytes) -> str:
    """Push an image of these layers; the first has the type of an image's, the others that of a chart."""
    config = json.dumps({"os": "linux", "architecture": "amd64", "tag": tag}).encode()
    for content in (config, *layers):
        registry.push_blob(repository, content)
    types = [LAYER] + [CHART] * len(layers)
    entries = [described(one, kind) for one, kind in zip(layers, types, strict=False)]
    return registry.push_manifest(repository, tag, image(config, *entries))


def push_index(registry: DebianRegistry, repository: str, tag: str) -> dict[str, Any]:
    """Push an index of an image for linux/arm64 and one for linux/amd64; return it."""
    entries = []
    for architecture in ("arm64", "amd64"):
        push_image(registry, repository, f"{tag}-{architecture}", architecture.encode() * 100)
        body = registry.manifest(repository, f"{tag}-{architecture}")
        platform = {"os": "linux", "architecture": architecture}
        entries.append(described(body, IMAGE, platform=platform))
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    registry.push_manifest(repository, tag, index)
    return index


@dataclass(frozen=True)
class Answer:
    """What a scripted registry says."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Scripted:
    """A server on a loopback port that answers by script; `seen` are method, path and Authorization."""

    host: str = ""
    script: Callable[[str, str], Answer] = lambda method, path: Answer(404)
    seen: list[tuple[str, str, str | None]] = field(default_factory=list)

    def serve(self, contents: Mapping[str, Answer | bytes | dict[str, Any]]) -> None:
        """Answer paths that end so; bytes and documents are sent with the status 200, others are not found."""

        def script(method: str, path: str) -> Answer:
            for end, content in contents.items():
                if path.endswith(end):
                    return _answer(content)
            return Answer(404)

        self.script = script


def _answer(content: Answer | bytes | dict[str, Any]) -> Answer:
    if isinstance(content, Answer):
        return content
    return Answer(body=content if isinstance(content, bytes) else json.dumps(content).encode())


@contextmanager
def scripted() -> Iterator[Scripted]:
    """Run a scripted server."""
    script = Scripted()

    class Handler(QuietHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            script.seen.append((self.command, self.path, self.headers.get("Authorization")))
            answer = script.script(self.command, self.path)
            self.send_response(answer.status)
            for name, text in answer.headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_HEAD = do_POST = do_PUT = answer

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        script.host = url.removeprefix("http://")
        yield script


def opened(root: Path, *references: str, **settings: Any) -> StepContext:
    """Return a context with logins for the repositories of these references."""
    known = [
        ("helm" if reference.startswith("oci://") else "image", _repository(reference))
        for reference in references
    ]
    return context(root, *known, **settings)


def _repository(reference: str) -> str:
    return reference.partition("@")[0] if "@" in reference else reference.rpartition(":")[0]


def push(root: Path, source: str, target: str, **config: Any) -> dict[str, Any]:
    """Push with logins for both; return the output."""
    return push_with(opened(root, source, target), source, target, **config)


def push_with(context: StepContext, source: str, target: str, **config: Any) -> dict[str, Any]:
    """Push with the logins that the context has; return the output."""
    settings = {"srcRef": source, "destRef": target, "insecureSkipTLSVerify": True, **config}
    result = OciPushStep().run(OciPushConfig.model_validate(settings), context)
    assert result.status == StepStatus.SUCCEEDED
    assert result.output is not None
    return dict(result.output)
