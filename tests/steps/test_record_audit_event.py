"""record-audit-event: which events a Stage's register keeps."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airfreight.errors import TerminalStepError
from airfreight.runtime.stage_register import KEPT_EVENTS, StageRegister
from airfreight.steps.base import StepResult
from airfreight.steps.record_audit_event import RecordAuditEventConfig, RecordAuditEventStep
from tests.runtime.memory import MemoryStore
from tests.steps.examples import FREIGHT, example_config
from tests.steps.files import context_at


@pytest.fixture
def register() -> StageRegister:
    return StageRegister(MemoryStore())


def run(register: StageRegister, config: dict[str, Any], **changes: Any) -> StepResult:
    context = replace(context_at(Path("/nowhere")), record_event=register.record_event, **changes)
    return RecordAuditEventStep().run(RecordAuditEventConfig.model_validate(config), context)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({}, "message"),
        ({"message": ""}, "message"),
        ({"message": "x", "type": ""}, "type"),
        ({"message": "x", "data": {"a": ["b"]}}, "data"),
        ({"message": "x", "data": {"a": None}}, "data"),
        ({"message": "x", "kind": "y"}, "kind"),
    ],
    ids=["no message", "empty message", "empty type", "a list", "null", "unknown field"],
)
def test_a_bad_config_names_the_field(config: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        RecordAuditEventConfig.model_validate(config)
    assert refused.value.errors()[0]["loc"][0] == field


def test_an_event_says_what_by_whom_when_and_in_which_promotion(register: StageRegister) -> None:
    before = datetime.now(UTC)
    config = {"message": "m", "data": {"ticket": "7", "n": 7, "ok": True}}
    assert run(register, config, actor="alice") == StepResult()
    (event,) = register.events()
    assert (event.type, event.actor, event.message) == ("recorded", "alice", "m")
    assert (event.promotion, event.step) == ("prod.1.abc", "step-1")
    assert event.data == {"ticket": "7", "n": 7, "ok": True}
    assert timedelta(0) <= event.at - before < timedelta(minutes=5)


def test_the_manifest_may_attribute_it_to_somebody_else(register: StageRegister) -> None:
    run(register, {"message": "m", "type": "approved", "actor": "bob"}, actor="alice")
    assert [(event.type, event.actor) for event in register.events()] == [("approved", "bob")]


def test_a_second_run_of_the_same_step_keeps_the_first_event(register: StageRegister) -> None:
    run(register, {"message": "first"})
    run(register, {"message": "second"})
    run(register, {"message": "other step"}, alias="task::audit")
    run(register, {"message": "other promotion"}, promotion="prod.2.abc")
    messages = [event.message for event in register.events()]
    assert messages == ["other promotion", "other step", "first"]


def test_the_last_50_are_kept_newest_first(register: StageRegister) -> None:
    for number in range(KEPT_EVENTS + 2):
        run(register, {"message": f"{number}"}, promotion=f"prod.{number}")
    messages = [event.message for event in register.events()]
    assert messages == [f"{number}" for number in range(51, 1, -1)]


def test_an_event_that_is_too_large_ends_the_step(register: StageRegister) -> None:
    run(register, {"message": "x" * 800})
    with pytest.raises(
        TerminalStepError, match=r"the event has 1\d\d\d bytes; up to 1000 are kept"
    ):
        run(register, {"message": "é" * 450}, alias="b")
    with pytest.raises(TerminalStepError, match="shorten message or data"):
        run(register, {"message": "x", "data": {"a": "x" * 1000}}, alias="b")
    assert len(register.events()) == 1


def test_a_full_list_of_the_largest_events_fits_into_one_value() -> None:
    store = MemoryStore()
    register = StageRegister(store)
    for number in range(KEPT_EVENTS):
        run(register, {"message": "x" * 830}, promotion=f"prod.{number:06}")
    assert 40_000 < len(store.texts["events"]) < 65_535


def test_an_event_is_kept_and_logged_without_the_passwords_that_were_read(
    register: StageRegister, caplog: pytest.LogCaptureFixture
) -> None:
    config = {
        "message": "with hunter2",
        "type": "approved hunter2",
        "actor": "hunter2",
        "data": {"token": "hunter2", "hunter2": 1, "ok": True},
    }
    with caplog.at_level(logging.INFO):
        run(register, config, redact=lambda text: text.replace("hunter2", "***"))
    (kept,) = register.events()
    assert (kept.type, kept.actor, kept.message) == ("approved ***", "***", "with ***")
    assert kept.data == {"token": "***", "***": 1, "ok": True}
    assert caplog.messages == ["Audit event approved *** by ***: with ***"]


def test_there_is_no_stage_at_a_desk() -> None:
    config = RecordAuditEventConfig(message="m")
    with pytest.raises(TerminalStepError, match="no Stage here to record an event in"):
        RecordAuditEventStep().run(config, context_at(Path("/nowhere")))


def test_the_example_of_record_audit_event_names_freight_and_stage(
    register: StageRegister,
) -> None:
    run(register, example_config("record-audit-event"))
    (event,) = register.events()
    assert (event.type, event.message) == ("deployed", f"{FREIGHT.alias} is in dev")
    assert event.data == {"ticket": "OPS-7"}
