"""Keeps the events that a promotion's steps record, without the passwords that the promotion has read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airfreight.model.audit import AuditEvent
from airfreight.runtime.stage_register import StageRegister
from airfreight.steps.base import StepLog


@dataclass(frozen=True)
class AuditTrail:
    """The events of one Stage; `redact` takes passwords out of a text."""

    register: StageRegister
    redact: Callable[[str], str]
    log: StepLog

    def record(self, event: AuditEvent) -> None:
        """Keep an event, and write it into the task's log, which may be kept for longer."""
        data = {
            self.redact(key): self.redact(value) if isinstance(value, str) else value
            for key, value in event.data.items()
        }
        texts = {name: self.redact(getattr(event, name)) for name in ("type", "actor", "message")}
        shown = event.model_copy(update={**texts, "data": data})
        self.register.record_event(shown)
        self.log.info(
            "Audit event %s by %s: %s", shown.type, shown.actor or "nobody", shown.message
        )
