"""What the command touches outside itself, as one argument; and its exit codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:  # half a second, which `--help` need not cost
    import httpx


class Exit(IntEnum):
    """The exit codes of every subcommand."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    WAITING = 3  # of `step`, which reaches no Airflow
    INTERRUPTED = 130


@dataclass(frozen=True)
class World:
    """`sleep` takes seconds; `transport` None means the network."""

    out: TextIO
    err: TextIO
    environ: Mapping[str, str]
    sleep: Callable[[float], None]
    transport: httpx.BaseTransport | None = None

    def say(self, text: str) -> None:
        """Write lines for whoever reads the answer."""
        print(text, file=self.out, flush=True)

    def warn(self, text: str) -> None:
        """Write a line that is no part of the answer."""
        print(text, file=self.err, flush=True)
