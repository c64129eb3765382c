"""The steps that a person answers: wait-for-approval and get-user-input."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airfreight.errors import TerminalStepError
from airfreight.model.waiting import Answer, Person
from airfreight.steps.base import PromotionStep, StepContext, StepResult, StepSettings
from airfreight.steps.get_user_input import GetUserInputStep
from airfreight.steps.wait_for_approval import WaitForApprovalStep
from tests.runtime.step_kinds import START
from tests.steps.examples import example_config
from tests.steps.files import context_at

SETTINGS = StepSettings(roles={"leads": ("alice", "dora"), "nobody": ()})
SCHEMA = {
    "type": "object",
    "required": ["version"],
    "additionalProperties": False,
    "properties": {
        "version": {"type": "string", "pattern": "^[0-9]+$"},
        "note": {"type": "string", "description": "why"},
        "level": {"type": ["integer", "null"], "default": 1},
        "free": True,
    },
}


def said(user: str, option: str = "Approve", **fields: Any) -> Answer:
    return Answer(option, fields, user, user.capitalize(), START)


class Talk:
    """A step with one config, given answers one after the other; each run sees what the last put out."""

    def __init__(self, step: PromotionStep[Any], config: dict[str, Any]) -> None:
        self._step = step
        self._config = step.config_type.model_validate(config)
        self.output: Any = None

    def hear(self, answer: Answer | None = None) -> StepResult:
        context: StepContext = replace(
            context_at(Path("/nowhere")),
            settings=SETTINGS,
            previous_output=self.output,
            delivered=answer,
        )
        try:
            result = self._step.run(self._config, context)
        except TerminalStepError as error:
            self.output = error.output
            raise
        self.output = result.output
        return result


def asked(result: StepResult) -> Person:
    assert isinstance(result.waits_for, Person)
    assert result.status == "Running"
    return result.waits_for


@pytest.mark.parametrize(
    ("step", "config", "message"),
    [
        (WaitForApprovalStep(), {"minApprovals": 0}, "greater than or equal to 1"),
        (WaitForApprovalStep(), {"approvers": [{}]}, "either a role or a claim"),
        (WaitForApprovalStep(), {"approvers": [{"role": "a", "claim": "sub", "value": "b"}]},
         "either a role or a claim"),
        (WaitForApprovalStep(), {"approvers": [{"claim": "groups", "value": "leads"}]},
         "the claim 'groups' cannot be checked"),
        (WaitForApprovalStep(), {"approvers": [{"value": "bob"}]}, "the claim '' cannot"),
        (WaitForApprovalStep(), {"approvers": [{"claim": "sub"}]}, "expected the claim's value"),
        (WaitForApprovalStep(), {"pollInterval": "often"}, "expected a duration"),
        (WaitForApprovalStep(), {"quorum": 2}, "Extra inputs"),
        (GetUserInputStep(), {}, "Field required"),
        (GetUserInputStep(), {"schema": []}, "valid dictionary"),
        (GetUserInputStep(), {"schema": {}, "responders": [{"role": "a", "required": True}]},
         "Extra inputs"),
    ],
)  # fmt: skip
def test_a_bad_config_says_what_is_wrong(step, config, message):
    with pytest.raises(ValidationError, match=message):
        step.config_type.model_validate(config)


@pytest.mark.parametrize(
    ("config", "answers", "message"),
    [
        ({}, [], "waiting for approval, 0 of 1: missing 1 in all"),
        ({}, ["bob"], "approved by Bob"),
        ({"minApprovals": 2}, ["bob"], "waiting for approval, 1 of 2 (Bob): missing 1 more"),
        ({"minApprovals": 2}, ["bob", "bob"],
         "waiting for approval, 1 of 2 (Bob): missing 1 more"),
        ({"minApprovals": 2}, ["bob", "carol"], "approved by Bob, Carol"),
        ({"approvers": [{"claim": "sub", "value": "bob"}]}, ["carol"],
         "waiting for approval, 0 of 1: missing 1 in all"),
        ({"approvers": [{"claim": "preferred_username", "value": "Bob"}]}, ["carol", "bob"],
         "approved by Bob"),
        ({"approvers": [{"claim": "preferred_username", "value": "bob"}]}, ["bob"],
         "waiting for approval, 0 of 1: missing 1 in all"),
        ({"approvers": [{"role": "leads", "required": True}, {"claim": "sub", "value": "bob"}]},
         ["bob"], "waiting for approval, 1 of 1 (Bob): missing role leads"),
        ({"approvers": [{"role": "leads", "required": True}, {"claim": "sub", "value": "bob"}]},
         ["bob", "dora"], "approved by Bob, Dora"),
        ({"approvers": [{"role": "nobody"}]}, ["alice"],
         "waiting for approval, 0 of 1: missing 1 in all"),
    ],
    ids=["nobody yet", "one of one", "one of two", "one person counts once", "two of two",
         "not an approver", "by name", "a name is no id", "a required one is missing",
         "the required one and another", "a role without users lets nobody"],
)  # fmt: skip
def test_who_approved_decides(config, answers, message):
    talk = Talk(WaitForApprovalStep(), config)
    result = talk.hear()
    for user in answers:
        result = talk.hear(said(user))
    assert result.message == message
    assert (result.status == "Succeeded") == message.startswith("approved")


def test_every_answer_that_counts_is_put_out_in_order():
    talk = Talk(WaitForApprovalStep(), {"minApprovals": 3})
    talk.hear(said("bob", message="fine"))
    talk.hear(said("carol"))
    first = {"user": "Bob", "id": "bob", "action": "approve", "time": START.isoformat()}
    assert talk.output["responses"] == [
        {**first, "message": "fine"},
        {**first, "user": "Carol", "id": "carol"},
    ]


@pytest.mark.parametrize("message", ["not today", None])
def test_a_rejection_ends_the_step_with_who_and_why(message):
    talk = Talk(WaitForApprovalStep(), {"minApprovals": 2})
    talk.hear(said("bob"))
    with pytest.raises(TerminalStepError) as ended:
        talk.hear(said("carol", "Reject", message=message))
    assert str(ended.value) == "rejected by Carol" + (f": {message}" if message else "")
    assert ended.value.failed
    assert [r["action"] for r in talk.output["responses"]] == ["approve", "reject"]


def test_a_rejection_by_somebody_who_may_not_approve_is_none():
    talk = Talk(WaitForApprovalStep(), {"approvers": [{"claim": "sub", "value": "bob"}]})
    assert talk.hear(said("carol", "Reject")).status == "Running"


def test_whoever_approved_may_still_reject():
    talk = Talk(WaitForApprovalStep(), {"minApprovals": 2})
    talk.hear(said("bob"))
    with pytest.raises(TerminalStepError, match="rejected by Bob"):
        talk.hear(said("bob", "Reject"))


def test_an_approval_of_somebody_who_has_lost_the_role_does_not_count():
    talk = Talk(WaitForApprovalStep(), {"approvers": [{"role": "leads"}], "minApprovals": 2})
    talk.output = {"responses": [{"user": "Eve", "id": "eve", "action": "approve", "time": "t"}]}
    assert "0 of 2" in talk.hear().message


def test_a_second_run_finds_the_approvals_of_the_first():
    talk = Talk(WaitForApprovalStep(), {})
    talk.hear(said("bob"))
    assert talk.hear().status == "Succeeded"


@pytest.mark.parametrize("step", [WaitForApprovalStep(), GetUserInputStep()])
def test_a_role_that_the_deployment_does_not_have_is_refused(step):
    field = "approvers" if step.kind == "wait-for-approval" else "responders"
    config = {field: [{"role": "gods"}], **({} if field == "approvers" else {"schema": SCHEMA})}
    with pytest.raises(TerminalStepError, match=r"nobody has the role 'gods'.* leads, nobody"):
        Talk(step, config).hear()


@pytest.mark.parametrize(
    ("rules", "users"),
    [
        ([], ()),
        ([{"claim": "sub", "value": "bob"}, {"role": "leads"}], ("bob", "alice", "dora")),
        ([{"claim": "sub", "value": "alice"}, {"role": "leads"}], ("alice", "dora")),
        ([{"claim": "preferred_username", "value": "bob"}, {"role": "leads"}], ()),
    ],
    ids=["everybody", "ids and roles", "each once", "a name has no id"],
)
def test_airflow_lets_only_those_answer_whose_ids_are_known(rules, users):
    request = asked(Talk(WaitForApprovalStep(), {"approvers": rules}).hear())
    assert request.users == users
    assert request.options == ("Approve", "Reject")


@pytest.mark.parametrize(
    ("poll", "look"), [("30s", timedelta(hours=1)), ("2h", timedelta(hours=2))]
)
def test_a_look_is_not_sooner_than_the_deployment_says(poll, look):
    assert Talk(WaitForApprovalStep(), {"pollInterval": poll}).hear().retry_after == look


def test_a_form_has_a_field_for_each_property_and_what_is_not_required_may_be_empty():
    request = asked(Talk(GetUserInputStep(), {"schema": SCHEMA, "display": "Which?"}).hear())
    assert (request.display, request.options, request.fault) == ("Which?", ("Submit",), "")
    assert request.fields == {
        "version": {"title": "version", "type": "string", "pattern": "^[0-9]+$"},
        "note": {"title": "note", "type": ["string", "null"], "description": "why"},
        "level": {"title": "level", "type": ["integer", "null"], "default": 1},
        "free": {"title": "free"},
    }


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"version": "1", "note": None}, ""),
        ({"version": "x"}, "version: does not match '^[0-9]+$'"),
        ({"version": None}, "version: None is not of type 'string'"),
        ({}, "values: 'version' is a required property"),
        ({"version": "1", "other": 2},
         "values: Additional properties are not allowed ('other' was unexpected)"),
        ({"version": "x", "note": 1, "level": "a", "free": 1},
         "level: 'a' is not of type 'integer', 'null'; note: 1 is not of type 'string'; "
         "version: does not match '^[0-9]+$'"),
    ],
    ids=["an empty optional field", "a pattern", "an empty required field", "nothing",
         "a field too many", "several"],
)  # fmt: skip
def test_values_that_do_not_fit_are_asked_for_again(fields, fault):
    talk = Talk(GetUserInputStep(), {"schema": SCHEMA})
    result = talk.hear(said("bob", "Submit", **fields))
    if not fault:
        assert result.output == {
            "values": {"version": "1"},
            "respondedBy": "Bob",
            "respondedAt": START.isoformat(),
        }
        assert talk.hear() == replace(result, message="given by Bob")
        return
    assert asked(result).fault == fault
    # Another look shows the same, and the next values count.
    assert asked(talk.hear()).fault == fault
    assert talk.hear(said("bob", "Submit", version="2")).output["values"] == {"version": "2"}


def test_values_of_somebody_who_was_not_asked_are_dropped():
    config = {"schema": SCHEMA, "responders": [{"role": "leads"}]}
    talk = Talk(GetUserInputStep(), config)
    assert asked(talk.hear(said("bob", "Submit", version="1"))).users == ("alice", "dora")
    assert talk.hear(said("alice", "Submit", version="1")).status == "Succeeded"


def of(**part: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": part}}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "string"}, "expected type: object with properties"),
        ({"type": "object"}, "expected type: object with properties"),
        ({**of(), "$schema": "https://json-schema.org/draft/2020-12/schema"}, "is none of http://"),
        (of(type="text"), "'text' is not valid"),
        (of(pattern="("), "is not a .regex."),
        (of(pattern="(?=a)"), "patterns are RE2's"),
        (of(patternProperties={"a": {}}), "patternProperties"),
        (of(**{"$ref": "https://evil.example/schema.json"}), "leads out of it"),
        (of(**{"$ref": "file:///etc/passwd"}), "leads out of it"),
    ],
    ids=["no object", "no properties", "another draft", "no schema", "no pattern",
         "a pattern with look-ahead", "pattern properties", "a remote reference", "a file"],
)  # fmt: skip
def test_a_schema_that_a_form_cannot_ask_for_is_refused(schema, message):
    with pytest.raises(TerminalStepError, match=message) as refused:
        Talk(GetUserInputStep(), {"schema": schema}).hear()
    assert str(refused.value).startswith("schema: ")


@pytest.mark.parametrize(
    ("reference", "message"),
    [("#/definitions/none", "there is no '/definitions/none'"), ("#/properties/a", "leads back")],
)
def test_a_reference_that_leads_nowhere_ends_the_step(reference, message):
    talk = Talk(GetUserInputStep(), {"schema": of(**{"$ref": reference})})
    with pytest.raises(TerminalStepError, match=message):
        talk.hear(said("bob", "Submit", a=1))


def test_a_pattern_takes_linear_time():
    schema = of(type="string", pattern="^(a+)+$")
    talk = Talk(GetUserInputStep(), {"schema": schema})
    assert "does not match" in asked(talk.hear(said("bob", "Submit", a="a" * 5000 + "!"))).fault


def test_the_examples_of_the_pages_ask():
    approval = Talk(WaitForApprovalStep(), example_config("wait-for-approval"))
    assert asked(approval.hear()).users == ("alice", "dora", "bob")
    given = Talk(GetUserInputStep(), example_config("get-user-input"))
    assert set(asked(given.hear()).fields) == {"version", "summary"}
