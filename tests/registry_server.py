"""Debian's docker-registry on a loopback port, for tests that want a real one."""

from __future__ import annotations

import ctypes
import hashlib
import json
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from tests.token_server import SERVICE, TokenServer

_CONFIG = """\
version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {root}/data}}
  delete: {{enabled: true}}
http:
  addr: "{host}"
"""
_TLS = "  tls: {{certificate: {tls}, key: {tls}}}\n"
_AUTH = "auth: {{htpasswd: {{realm: tests, path: {root}/htpasswd}}}}\n"
_TOKEN = """\
auth:
  token: {{realm: "{realm}", service: {service}, issuer: {service}, rootcertbundle: {root}/cert.pem}}
"""
_IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


class DebianRegistry:
    """A registry that lives as long as the `with` block; `host` is ``127.0.0.1:<port>``, plain http.

    With `user` (name, password) it asks for a Basic login, with `tokens` for a token of that server. With `tls`, a file
    of key and certificate, it speaks https.
    """

    def __init__(
        self,
        user: tuple[str, str] | None = None,
        tokens: TokenServer | None = None,
        tls: Path | None = None,
    ) -> None:
        self._user = user
        self._tokens = tokens
        self._tls = tls
        self.host = ""

    def __enter__(self) -> DebianRegistry:
        self._folder = tempfile.TemporaryDirectory(prefix="registry-")
        root = Path(self._folder.name)
        self.host = f"127.0.0.1:{_free_port()}"
        config = _CONFIG + (_TLS if self._tls else "")
        if self._user:
            name, password = self._user
            (root / "htpasswd").write_text(f"{name}:{_bcrypt(password)}\n")
            config += _AUTH
        if self._tokens:
            (root / "cert.pem").write_bytes(self._tokens.certificate)
            config += _TOKEN.replace("{realm}", self._tokens.realm).replace("{service}", SERVICE)
        settings = config.format(root=root, host=self.host, tls=self._tls)
        (root / "config.yml").write_text(settings)
        self._log = (root / "log").open("wb")
        auth = self._tokens.auth() if self._tokens else self._user
        self._http = httpx.Client(
            base_url=f"{'https' if self._tls else 'http'}://{self.host}",
            auth=auth,
            verify=self._tls is None,
            trust_env=False,
        )
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.close()
        self.stop()
        self._log.close()
        self._folder.cleanup()

    def start(self) -> None:
        """Begin to answer, again after `stop`."""
        configuration = Path(self._folder.name) / "config.yml"
        self._process = subprocess.Popen(
            ["/usr/bin/docker-registry", "serve", str(configuration)],
            stdout=self._log,
            stderr=self._log,
        )
        self._wait()

    def stop(self) -> None:
        """Answer no more; what was pushed stays."""
        self._process.terminate()
        self._process.wait(10)

    @property
    def log(self) -> Path:
        """The registry's own log, a line for each request."""
        return Path(self._folder.name) / "log"

    def polls(self, repository: str) -> int:
        """Return how often the tags of `repository` were listed so far, a page each."""
        lines = self.log.read_text(errors="replace").splitlines()
        return sum(f'"GET /v2/{repository}/tags/list' in line for line in lines)

    def push_image(
        self, repository: str, tag: str, *, created: datetime, payload: bytes = b""
    ) -> str:
        """Push an image of one layer, `payload`; return its digest."""
        layer = self.push_blob(repository, payload)
        config = {
            "architecture": "amd64",
            "os": "linux",
            "created": created.astimezone(UTC).isoformat(),
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [layer]},
        }
        config_bytes = json.dumps(config).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": _IMAGE,
            "config": {
                "mediaType": _CONFIG_TYPE,
                "digest": self.push_blob(repository, config_bytes),
                "size": len(config_bytes),
            },
            "layers": [{"mediaType": _LAYER_TYPE, "digest": layer, "size": len(payload)}],
        }
        return self.push_manifest(repository, tag, manifest)

    def push_manifest(self, repository: str, tag: str, manifest: dict[str, Any]) -> str:
        """Push a manifest whose content is there; return its digest."""
        response = self._http.put(
            f"/v2/{repository}/manifests/{tag}",
            content=json.dumps(manifest).encode(),
            headers={"Content-Type": manifest["mediaType"]},
        )
        response.raise_for_status()
        return response.headers["Docker-Content-Digest"]

    def manifest(self, repository: str, reference: str) -> bytes:
        """Return a manifest's bytes."""
        headers = {"Accept": f"{_IMAGE}, {INDEX}"}
        response = self._http.get(f"/v2/{repository}/manifests/{reference}", headers=headers)
        return response.raise_for_status().content

    def blob(self, repository: str, digest: str) -> bytes:
        """Return a blob."""
        return self._http.get(f"/v2/{repository}/blobs/{digest}").raise_for_status().content

    def writes(self, repository: str, kind: str = "", status: str = "") -> int:
        """Return how many requests to write blobs or manifests (`kind`, or both) came so far.

        With `status` only those are counted that the registry answered with it.
        """
        lines = (Path(self._folder.name) / "log").read_text(errors="replace").splitlines()
        found = re.compile(rf'"(PUT|POST|PATCH) /v2/{repository}/{kind}[^"]*" {status}')
        return sum(bool(found.search(line)) for line in lines)

    def delete_image(self, repository: str, digest: str) -> None:
        """Delete a manifest; its tags stay listed until the registry collects its garbage."""
        self._http.delete(f"/v2/{repository}/manifests/{digest}").raise_for_status()

    def tags(self, repository: str) -> Sequence[str]:
        """Return the tags as the registry lists them."""
        return self._http.get(f"/v2/{repository}/tags/list").raise_for_status().json()["tags"] or []

    def push_blob(self, repository: str, content: bytes) -> str:
        """Push a config or layer; return its digest."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        upload = self._http.post(f"/v2/{repository}/blobs/uploads/").raise_for_status()
        url = httpx.URL(upload.headers["Location"]).copy_merge_params({"digest": digest})
        self._http.put(url, content=content).raise_for_status()
        return digest

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(Path(self._log.name).read_text())
            try:
                self._http.get("/v2/").raise_for_status()
                return
            except httpx.TransportError:
                time.sleep(0.05)
        raise TimeoutError("docker-registry did not answer within 20 s")


def _bcrypt(password: str) -> str:
    # The only hash that the registry reads; Debian's libcrypt knows it and Python does not.
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    hashed: bytes = crypt(password.encode(), b"$2b$04$airfreightairfreightai")
    return hashed.decode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
