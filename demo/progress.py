"""One terminal line for each step of the demo, with the seconds it took, as it happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

_POLL = 0.5


class NotReachedError(Exception):
    """A step did not come about; the message is one line for the terminal."""


class Progress:
    """Prints steps to a terminal or a file; on a terminal the step that is awaited counts its seconds."""

    def __init__(
        self,
        out: TextIO,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._out = out
        self._clock = clock
        self._sleep = sleep
        self._began = clock()

    def did(self, step: str, work: Callable[[], str]) -> None:
        """Do the work, which blocks, and print the step with the detail that it returns."""
        since = self._clock()
        self._show(step, since)
        self._done(step, work(), since)

    def until(self, step: str, look: Callable[[], str | None], timeout: float) -> str:
        """Look twice a second until there is a detail to print; return it.

        Raises NotReachedError after `timeout` seconds.
        """
        since = self._clock()
        while (detail := look()) is None:
            if self._clock() - since > timeout:
                raise NotReachedError(f"{step}: not reached after {timeout:g} s")
            self._show(step, since)
            self._sleep(_POLL)
        self._done(step, detail, since)
        return detail

    def say(self, text: str = "") -> None:
        """Print a plain line."""
        self._out.write(f"{self._clear()}{text}\n")
        self._out.flush()

    def _show(self, step: str, since: float) -> None:
        if self._out.isatty():
            self._out.write(f"{self._clear()}   …  {step} ({self._clock() - since:.0f} s)")
            self._out.flush()

    def _done(self, step: str, detail: str, since: float) -> None:
        now = self._clock()
        took, total = f"{now - since:.1f} s", f"{now - self._began:.0f} s"
        self.say(f"{total:>6}  {step:<28} {took:>7}  {detail}".rstrip())

    def _clear(self) -> str:
        return "\r\x1b[K" if self._out.isatty() else ""
