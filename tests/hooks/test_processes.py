from __future__ import annotations

import subprocess
import sys
import threading

import psutil

from airfreight.hooks.processes import watched

# A child that starts a child of its own, and waits for it.
NESTED = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"


def _is_alive(process: psutil.Process) -> bool:
    # Nobody may have asked for its exit status yet.
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_an_abort_ends_every_process_that_a_step_started() -> None:
    stopped, asked = threading.Event(), threading.Event()
    with watched(asked.is_set, stopped, 0.05):
        child = subprocess.Popen([sys.executable, "-c", NESTED], stdin=subprocess.PIPE)
        while not (below := psutil.Process(child.pid).children()):
            assert child.poll() is None
        asked.set()
        assert child.wait(10) != 0
        assert child.stdin is not None
        child.stdin.close()
    assert stopped.is_set()
    # A busy machine takes its time to end what was killed.
    _, alive = psutil.wait_procs(below, timeout=10)
    assert not any(_is_alive(process) for process in alive)


def test_what_is_not_aborted_goes_on_and_is_asked_about_no_more_at_its_end() -> None:
    stopped, asked = threading.Event(), 0

    def is_aborted() -> bool:
        nonlocal asked
        asked += 1
        return False

    with watched(is_aborted, stopped, 0.01):
        subprocess.run([sys.executable, "-c", "import time; time.sleep(0.1)"], check=True)
    before = asked
    assert before > 0
    assert not stopped.wait(0.05)
    assert asked == before


def test_an_abort_calls_what_else_has_to_end() -> None:
    ended, stopped = threading.Event(), threading.Event()
    with watched(lambda: True, stopped, 0.01, ended.set):
        assert ended.wait(10)
    assert stopped.is_set()
