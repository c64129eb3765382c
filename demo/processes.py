"""Child processes that can be stopped and killed whole, also by a later run that finds what a killed one left.

Each child leads its own process group, so that Ctrl-C reaches only us and we stop the children in order. Airflow's
tasks leave that group, so stopping walks the tree of descendants as well.
"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil


class ProcessFailedError(Exception):
    """A child ended that should have gone on, or ended badly; the message names its log."""


class Child:
    """One program: started, looked at, stopped or killed, and started again.

    Its output goes to ``<home>/logs/<name>.log``; its id is kept in ``<home>/run/<name>.json`` while it runs, so that
    another of our processes can kill it and start it again.
    """

    def __init__(self, name: str, argv: Sequence[str], home: Path, env: Mapping[str, str]) -> None:
        self.name = name
        self.log = home / "logs" / f"{name}.log"
        self._record = home / "run" / f"{name}.json"
        self._argv = tuple(argv)
        self._env = dict(env)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The id of the running process, whoever started it."""
        found = _recorded(self._record)
        if found is None:
            raise ProcessFailedError(f"{self.name} does not run")
        return found.pid

    def start(self) -> None:
        """Start the program; its log grows over several starts."""
        for path in (self.log, self._record):
            path.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = _spawn(self._argv, self._env, log)
        _remember(self._record, self._process.pid)

    def is_running(self) -> bool:
        """Whether the program has been started, by whomever, and has not ended."""
        found = _recorded(self._record)
        return found is not None and not _is_gone(found)

    def wait(self) -> None:
        """Wait for a program that ends by itself; ProcessFailedError where its exit code is not 0."""
        process = self._process
        if process is not None and process.wait() != 0:
            raise ProcessFailedError(
                f"{self.name} ended with exit code {process.returncode}: see {self.log}"
            )
        self._record.unlink(missing_ok=True)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program alone, if it still runs."""
        if (found := _recorded(self._record)) is not None:
            with suppress(psutil.NoSuchProcess):
                found.send_signal(number)

    def kill(self) -> None:
        """SIGKILL the program and everything it started, as a machine that loses power would."""
        if (found := _recorded(self._record)) is not None:
            _kill_tree(found.pid)
        if self._process is not None:
            self._process.wait()  # ours has ended, now or when another process replaced it
        self._record.unlink(missing_ok=True)


def stop_all(children: Sequence[Child], grace: float) -> None:
    """SIGTERM to all at once; what still runs after `grace` seconds is killed with its descendants."""
    trees = [tree for child in children if child.is_running() for tree in _tree(child.pid)]
    for child in children:
        child.signal(signal.SIGTERM)
    leaders = [tree for tree in trees if tree.pid in {c.pid for c in children if c.is_running()}]
    psutil.wait_procs(leaders, timeout=grace)
    _kill(trees)
    for child in children:
        child.kill()


def stop_leftovers(home: Path) -> list[str]:
    """Kill what an earlier run of the same home left behind, and return the names."""
    stopped = []
    for record in sorted((home / "run").glob("*.json")):
        if (found := _recorded(record)) is not None:
            _kill_tree(found.pid)
            stopped.append(record.stem)
        record.unlink(missing_ok=True)
    return stopped


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore SIGINT and SIGTERM inside the block: a second Ctrl-C must not leave half of the children."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _spawn(argv: Sequence[str], env: Mapping[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        process_group=0,
    )


def _remember(record: Path, pid: int) -> None:
    with suppress(psutil.NoSuchProcess):
        created = psutil.Process(pid).create_time()
        whole = record.with_suffix(".new")  # another process may just be reading the record
        whole.write_text(json.dumps({"pid": pid, "created": created}))
        whole.replace(record)


def _recorded(record: Path) -> psutil.Process | None:
    with suppress(OSError, psutil.NoSuchProcess, ValueError, KeyError):
        kept = json.loads(record.read_text())
        found = psutil.Process(kept["pid"])
        # A process id alone may have been given to another program since.
        if found.create_time() == kept["created"]:
            return found
    return None


def _tree(pid: int) -> list[psutil.Process]:
    try:
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _kill_tree(pid: int) -> None:
    """Stop the leader first: what it does not see dying it cannot replace."""
    tree = _tree(pid)
    for process in tree:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    _kill([*tree, *_tree(pid)])


def _kill(processes: Sequence[psutil.Process]) -> None:
    """SIGKILL, and return when they are gone: until then they hold their ports and files."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + 5
    while any(not _is_gone(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(0.02)


def _is_gone(process: psutil.Process) -> bool:
    """A zombie counts: it holds nothing, and in a container nobody may ever collect it."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
