"""The outside that the guestbook needs, in one process: ``python -m demo.world --folder F``."""

from __future__ import annotations

import argparse
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from demo.git_server import git_app
from demo.gitops import REPOSITORY, seed_repository
from demo.registry import registry_app

REGISTRY_PORT = 5555
GIT_PORT = 5556
_HOST = "127.0.0.1"


@dataclass(frozen=True)
class World:
    """Where a running demo world is found."""

    registry_url: str
    git_url: str

    @property
    def gitops_url(self) -> str:
        """The URL of the seeded GitOps repository, without credentials."""
        return f"{self.git_url}/{REPOSITORY}"


class PortSwitch:
    """An ASGI application that hands each connection to the application of its port."""

    def __init__(self, apps: dict[int, ASGIApp]) -> None:
        self._apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._apps[scope["server"][1]](scope, receive, send)


@contextmanager
def running_world(folder: Path, registry_port: int = 0, git_port: int = 0) -> Iterator[World]:
    """Serve the world from a thread of this process; port 0 takes a free one.

    Raises OSError where a port is taken and TimeoutError where the servers do not come up.
    """
    server, sockets = _server(folder, registry_port, git_port)
    thread = threading.Thread(target=server.run, args=(sockets,), name="demo-world", daemon=True)
    thread.start()
    try:
        _wait_until_started(server, thread)
        registry, git = (f"http://{_HOST}:{each.getsockname()[1]}" for each in sockets)
        yield World(registry, git)
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        for each in sockets:
            each.close()


def _server(
    folder: Path, registry_port: int, git_port: int
) -> tuple[uvicorn.Server, list[socket.socket]]:
    repositories = folder / "git"
    seed_repository(repositories)
    sockets = [_listen(registry_port), _listen(git_port)]
    apps = (registry_app(folder / "registry"), git_app(repositories))
    ports = (each.getsockname()[1] for each in sockets)
    switch = PortSwitch(dict(zip(ports, apps, strict=True)))
    config = uvicorn.Config(switch, lifespan="off", log_level="info", timeout_graceful_shutdown=2)
    return uvicorn.Server(config), sockets


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + 10
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise TimeoutError("the demo world did not come up within 10 s")
        time.sleep(0.01)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; exit code 1 where a port is taken or the folder cannot be written."""
    parser = argparse.ArgumentParser(prog="python -m demo.world", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="keeps images and repositories")
    parser.add_argument("--registry-port", type=int, default=REGISTRY_PORT)
    parser.add_argument("--git-port", type=int, default=GIT_PORT)
    given = parser.parse_args(argv)
    try:
        server, sockets = _server(given.folder, given.registry_port, given.git_port)
    except OSError as error:
        print(f"the demo world cannot start: {error}")
        return 1
    server.run(sockets)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
