"""What can be known to be wrong before anything is started; each fault is one line that says what to do."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from demo.ports import is_listening


class CannotStartError(Exception):
    """The demo cannot start; the message is one line for the terminal."""


def require_git(which: Callable[[str], str | None] = shutil.which) -> None:
    """Promotions call git, so it must be on the PATH."""
    if which("git") is None:
        raise CannotStartError("git is missing: install it (Debian: apt-get install git)")


def require_free_ports(ports: Mapping[int, str]) -> None:
    """Each port, with the name of what needs it, must be unused."""
    for port, needed_by in ports.items():
        if is_listening(port):
            raise CannotStartError(
                f"port {port}, needed by {needed_by}, is in use: end the program that listens there"
            )


def take_home(home: Path) -> IO[str]:
    """Make the home folder and take its lock, held until the returned file is closed."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / "lock").open("a+")
    except OSError as error:
        raise CannotStartError(
            f"no write access to {home} ({error.strerror}): change its owner or run from another clone"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise CannotStartError("the demo is running already: `make down` stops it") from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def stop_running_demo(home: Path, timeout: float) -> bool:
    """Ask the demo that holds the home's lock to stop; whether there was one.

    Raises CannotStartError where it still runs after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    asked = False
    while (home / "lock").exists():
        try:
            take_home(home).close()
        except CannotStartError:
            _ask(home, asked)
        else:
            return asked
        asked = True
        if time.monotonic() > deadline:
            raise CannotStartError(f"the demo did not stop within {timeout:g} s")
        time.sleep(0.2)
    return asked


def _ask(home: Path, asked: bool) -> None:
    if not asked:
        with suppress(ValueError, ProcessLookupError):
            os.kill(int((home / "lock").read_text()), signal.SIGTERM)
