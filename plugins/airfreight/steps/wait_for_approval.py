"""Step wait-for-approval (`kargo.md` §2.11)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from pydantic import Field

from airfreight.errors import TerminalStepError
from airfreight.model.base import Duration
from airfreight.model.promotion import StepStatus
from airfreight.model.waiting import Answer, Person
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.responders import (
    Responder,
    Roles,
    asked_users,
    check_roles,
    may_answer,
)

_APPROVE = "Approve"
_REJECT = "Reject"
_FIELDS = {"message": {"type": ["string", "null"], "title": "Message", "maxLength": 1000}}

Response = Mapping[str, str]


class Approver(Responder):
    """A rule; `required`: one of the approvals has to come by it."""

    required: bool = False


class WaitForApprovalConfig(StepConfig):
    """Who may approve, and how many have to."""

    approvers: tuple[Approver, ...] = ()
    min_approvals: int = Field(default=1, ge=1, le=100)
    poll_interval: Duration = timedelta(seconds=30)


class WaitForApprovalStep(PromotionStep[WaitForApprovalConfig]):
    """Waits until enough different people have approved; a rejection ends it as Failed.

    Output, after every answer: ``responses``, each with ``user``, ``id``, ``action``, ``time`` and ``message``.
    """

    kind = "wait-for-approval"
    config_type = WaitForApprovalConfig
    uses_workdir = False

    def run(self, config: WaitForApprovalConfig, context: StepContext) -> StepResult:
        """Take the answer, if there is one, and count."""
        roles = context.settings.roles
        check_roles(config.approvers, roles)
        responses: list[Response] = list((context.previous_output or {}).get("responses") or ())
        if isinstance(context.delivered, Answer):
            responses = _with_answer(context.delivered, responses, config, context)
        approvals = [response for response in responses if _counts(response, config, roles)]
        missing = _missing(config, approvals, roles)
        output = {"responses": responses}
        by = ", ".join(response["user"] for response in approvals)
        if not missing:
            return StepResult(output=output, message=f"approved by {by}")
        return StepResult(
            StepStatus.RUNNING,
            output,
            f"waiting for approval, {len(approvals)} of {config.min_approvals}"
            + (f" ({by})" if by else "")
            + f": missing {missing}",
            max(config.poll_interval, context.settings.gate_look_interval),
            waits_for=_request(config, roles),
        )


def _with_answer(
    answer: Answer, responses: list[Response], config: WaitForApprovalConfig, context: StepContext
) -> list[Response]:
    """Return the responses with this one, where it counts; raises TerminalStepError for a rejection."""
    who = answer.user_name or answer.user_id
    if not may_answer(config.approvers, answer.user_id, answer.user_name, context.settings.roles):
        context.log.warning("%s is none of the approvers: the answer does not count", who)
        return responses
    if answer.option == _APPROVE and any(r["id"] == answer.user_id for r in responses):
        context.log.warning("%s has approved already: one person counts once", who)
        return responses
    response = _response(answer, who)
    context.log.info("%s: %s", who, response["action"])
    if answer.option == _APPROVE:
        return [*responses, response]
    message = f": {response['message']}" if "message" in response else ""
    raise TerminalStepError(
        f"rejected by {who}{message}", failed=True, output={"responses": [*responses, response]}
    )


def _response(answer: Answer, who: str) -> Response:
    action = "approve" if answer.option == _APPROVE else "reject"
    response = {"user": who, "id": answer.user_id, "action": action, "time": answer.at.isoformat()}
    message = str(answer.fields.get("message") or "")
    return {**response, "message": message} if message else response


def _counts(response: Response, config: WaitForApprovalConfig, roles: Roles) -> bool:
    """Say whether an approval counts: whoever has lost the role since does not."""
    return response["action"] == "approve" and may_answer(
        config.approvers, response["id"], response["user"], roles
    )


def _missing(config: WaitForApprovalConfig, approvals: list[Response], roles: Roles) -> str:
    """Say what is missing; empty: nothing."""
    parts = [
        str(rule)
        for rule in config.approvers
        if rule.required and not any(rule.fits(r["id"], r["user"], roles) for r in approvals)
    ]
    more = config.min_approvals - len(approvals)
    if more > len(parts):
        parts.append(f"{more - len(parts)} {'more' if approvals or parts else 'in all'}")
    return ", ".join(parts)


def _request(config: WaitForApprovalConfig, roles: Roles) -> Person:
    who = ", ".join(
        f"{rule} (required)" if rule.required else str(rule) for rule in config.approvers
    )
    return Person(
        subject="Approve?",
        display=f"Needs {config.min_approvals} approval{'s' if config.min_approvals > 1 else ''} of "
        + (f"these: {who}." if who else "different people."),
        options=(_APPROVE, _REJECT),
        fields=_FIELDS,
        users=asked_users(config.approvers, roles),
    )
