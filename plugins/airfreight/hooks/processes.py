"""A promotion's own processes: ended with it, and watched for an abort while a step holds it up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil
from airflow.sdk.exceptions import AirflowRuntimeError


def end_children() -> None:
    """Kill every process that this one started, and theirs."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()


@contextmanager
def watched(
    is_aborted: Callable[[], bool],
    stopped: threading.Event,
    interval: float,
    end: Callable[[], None] = end_children,
) -> Iterator[None]:
    """Ask every `interval` seconds, beside what runs inside, whether it shall end; if so set `stopped` and call `end`.

    What runs inside looks at `stopped` between two steps and waits with it; a step that runs a program loses it.
    """
    done = threading.Event()

    def look() -> None:
        while not done.wait(interval):
            # A register that does not answer now is asked again.
            with suppress(AirflowRuntimeError):
                if is_aborted():
                    stopped.set()
                    end()
                    return

    thread = threading.Thread(target=look, name="airfreight-abort", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
