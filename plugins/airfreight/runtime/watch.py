"""What a watcher fires for: the difference between what a repository shows and what was last handled.

A shared stream replays nothing to a trigger that joins late. So each look sees the present state and is compared with
what was *handled* (source → mark): written when discovery succeeded and the Freight's run exists. Nothing fires twice
after a restart, and what was lost or failed fires again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

HANDLED = "handled"

# Seconds: longer than a woken DAG takes to discover and to trigger its pipeline.
REPEAT_AFTER = 120.0

# Seconds. A mark that was handled stays so, unless somebody changes the register by hand.
COMPARE_AFTER = 3600.0


@dataclass(frozen=True)
class Watch:
    """The mark that a watcher compared last, when on the monotonic clock, in seconds, and whether it was handled.

    `interval` is the Warehouse's own in seconds: what cannot be handled (a criterion that does not hold, a failing
    repository) wakes it once in that time, as Kargo looks again.
    """

    interval: float = 0.0
    compared: str = ""
    at: float = 0.0
    was_handled: bool = False

    def is_due(self, seen: str, now: float) -> bool:
        """Say whether to compare `seen` with what was handled.

        Not at every poll: a read of the register costs the triggerer far more than a shared poll does.
        """
        if not seen:
            return False
        wait = COMPARE_AFTER if self.was_handled else max(REPEAT_AFTER, self.interval)
        return seen != self.compared or now - self.at >= wait

    def compared_with(self, seen: str, now: float, *, handled: str | None) -> Watch:
        """Return the watch after `seen` was compared with what was handled."""
        return replace(self, compared=seen, at=now, was_handled=seen == handled)
