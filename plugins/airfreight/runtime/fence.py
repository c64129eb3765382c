"""Keeps a process that only looked dead from doing anything more (design, "One at a time").

A worker may stop for minutes (swap, a paused machine, a lost network) until Airflow gives its task to another, and go
on then as if nothing had happened. So every process that enters a Stage's `promote` writes its own token into the
Stage's register, and asks before each effect, on the register and outside, whether the token there is still its own.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from airfreight.errors import RefusedError
from airfreight.runtime.stage_register import StageRegister


@dataclass(frozen=True)
class Fence:
    """One process's leave to promote to a Stage; `token` is different in every process.

    `stopped` is set where this process is told to end: it asks nobody, so that a signal handler may set it.
    """

    register: StageRegister
    token: str
    stopped: threading.Event = field(default_factory=threading.Event)

    def enter(self) -> None:
        """Shut out every process that entered before."""
        self.register.set_fence(self.token)

    def check(self) -> None:
        """Raise RefusedError where another process entered since, or this one was told to end."""
        if self.is_lost:
            raise RefusedError(
                "another process promotes to this Stage by now: this one was taken for dead and does nothing more"
            )
        if self.stopped.is_set():
            raise RefusedError("this task was ended while it promoted")

    @property
    def is_lost(self) -> bool:
        """Whether another process entered since: the Promotion is no longer this one's to go on with, or to end."""
        return self.register.fence() != self.token
