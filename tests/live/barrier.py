"""A real HTTP server that promotions in tests call between their steps: it records, holds, and kills the caller.

``/mark/<name>``     records the call and answers 200.
``/switch/<name>``   answers ``{"open": true}`` once the test has opened the switch.
``/kill/<name>``     SIGKILLs the process that calls for the first time, and answers 200 from then on.
``/lose/<name>``     the same, its supervisor with it: nobody is left to report the task's end.
``/hang/<name>``     does not answer before the server ends.
``/stop/<name>``     stops (SIGSTOP) the first process that calls and its supervisor; answers 200 to all.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

import psutil

from tests.serving import QuietHandler, Serving


@dataclass(frozen=True)
class Mark:
    """One call of ``/mark/<name>``; `at` is on the monotonic clock, in seconds."""

    name: str
    at: float


@dataclass
class BarrierServer(Serving):
    """Serves on a free port of this machine until the block ends."""

    marks: list[Mark] = field(default_factory=list)
    killed: dict[str, int] = field(default_factory=dict)
    stopped: dict[str, tuple[int, ...]] = field(default_factory=dict)
    hanging: list[str] = field(default_factory=list)
    open_switches: set[str] = field(default_factory=set)
    _ending: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        barrier = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                barrier.answer(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ending.set()
        super().__exit__(kind, error, traceback)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        _, kind, name = request.path.split("/", 2)
        if kind == "mark":
            self.marks.append(Mark(name, time.monotonic()))
        if kind == "hang":
            self.hanging.append(name)
            self._ending.wait()
            return
        port = request.client_address[1]
        if kind in ("kill", "lose") and name not in self.killed:
            caller = process_at(port)
            self.killed[name] = caller.pid
            for process in [*([caller.parent()] if kind == "lose" else []), caller]:
                process.kill()
            return
        if kind == "stop" and name not in self.stopped:
            caller = process_at(port)
            pair = (caller.parent(), caller)
            for process in pair:
                process.suspend()
            self.stopped[name] = tuple(process.pid for process in pair)
        body = json.dumps({"open": name in self.open_switches}).encode()
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def names(self, prefix: str) -> list[str]:
        """Return the recorded names with this prefix, in the order of the calls."""
        return [mark.name for mark in self.marks if mark.name.startswith(prefix)]

    def resume(self, name: str) -> None:
        """Let the processes go on that ``/stop/<name>`` stopped, the supervisor first."""
        for pid in self.stopped[name]:
            psutil.Process(pid).resume()


def process_at(port: int) -> psutil.Process:
    """Return the process whose end of a connection to this machine is `port`."""
    for connection in psutil.net_connections("tcp"):
        if connection.laddr and connection.laddr.port == port and connection.pid != os.getpid():
            assert connection.pid is not None
            return psutil.Process(connection.pid)
    raise AssertionError(f"nobody holds port {port}")
