"""Workers on this machine, and the register that they share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psutil

from airfreight.model.promotion import PromotionPhase, PromotionStatus
from airfreight.runtime.records import PromotionRecord
from airfreight.runtime.stage_register import StageRegister
from tests.promoting.task import Task
from tests.runtime.memory import MemoryStore
from tests.runtime.step_kinds import promotion
from tests.serving import QuietHandler, running

ROOT = Path(__file__).parents[2]


class Nursery:
    """Starts processes that carry out a Task each; the environment is the worker's, `variables` come on top."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = variables or {}

    def __enter__(self) -> Nursery:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.promoting.task"],
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}", **self._variables},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def start(self, task: Task) -> Worker:
        """Start a process for `task`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(task)) + "\n")
        self._process.stdin.flush()
        return Worker(int(self._process.stdout.readline()))


@dataclass(frozen=True)
class Worker:
    """A process that carries out a Task."""

    pid: int

    def kill(self, *, alone: bool = False) -> None:
        """SIGKILL it, and unless `alone` all that it started, as the end of a container does."""
        parent = psutil.Process(self.pid)
        doomed = [parent, *([] if alone else parent.children(recursive=True))]
        for process in doomed:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for process in doomed:
            _wait(process.pid)

    def wait(self) -> None:
        """Return when it has ended."""
        _wait(self.pid)


def _wait(pid: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return
        except psutil.NoSuchProcess:
            return
        time.sleep(0.005)
    raise TimeoutError(f"process {pid} goes on for longer than two minutes")


@dataclass
class RegisterServer:
    """A Stage's register behind HTTP, as Airflow's API server has it."""

    url: str
    store: MemoryStore = field(default_factory=MemoryStore)

    @property
    def register(self) -> StageRegister:
        return StageRegister(self.store)

    def begin(
        self, name: str, *documents: Mapping[str, Any], variables: Mapping[str, str]
    ) -> PromotionRecord:
        """Write a Promotion of these steps into the register that began an hour ago."""
        made = promotion(*documents, variables=variables)
        started = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        facts = {"name": name, "stage": name.split(".")[0], "started_at": started}
        made = made.model_copy(update=facts)
        status = PromotionStatus(phase=PromotionPhase.RUNNING, started_at=started)
        record = PromotionRecord(promotion=made, status=status, dag_id="d", run_id=name)
        self.register.save(record)
        return record

    def record(self, name: str) -> PromotionRecord:
        found = self.register.promotion(name)
        assert found is not None
        return found


@contextmanager
def serving_register() -> Iterator[RegisterServer]:
    """Serve an empty register on a free port of this machine."""
    lock = threading.Lock()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self._answer(store.get(self._key))

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                store.set(self._key, json.loads(body))
            self._answer(None)

        def do_DELETE(self) -> None:
            with lock:
                store.delete(self._key)
            self._answer(None)

        @property
        def _key(self) -> str:
            return unquote(self.path.removeprefix("/"))

        def _answer(self, value: Any) -> None:
            content = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        served = RegisterServer(url)
        store = served.store
        yield served
