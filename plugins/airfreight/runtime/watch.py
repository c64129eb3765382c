"""What a watcher fires for: the difference between what a repository shows and what was last handled.

A shared stream replays nothing to a trigger that joins late. So each look sees the present state and is compared with
what was *handled*: written when discovery succeeded and the Freight's run exists. Nothing fires twice after a restart,
and what was lost or failed fires again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, Field

from airfreight.model.base import Model

HANDLED = "handled"

# Seconds: longer than a woken DAG takes to discover and to trigger its pipeline.
REPEAT_AFTER = 120.0

# Seconds. A mark that was handled stays so, unless somebody changes the register by hand.
COMPARE_AFTER = 3600.0

# Of an interval: from a watcher's event to the look itself some seconds go by.
_ALMOST = 0.8


class Handled(Model):
    """What a Warehouse's last look saw: the digest of its spec, and source → mark.

    `looked_at` is set where no Freight came of it (a criterion that does not hold, a subscription that shows nothing):
    then it is worth another look after an interval, as Kargo looks again.
    """

    spec: str
    marks: dict[str, str] = Field(default_factory=dict)
    looked_at: AwareDatetime | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what the register and an XCom hold."""
        return self.model_dump(mode="json", by_alias=True)

    def covers(self, spec: str, source: str, mark: str) -> bool:
        """Say whether this look saw the mark, by the same spec."""
        return self.spec == spec and self.marks.get(source) == mark

    def is_fresh(self, now: datetime, interval: float) -> bool:
        """Say whether there is no use in another look yet; `interval` is in seconds."""
        wait = timedelta(seconds=interval * _ALMOST)
        return self.looked_at is None or now < self.looked_at + wait


@dataclass(frozen=True)
class Watch:
    """The mark that a watcher compared last, when on the monotonic clock, in seconds, and whether it was handled.

    `interval` is the Warehouse's own in seconds: what cannot be handled wakes it once in that time.
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

    def compared_with(self, seen: str, now: float, *, handled: bool) -> Watch:
        """Return the watch after `seen` was compared; `handled`: it is done with."""
        return replace(self, compared=seen, at=now, was_handled=handled)
