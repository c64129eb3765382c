"""How a promotion's task comes back: what of it is for the step that waits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airfreight.model.waiting import Answer, Happened
from airfreight.operators.waiting import FIRST, Return, failed

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
