"""A classic chart repository for tests, and charts for it, packed by the real helm."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import yaml

from airfreight.steps.confined import Program, find_program
from tests.serving import Serving


def run(program: Program, *arguments: str, home: Path, authority: Path | None = None) -> str:
    """Run a program in a home of its own, trusting `authority` alone where there is one; return what it printed."""
    trusted = {"SSL_CERT_FILE": str(authority)} if authority else {}
    done = subprocess.run(
        [find_program(program), *arguments],
        env={"HOME": str(home), "PATH": "", **trusted},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_chart(folder: Path, name: str, version: str = "0.1.0", **metadata: Any) -> Path:
    """Write a chart of one ConfigMap and return its folder."""
    chart = folder / name
    (chart / "templates").mkdir(parents=True)
    meta = {"apiVersion": "v2", "name": name, "version": version, **metadata}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(meta, sort_keys=False))
    (chart / "values.yaml").write_text("word: plain\n")
    (chart / "templates" / "map.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-"
        f"{name}\n  namespace: {{{{ .Release.Namespace }}}}\n"
        "data:\n  word: {{ .Values.word | quote }}\n  version: {{ .Chart.Version }}\n"
    )
    return chart


def pack(chart: Path, folder: Path) -> Path:
    """Pack a chart into `folder` and return the archive."""
    folder.mkdir(exist_ok=True)
    said = run("helm", "package", str(chart), f"--destination={folder}", home=folder)
    return Path(said.rpartition(": ")[2].strip())


def push(archive: Path, target: str, login: tuple[str, str], authority: Path | None = None) -> None:
    """Push a packed chart below ``oci://…`` over plain http; `authority` is that of the server that gives tokens."""
    logins = archive.parent / "config.json"
    pair = base64.b64encode(":".join(login).encode()).decode()
    logins.write_text(json.dumps({"auths": {target.split("/")[2]: {"auth": pair}}}))
    options = ("--plain-http", f"--registry-config={logins}")
    run("helm", "push", str(archive), target, *options, home=archive.parent, authority=authority)


class ChartRepository(Serving):
    """Serves a folder of packed charts; with `user` and `password` it wants that login, with `tls` it speaks https.

    `authorizations` is every such header that came.
    """

    def __init__(
        self, root: Path, user: str = "", password: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        self.root = root
        self.login = base64.b64encode(f"{user}:{password}".encode()).decode() if user else ""
        self.authorizations: list[str] = []
        handler = type("Handler", (_Handler,), {"repository": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(root)))
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True, exist_ok=True)
        return super().__enter__()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def add(self, chart: Path) -> None:
        """Pack a chart and list it in the repository's index."""
        pack(chart, self.root)
        run("helm", "repo", "index", str(self.root), f"--url={self.url}", home=self.root)


class _Handler(SimpleHTTPRequestHandler):
    repository: ChartRepository

    def do_GET(self) -> None:
        given = self.headers.get("Authorization", "")
        self.repository.authorizations.append(given)
        if self.repository.login and given != f"Basic {self.repository.login}":
            self.send_error(401)
        else:
            super().do_GET()

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # a client that does not trust the certificate
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""
