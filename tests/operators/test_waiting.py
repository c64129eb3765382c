"""How a promotion's task comes back: what of it is for the step that waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk.exceptions import TaskAwaitingInput, TaskDeferred

from airfreight.errors import RefusedError
from airfreight.model.waiting import Answer, Happened, Person
from airfreight.operators.waiting import FIRST, Return, await_event, await_person, failed

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOB = {"id": "7", "name": "Bob"}


def answered(**changed: Any) -> dict[str, Any]:
    event = {
        "chosen_options": ["Approve"],
        "params_input": {"message": "fine"},
        "responded_at": AT,
        "responded_by_user": BOB,
        "timedout": False,
    }
    return event | changed


@pytest.mark.parametrize(
    ("event", "answer"),
    [
        (answered(), Answer("Approve", {"message": "fine"}, "7", "Bob", AT)),
        (answered(params_input=None), Answer("Approve", {}, "7", "Bob", AT)),
        (answered(responded_by_user={"id": "7", "name": None}),
         Answer("Approve", {"message": "fine"}, "7", "", AT)),
        (answered(responded_by_user=None), None),
        (answered(responded_by_user={"id": "", "name": "x"}), None),
        ({"error": "passed", "error_type": "timeout"}, None),
        (AT, None),
        (None, None),
    ],
    ids=["an answer", "without a form", "without a name", "by a task itself", "by nobody",
         "a look", "a moment", "nothing"],
)  # fmt: skip
def test_only_a_persons_word_is_an_answer(event, answer):
    assert Return(event).delivery == answer


def test_an_event_goes_to_the_operators_own_method_with_its_own_arguments():
    back = Return({"ok": 1}, deferred={"method": "finish", "arguments": {"job": 7}})
    assert back.delivery == Happened("finish", {"job": 7, "event": {"ok": 1}})


def test_an_answer_to_a_request_that_is_over_is_no_event_of_an_operator():
    """Airflow wakes a deferred task, too, when somebody answers the open request of its try."""
    delivery = Return(answered(), deferred={"method": "finish", "arguments": {}}).delivery
    assert isinstance(delivery, Happened)
    assert delivery.method == "__fail__"


def test_of_a_failed_trigger_the_step_learns_why():
    back = failed({"error": "Trigger timeout"})
    assert back.delivery == Happened("__fail__", {"error": "Trigger timeout"})
    # What was asked in this try is not known any more, so it cannot be asked again in it.
    assert back.asked not in (None, FIRST.asked)


FIELD = {"type": "string", "title": "a", "default": "x", "description": "what"}
WAIT = Person(subject="?", options=("Approve",), fields={"a": FIELD}, users=("bob",))
LOOK = timedelta(minutes=5)


class Airflow:
    """What Airflow knows of a task: its try, and each request that the task made."""

    def __init__(self, try_number: int = 1) -> None:
        instance = SimpleNamespace(id="ti-1", try_number=try_number, max_tries=10)
        self.context: Any = {"ti": instance}
        self.requests: list[dict[str, Any]] = []

    def park(self, back: Return, wait: Person = WAIT, look: timedelta = LOOK) -> TaskAwaitingInput:
        with pytest.raises(TaskAwaitingInput) as parked:
            self.ask(back, wait, look)
        return parked.value

    def ask(self, back: Return, wait: Person = WAIT, look: timedelta = LOOK) -> None:
        await_person(
            self.context,
            wait,
            look,
            back,
            lambda wait: (f"subject {wait.subject}", "body"),
            lambda **request: self.requests.append(request),
        )


@pytest.fixture
def digest() -> str:
    """Return the digest of the request that is open."""
    return str(Airflow().park(FIRST).kwargs["asked"])


def test_the_first_request_of_a_try_says_everything():
    airflow = Airflow()
    parked = airflow.park(FIRST)
    assert (parked.method_name, parked.timeout) == ("resume", LOOK)
    assert airflow.requests == [
        {
            "ti_id": "ti-1",
            "options": ["Approve"],
            "subject": "subject ?",
            "body": "body",
            "defaults": None,
            "multiple": False,
            "params": {
                "a": {"value": "x", "description": "what", "schema": FIELD, "source": "task"}
            },
            "assigned_users": [{"id": "bob", "name": "bob"}],
        }
    ]


@pytest.mark.parametrize(
    ("event", "requests"),
    [(answered(), 1), (answered(responded_by_user=None), 1), ({"error_type": "timeout"}, 0)],
    ids=["an answer is taken away", "that of nobody, too", "a look takes none away"],
)
def test_the_same_request_is_made_again_only_to_take_an_answer_away(digest, event, requests):
    airflow = Airflow()
    parked = airflow.park(Return(event, asked=digest))
    assert parked.kwargs == {"asked": digest}
    assert len(airflow.requests) == requests


@pytest.mark.parametrize("field", ["subject", "display"])
def test_other_words_are_refused(digest, field):
    airflow = Airflow()
    with pytest.raises(RefusedError, match="one step of a promotion may ask"):
        airflow.ask(Return(answered(), asked=digest), WAIT.model_copy(update={field: "new"}))
    assert airflow.requests == []


def test_a_fault_is_no_other_request(digest):
    airflow = Airflow()
    airflow.park(Return(answered(), asked=digest), WAIT.model_copy(update={"fault": "new"}))
    assert len(airflow.requests) == 1


def test_a_promotion_stays_parked_for_some_seconds_at_least():
    assert Airflow().park(FIRST, look=timedelta(0)).timeout == timedelta(seconds=5)


def test_an_operators_trigger_goes_to_airflow_as_it_is_and_its_method_comes_back(digest):
    trigger = TimeDeltaTrigger(timedelta(minutes=1))
    deferral = TaskDeferred(trigger=trigger, method_name="finish", kwargs={"job": 7})
    with pytest.raises(TaskDeferred) as parked:
        await_event(deferral, LOOK, Return(asked=digest))
    assert (parked.value.trigger, parked.value.timeout) == (trigger, LOOK)
    back = Return("done", **parked.value.kwargs)
    assert back.asked == digest
    assert back.delivery == Happened("finish", {"job": 7, "event": "done"})
