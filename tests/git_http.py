"""A Git smart-HTTP server for tests: Git's own server program behind a small CGI host."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.serving import QuietHandler, Serving

_PERSON = ("Test", "test@example.com")

Api = Callable[[str, str, Mapping[str, str], bytes], tuple[int, Any]]


def git(
    *arguments: str,
    cwd: Path,
    date: str = "2024-01-01T00:00:00Z",
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run git without any configuration of the machine and return what it printed; `environment` wins."""
    ours = {
        "PATH": os.environ["PATH"],
        "HOME": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": _PERSON[0],
        "GIT_AUTHOR_EMAIL": _PERSON[1],
        "GIT_COMMITTER_NAME": _PERSON[0],
        "GIT_COMMITTER_EMAIL": _PERSON[1],
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_DATE": date,
        **(environment or {}),
    }
    done = subprocess.run(["git", *arguments], cwd=cwd, env=ours, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().rstrip("\n")


class GitHttpServer(Serving):
    """Serves bare repositories on this machine; it wants the login `user` and `password`; with `read_only`, no push.

    With `tls` it speaks https; `variables` are those of Git's server program. `redirects` sends a repository's requests
    to another base URL; `authorizations` is every such header that came. `api` answers what comes below /api/: it gets
    method, path with query, headers, body; returns status and JSON.

    `listings` counts who asked for refs, a fetch included; `packs` counts packs sent, `sent` the bytes of all answers.
    Faults: `status` answers everything; `cut` ends each answer after so many bytes; `drip` sends a byte and waits.
    """

    def __init__(
        self, root: Path, user: str = "", password: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        self.root = root
        self.user = user
        self.password = password
        self.read_only = False
        self.writes = 0  # requests to push, refused or not
        self.redirects: dict[str, str] = {}
        self.authorizations: list[str] = []
        self.api: Api | None = None
        self.listings = 0
        self.packs = 0
        self.sent = 0
        self.status = 0
        self.cut: int | None = None
        self.drip = 0.0
        self.variables: dict[str, str] = {}
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"git": self})
        )
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True, exist_ok=True)
        return super().__enter__()

    def url(self, name: str) -> str:
        """Return the address of repository `name`."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}/{name}.git"

    def path(self, name: str) -> Path:
        """Return where repository `name` lies on disk."""
        return self.root / f"{name}.git"

    def create(self, name: str, files: dict[str, str]) -> str:
        """Make repository `name` whose branch main holds `files`; without files it is empty. Return the commit."""
        bare = self.path(name)
        git("init", "--quiet", "--bare", "--initial-branch=main", str(bare), cwd=self.root)
        git("config", "http.receivepack", "true", cwd=bare)
        git("config", "uploadpack.allowFilter", "true", cwd=bare)
        return self.commit(name, files, "First") if files else ""

    def commit(self, name: str, files: dict[str, str], message: str, branch: str = "main") -> str:
        """Put a commit with `files` on top of `branch`, as somebody else would; return its SHA."""
        with tempfile.TemporaryDirectory() as folder:
            checkout = Path(folder) / "checkout"
            git("clone", "--quiet", str(self.path(name)), str(checkout), cwd=self.root)
            git("checkout", "--quiet", "-B", branch, cwd=checkout)
            for path, text in files.items():
                place = checkout / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text)
            git("add", "--all", cwd=checkout)
            git("commit", "--quiet", "-m", message, cwd=checkout)
            git("push", "--quiet", "origin", branch, cwd=checkout)
            return git("rev-parse", "HEAD", cwd=checkout)

    def log(self, name: str, branch: str = "main") -> list[tuple[str, str]]:
        """Return (SHA, message) of the commits of `branch`, newest first."""
        lines = git("log", "--format=%H %s", branch, cwd=self.path(name)).splitlines()
        return [(line[:40], line[41:]) for line in lines]

    def read(self, name: str, branch: str, path: str) -> str:
        """Return the text of a file at the tip of `branch`, without its last newline."""
        return git("show", f"{branch}:{path}", cwd=self.path(name))

    def accepts(self, authorization: str) -> bool:
        """Say whether a request with this header may enter."""
        if not self.user:
            return True
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return authorization == f"Basic {pair}"


class _Handler(QuietHandler):
    git: GitHttpServer

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    do_HEAD = do_GET
    do_PUT = do_PATCH = do_DELETE = do_POST

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        authorization = self.headers.get("Authorization", "")
        if authorization:
            self.git.authorizations.append(authorization)
        if self.git.api and self.path.startswith("/api/"):
            if len(body) == length:  # half a request is none
                self._ask(self.git.api, body)
            return
        self.git.writes += "git-receive-pack" in self.path
        self.git.listings += self.path.endswith("/info/refs?service=git-upload-pack")
        name = self.path.split("/")[1].removesuffix(".git")
        if name in self.git.redirects:
            rest = self.path.split("/", 2)[2]
            self._plain(302, {"Location": f"{self.git.redirects[name]}/{rest}"})
        elif self.git.status:
            self._plain(self.git.status, {})
        elif not self.git.accepts(authorization):
            self._plain(401, {"WWW-Authenticate": 'Basic realm="git"'})
        elif self.git.read_only and "git-receive-pack" in self.path:
            self._plain(403, {})
        else:
            self._run(body)

    def _ask(self, api: Api, body: bytes) -> None:
        status, answer = api(self.command, self.path, dict(self.headers), body)
        content = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _plain(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _run(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_PROJECT_ROOT": str(self.git.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_USER": self.git.user,
            "REMOTE_ADDR": "127.0.0.1",
            **self.git.variables,
        }
        program = shutil.which("git") or "git"
        done = subprocess.run(
            [program, "http-backend"],
            input=body,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for key, value in fields.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.git.packs += b"packfile\n" in content[:100_000]
        self.git.sent += len(content)
        self._write(content)

    def _write(self, content: bytes) -> None:
        with suppress(OSError):  # a client that had enough of it
            for byte in content if self.git.drip else b"":
                self.wfile.write(bytes([byte]))
                time.sleep(self.git.drip)
            self.wfile.write(b"" if self.git.drip else content[: self.git.cut])
            if self.git.cut is not None and self.git.cut < len(content):
                self.connection.shutdown(socket.SHUT_RDWR)
