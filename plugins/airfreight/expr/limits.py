"""What one expression may cost, and the meter that counts it.

Expressions come from manifests and from webhooks, so none of them may stop the process that
evaluates it. Every limit ends as `ExpressionError`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from airfreight.errors import ExpressionError

_CLOCK_EVERY = 512
_CONTAINER_WORDS = 8
_TEXT_PER_STEP = 256


@dataclass(frozen=True)
class Limits:
    """Bounds of one expression; `run` counts anew for each run.

    `least` and `most` bound what a deployment may set. Below, ordinary manifests fail. Above, an
    expression could stop the process. The first three may only be lowered: manifests are checked with
    their defaults.
    """

    source_length: int = field(
        default=16_384,
        metadata={
            "least": 1_000,
            "most": 16_384,
            "unit": "characters",
            "reason": "parsing this much takes about half a second",
        },
    )
    nodes: int = field(
        default=10_000,
        metadata={
            "least": 100,
            "most": 10_000,
            "unit": "nodes of the tree",
            "reason": "the bound that expr-lang itself has",
        },
    )
    depth: int = field(
        default=100,
        metadata={
            "least": 20,
            "most": 100,
            "unit": "levels of the tree",
            "reason": "evaluation recurses, and a Python stack holds some 1000 frames",
        },
    )
    steps: int = field(
        default=250_000,
        metadata={
            "least": 1_000,
            "most": 10_000_000,
            "unit": "evaluated nodes and visited elements",
            "reason": "about half a second",
        },
    )
    memory: int = field(
        default=1_000_000,
        metadata={
            "least": 10_000,
            "most": 10_000_000,
            "unit": "words of eight bytes, of all values made in one run together",
            "reason": "the budget of expr-lang; below 100 MB of Python objects",
        },
    )
    time: float = field(
        default=0.8,
        metadata={
            "least": 0.05,
            "most": 30.0,
            "unit": "seconds of CPU time",
            "reason": "waiting for injected functions is not counted, and a busy host is no fault",
        },
    )


DEFAULT_LIMITS = Limits()


class Meter:
    """Counts what a run has cost so far, and ends it when a limit is passed."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._steps = 0
        self._memory = 0
        self._next_look = _CLOCK_EVERY
        self._started: float | None = None

    def step(self, count: int = 1) -> None:
        """Count evaluated nodes or visited elements."""
        self._steps += count
        if self._steps > self.limits.steps:
            raise ExpressionError(
                f"the expression takes more than {self.limits.steps} steps; make its lists smaller"
            )
        if self._steps >= self._next_look:
            self._next_look = self._steps + _CLOCK_EVERY
            self._look_at_the_clock()

    def scan(self, length: int) -> None:
        """Count the reading of a text of `length` characters."""
        if length >= _TEXT_PER_STEP:
            self.step(length // _TEXT_PER_STEP)

    def search(self, length: int, program: int) -> None:
        """Count the search of a text by a regular expression of `program` instructions.

        Where its states are too many to be kept, each character takes time for each instruction.
        """
        if program > _TEXT_PER_STEP or length * program >= _TEXT_PER_STEP:
            self.step((length + 16) * program // _TEXT_PER_STEP)

    def text(self, length: int) -> None:
        """Count a new text of `length` characters; call it before the text is made."""
        self._grow(1 + length // 8)

    def container(self, size: int) -> None:
        """Count a new list or map of `size` elements; call it before it is made."""
        self._grow(_CONTAINER_WORDS + size)

    def _grow(self, words: int) -> None:
        self._memory += words
        if self._memory > self.limits.memory:
            raise ExpressionError(
                "the expression makes values of more than "
                f"{self.limits.memory * 8 // 1_000_000} MB; make its lists and texts smaller"
            )

    def _look_at_the_clock(self) -> None:
        # From the first look on: most runs end before it, and asking takes longer than many of them.
        now = time.thread_time()
        self._started = now if self._started is None else self._started
        if now - self._started > self.limits.time:
            raise ExpressionError(
                f"the expression takes more than {self.limits.time} s of CPU time"
            )
