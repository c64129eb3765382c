"""Step get-user-input (`kargo.md` §2.11)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field

from airfreight.model.base import Duration
from airfreight.model.promotion import StepStatus
from airfreight.model.waiting import Answer, Person
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.json_schema import find_faults, form_fields, read_schema
from airfreight.steps.responders import Responder, asked_users, check_roles, may_answer

_SUBMIT = "Submit"


class GetUserInputConfig(StepConfig):
    """What to ask, and whom."""

    schema_: dict[str, Any] = Field(alias="schema")
    responders: tuple[Responder, ...] = ()
    display: str = ""
    poll_interval: Duration = timedelta(seconds=30)


class GetUserInputStep(PromotionStep[GetUserInputConfig]):
    """Asks a person for values that fit a JSON Schema, and again until they do.

    Output: ``values``, ``respondedBy``, ``respondedAt``; while it asks again ``fault``, what did not fit.
    """

    kind = "get-user-input"
    config_type = GetUserInputConfig
    uses_workdir = False

    def run(self, config: GetUserInputConfig, context: StepContext) -> StepResult:
        """Take the answer, if there is one, or ask."""
        schema = read_schema(config.schema_)
        check_roles(config.responders, context.settings.roles)
        earlier = dict(context.previous_output or {})
        if "values" in earlier:
            return StepResult(output=earlier, message=f"given by {earlier['respondedBy']}")
        fault = str(earlier.get("fault") or "")
        answer = context.delivered
        if isinstance(answer, Answer) and _may_answer(answer, config, context):
            values = _values(answer.fields, schema)
            fault = find_faults(schema, values)
            if not fault:
                return _taken(answer, values)
            context.log.warning("the values that %s gave do not fit: %s", _who(answer), fault)
        return StepResult(
            StepStatus.RUNNING,
            {"fault": fault} if fault else None,
            "waiting for input" + (f"; the last did not fit: {fault}" if fault else ""),
            max(config.poll_interval, context.settings.gate_look_interval),
            waits_for=Person(
                subject="Input is needed",
                display=config.display,
                options=(_SUBMIT,),
                fields=form_fields(schema),
                users=asked_users(config.responders, context.settings.roles),
                fault=fault,
            ),
        )


def _who(answer: Answer) -> str:
    return answer.user_name or answer.user_id


def _may_answer(answer: Answer, config: GetUserInputConfig, context: StepContext) -> bool:
    roles = context.settings.roles
    allowed = may_answer(config.responders, answer.user_id, answer.user_name, roles)
    if not allowed:
        context.log.warning("%s is none of the responders: the answer does not count", _who(answer))
    return allowed


def _values(fields: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was filled in: a form sends null for a field that was left empty."""
    required = schema.get("required", ())
    return {name: value for name, value in fields.items() if value is not None or name in required}


def _taken(answer: Answer, values: dict[str, Any]) -> StepResult:
    output = {"values": values, "respondedBy": _who(answer), "respondedAt": answer.at.isoformat()}
    return StepResult(output=output, message=f"given by {_who(answer)}")
