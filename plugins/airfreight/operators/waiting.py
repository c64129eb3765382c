"""How a promotion parks while a step waits for a person or an event, and how what came is given back to the step.

Airflow keeps one request per task, over all its tries, and lets nobody change its words: a second upsert only takes the
answer away. So a promotion makes one request, as often as it needs to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

from airflow.sdk import Context
from airflow.sdk.bases.operator import TRIGGER_FAIL_REPR
from airflow.sdk.exceptions import TaskAwaitingInput, TaskDeferred
from airflow.sdk.execution_time.hitl import HITLUser, upsert_hitl_detail

from airfreight.errors import RefusedError
from airfreight.model.promotion import PromotionStatus
from airfreight.model.waiting import Answer, Delivery, Happened, Person

# Seconds. An answer in the moment of a look is retried, so a parked promotion stays so for a while.
_SHORTEST_LOOK = timedelta(seconds=5)
_NOT_KNOWN = "not known"
_ASKING = ("wait-for-approval", "get-user-input")
_ONE_REQUEST = (
    "one step of a promotion may ask people: Airflow keeps a task's first request, with its words and its form; "
    "put the second into another Stage"
)
_STALE = (
    "somebody answered a request whose step is over; Airflow took that for the end of this wait"
)


@dataclass(frozen=True)
class Return:
    """How a task came back into its promotion.

    `event` is what Airflow brought. `asked` is the digest of this try's request, None where it made none.
    `deferred` has the operator's method and arguments where an operator deferred. `failure` is why a trigger failed.
    """

    event: Any = None
    asked: str | None = None
    deferred: Mapping[str, Any] | None = None
    failure: Mapping[str, Any] | None = None

    @property
    def has_answer(self) -> bool:
        """Whether the request was answered, by whomever."""
        return isinstance(self.event, dict) and "chosen_options" in self.event

    @property
    def delivery(self) -> Delivery | None:
        """What the step that waits is given; None where it is only time to look again."""
        if self.failure is not None:
            return Happened(TRIGGER_FAIL_REPR, self.failure)
        if self.deferred is not None and self.has_answer:
            # An operator must not take a person's words for its trigger's.
            return Happened(TRIGGER_FAIL_REPR, {"error": _STALE})
        if self.deferred is not None:
            arguments = {**self.deferred["arguments"], "event": self.event}
            return Happened(self.deferred["method"], arguments)
        return _answer(self.event) if self.has_answer else None


FIRST = Return()
"""Not back yet: the task has just begun."""


def failed(failure: Mapping[str, Any]) -> Return:
    """Return how a task comes back whose trigger failed: Airflow has thrown away what it was parked with."""
    return Return(asked=_NOT_KNOWN, failure=failure)


def _answer(event: Mapping[str, Any]) -> Answer | None:
    user = event.get("responded_by_user") or {}
    if not user.get("id"):
        # A task may answer its own request; only a person's word counts.
        return None
    return Answer(
        option=str(next(iter(event["chosen_options"]), "")),
        fields=dict(event.get("params_input") or {}),
        user_id=str(user["id"]),
        user_name=str(user.get("name") or ""),
        at=event["responded_at"],
    )


def await_person(
    context: Context,
    wait: Person,
    look: timedelta,
    back: Return,
    describe: Callable[[Person], tuple[str, str]],
    upsert: Callable[..., None] = upsert_hitl_detail,
) -> NoReturn:
    """Park until a person answers, at most for `look`; `describe` gives the subject and the body of a new request."""
    digest = hashlib.sha256(wait.model_dump_json(exclude={"fault"}).encode()).hexdigest()
    if back.asked is not None and back.asked != digest:
        raise RefusedError(_ONE_REQUEST)
    if back.asked is None or back.has_answer:
        # The second time takes the answer away; without one it would take one that comes just now.
        upsert(**_request(context, wait, *describe(wait)))
    raise TaskAwaitingInput(
        method_name="resume", kwargs={"asked": digest}, timeout=max(look, _SHORTEST_LOOK)
    )


def await_event(deferral: TaskDeferred, look: timedelta, back: Return) -> NoReturn:
    """Park until the operator's own trigger fires, at most for `look`."""
    method = {"method": deferral.method_name, "arguments": deferral.kwargs or {}}
    raise TaskDeferred(
        trigger=deferral.trigger,
        method_name="resume",
        kwargs={"asked": back.asked, "deferred": method},
        timeout=look,
    )


def _request(context: Context, wait: Person, subject: str, body: str) -> dict[str, Any]:
    return {
        "ti_id": context["ti"].id,
        "options": list(wait.options),
        "subject": subject,
        "body": body,
        "defaults": None,
        "multiple": False,
        "params": {name: _param(schema) for name, schema in wait.fields.items()},
        "assigned_users": [HITLUser(id=user, name=user) for user in wait.users],
    }


def _param(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a field of the form as Airflow serializes a Param."""
    return {
        "value": schema.get("default"),
        "description": schema.get("description"),
        "schema": dict(schema),
        "source": "task",
    }


def refuse_second_request(status: PromotionStatus) -> None:
    """Raise RefusedError where an earlier step of the promotion asked a person: Airflow would show its words again."""
    for execution in status.executions[: status.current_step]:
        if execution.uses in _ASKING and execution.started_at is not None:
            raise RefusedError(_ONE_REQUEST)
