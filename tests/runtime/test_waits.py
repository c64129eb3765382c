"""What the engine does with a step that waits for a person or an event."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airfreight.model.promotion import PromotionStatus, StepStatus
from airfreight.model.waiting import Answer, Event, Happened, Person
from airfreight.runtime.engine import abort, restart
from airfreight.runtime.functions import Sources
from airfreight.steps.base import StepResult
from tests.runtime.step_kinds import START, ScriptedStep, World, promotion, statuses

USES = {"uses": "scripted"}
PERSON = Person(
    subject="Which?", options=("Submit",), fields={"a": {"title": "s3cret", "enum": ["s3cret", 1]}}
)
EVENT = Event(source="airflow.FileTrigger")
ANSWER = Answer("Submit", {"a": 1}, "bob", "Bob", START)
HAPPENED = Happened("resume", {"event": 1})
DONE = StepResult(message="done")


def waits(wait: Person | Event, look: timedelta | None = None) -> StepResult:
    return StepResult(StepStatus.RUNNING, {"asked": 1}, "waiting", look, waits_for=wait)


@pytest.mark.parametrize("wait", [PERSON, EVENT])
def test_what_a_step_waits_for_stands_in_the_status_and_survives_the_register(wait):
    status = World([ScriptedStep(waits(wait))]).run(promotion(USES))
    assert status.waits_for == wait
    stored = status.model_dump(mode="json", by_alias=True)
    assert PromotionStatus.model_validate(stored) == status


@pytest.mark.parametrize(("wait", "delivered"), [(PERSON, ANSWER), (EVENT, HAPPENED)])
def test_what_comes_is_given_to_the_step_that_waited_once_and_to_no_other(wait, delivered):
    step = ScriptedStep(waits(wait), DONE)
    world, made = World([step]), promotion(USES, USES)
    ended = world.run(made, world.run(made), delivered)
    assert step.delivered == [None, delivered, None]
    assert statuses(ended) == ["Succeeded", "Succeeded"]
    assert ended.waits_for is None
    assert [execution.deliveries for execution in ended.executions] == [1, 0]


def test_a_step_that_still_waits_after_an_answer_is_told_apart_by_its_count():
    step = ScriptedStep(waits(PERSON))
    world, made = World([step]), promotion(USES)
    status = world.run(made)
    for count in (1, 2):
        status = world.run(made, status, ANSWER)
        assert status.executions[0].deliveries == count


@pytest.mark.parametrize(
    "lost", [restart, lambda status: status.model_copy(update={"waits_for": None})]
)
def test_an_answer_for_which_nothing_waits_any_more_is_dropped(lost):
    step = ScriptedStep(waits(PERSON), DONE)
    world, made = World([step]), promotion({}, USES)
    world.run(made, lost(world.run(made)), ANSWER)
    assert step.delivered == [None, None]


def test_a_look_without_an_answer_runs_the_step_without_one():
    step = ScriptedStep(waits(PERSON))
    world, made = World([step]), promotion(USES)
    status = world.run(made, world.run(made))
    assert step.delivered == [None, None]
    assert status.waits_for == PERSON
    assert status.executions[0].deliveries == 0


@pytest.mark.parametrize(
    ("look", "timeout", "expected"),
    [
        (timedelta(hours=1), None, timedelta(hours=1)),
        (None, None, timedelta(days=7)),
        (None, "30m", timedelta(minutes=30)),
        (timedelta(hours=1), "30m", timedelta(minutes=30)),
    ],
    ids=["the step's wish", "what a promotion may take", "the time-out", "the sooner one"],
)
def test_a_step_is_looked_at_again_before_it_would_be_too_late(look, timeout, expected):
    retry = {"retry": {"timeout": timeout}} if timeout else {}
    status = World([ScriptedStep(waits(PERSON, look))]).run(promotion({**USES, **retry}))
    assert status.retry_after == expected


def test_a_step_that_waited_too_long_waits_for_nothing_any_more():
    world = World([ScriptedStep(waits(EVENT))])
    made = promotion({**USES, "retry": {"timeout": "30m"}})
    status = world.run(made)
    world.now += timedelta(minutes=31)
    ended = world.run(made, status)
    assert statuses(ended) == ["Errored"]
    assert "timed out after 0:30:00" in ended.message
    assert ended.waits_for is None


def test_an_aborted_promotion_waits_for_nothing():
    status = World([ScriptedStep(waits(PERSON))]).run(promotion(USES))
    ended = abort(status, lambda: START, "late")
    assert (ended.phase, ended.waits_for, ended.retry_after) == ("Aborted", None, None)


def test_no_text_that_a_person_is_shown_has_a_secret_that_the_config_read():
    sources = Sources(redact=lambda text: text.replace("s3cret", "***"))
    asked = PERSON.model_copy(update={"display": "with s3cret", "fault": "not s3cret"})
    status = World([ScriptedStep(waits(asked))], sources=sources).run(promotion(USES))
    assert "s3cret" not in status.model_dump_json()
    assert isinstance(status.waits_for, Person)
    assert status.waits_for.fields == {"a": {"title": "***", "enum": ["***", 1]}}
