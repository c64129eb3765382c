"""Bounds for a git that talks to a server nobody vouches for: how long it may run, how much it may print and hold.

It ends with the thread that started it, however that ends: `setpriv` of util-linux asks the kernel for that, where it
can. A function of ours between fork and exec could not: in a process with threads it may wait for ever.
"""

from __future__ import annotations

import functools
import os
import re
import resource
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from airfreight.errors import ArtifactError, TransientError

_CHUNK = 1 << 16
_ERROR_BYTES = 1 << 16
_NO_MEMORY = re.compile(
    r"^(?:fatal|error): .*(?:[Oo]ut of memory|mmap failed|cannot be mapped)", re.M
)
# Each thread would reserve 64 MB for itself, which counts as taken.
_ENVIRONMENT = {"LANGUAGE": "C", "LC_ALL": "C", "MALLOC_ARENA_MAX": "1"}


class LongOutputError(ArtifactError):
    """Git printed more than it may: whoever asks for less at a time may get it."""


@dataclass(frozen=True)
class GitLimits:
    """Seconds that one run of git may take, and bytes: that it may print, of a file that it writes, of memory.

    A tree may name itself a thousand times at each of ten levels: git makes a list of all paths before it prints one.
    """

    seconds: float
    output: int = 1 << 26
    file: int = resource.RLIM_INFINITY
    memory: int = 1 << 31


def run_limited(
    command: Sequence[str], place: Path, environment: Mapping[str, str], limits: GitLimits
) -> tuple[int, str, str]:
    """Return exit code, output without its last newline and errors of `command`, which is killed beyond the limits.

    Raises TransientError for one that takes too long, LongOutputError for one that prints too much, ArtifactError for
    one that needs too much, FileNotFoundError where there is no such program. It has a process group of its own: what
    it started is killed with it.
    """
    with tempfile.TemporaryFile() as errors:  # a pipe that nobody reads would fill up
        process = subprocess.Popen(  # noqa: S603 no shell reads the arguments
            [*_end_with_us(), *command] if shutil.which(command[0]) else command,
            cwd=place,
            env={**os.environ, **_ENVIRONMENT, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        with process:
            try:
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limits.file, limits.file))
                resource.prlimit(process.pid, resource.RLIMIT_AS, (limits.memory, limits.memory))
                output = _read(process, time.monotonic() + limits.seconds, limits)
            except BaseException:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        said = _text(os.pread(errors.fileno(), _ERROR_BYTES, 0))
    if process.returncode and _NO_MEMORY.search(said):
        raise ArtifactError(
            f"it needed more than {limits.memory} bytes of memory; the setting max_git_memory may allow more"
        )
    return process.returncode, _text(output).removesuffix("\n"), said


@functools.cache
def _end_with_us() -> tuple[str, ...]:
    """Return what a command begins with to be killed when who started it dies; nothing without setpriv."""
    command = ("setpriv", "--pdeathsig", "KILL")
    try:
        tried = subprocess.run((*command, "true"), check=False, capture_output=True)  # noqa: S603 nobody else's words
    except FileNotFoundError:
        return ()
    return () if tried.returncode else command


def _read(process: subprocess.Popen[bytes], deadline: float, limits: GitLimits) -> bytes:
    pipe = cast(IO[bytes], process.stdout)
    chunks, size = [], 0
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            chunk = os.read(pipe.fileno(), _CHUNK)
            if not chunk:
                break
            chunks.append(chunk)
            size += len(chunk)
            if size > limits.output:
                raise LongOutputError(f"it printed more than {limits.output} bytes")
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TransientError(f"it took more than {limits.seconds:g} s") from None
    return b"".join(chunks)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
