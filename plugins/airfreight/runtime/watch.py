"""What a watcher fires for: the difference between what a repository shows and what was last handled.

A shared stream replays nothing to a trigger that joins late. So each look sees the present state and is compared with
what was *handled* (repository → best tag): written when discovery succeeded and the Freight's run exists. Nothing fires
twice after a restart, and what was lost or failed fires again after `REPEAT_AFTER`.
"""

from __future__ import annotations

from dataclasses import dataclass

HANDLED = "handled"

# Seconds: longer than a woken DAG takes to discover and to trigger its pipeline.
REPEAT_AFTER = 120.0


@dataclass(frozen=True)
class Watch:
    """What a watcher fired for last, and when on the monotonic clock, in seconds."""

    fired: str = ""
    at: float = 0.0

    def should_fire(self, seen: str, handled: str | None, now: float) -> bool:
        """Say whether `seen` is news: not handled, and not fired for a moment ago."""
        if not seen or seen == handled:
            return False
        return seen != self.fired or now - self.at >= REPEAT_AFTER
