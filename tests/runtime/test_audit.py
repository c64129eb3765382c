from __future__ import annotations

import logging

import pytest

from airfreight.model.audit import AuditEvent
from airfreight.runtime.audit import AuditTrail
from airfreight.runtime.stage_register import StageRegister
from tests.runtime.memory import START, MemoryStore


def test_an_event_is_kept_and_logged_without_the_passwords_that_were_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryStore()
    trail = AuditTrail(
        StageRegister(store), lambda text: text.replace("hunter2", "***"), logging.getLogger("t")
    )
    event = AuditEvent(
        promotion="p",
        step="audit",
        at=START,
        type="approved hunter2",
        actor="hunter2",
        message="with hunter2",
        data={"token": "hunter2", "hunter2": 1, "ok": True},
    )
    with caplog.at_level(logging.INFO):
        trail.record(event)
    (kept,) = trail.register.events()
    assert (kept.type, kept.actor, kept.message) == ("approved ***", "***", "with ***")
    assert kept.data == {"token": "***", "***": 1, "ok": True}
    assert caplog.messages == ["Audit event approved *** by ***: with ***"]
    assert "hunter2" not in store.texts["events"]
