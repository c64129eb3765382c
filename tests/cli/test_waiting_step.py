"""`airfreight get promotions` shows what a step waits for, its attempt, its last answer and its next try."""

from __future__ import annotations

import json
from datetime import timedelta

from airfreight.model.promotion import PromotionPhase, PromotionStatus, StepExecution, StepStatus
from airfreight.runtime.records import PromotionRecord
from tests.cli.rest import Rest
from tests.runtime.memory import START, Pipeline, record

ANSWER = "waiting for https://git.example/pr/7 to be merged"


def waiting(pipeline: Pipeline, attempts: int) -> PromotionRecord:
    """Return a Promotion whose second step waits."""
    executions = (
        StepExecution(alias="open", uses="git-open-pr", status=StepStatus.SUCCEEDED, attempts=1),
        StepExecution(
            alias="merged",
            uses="git-wait-for-pr",
            message=ANSWER,
            attempts=attempts,
            next_try_at=START + timedelta(seconds=30),
        ),
    )
    status = PromotionStatus(
        phase=PromotionPhase.RUNNING, message=ANSWER, current_step=1, executions=executions
    )
    made = record(pipeline.find("1.0.0"))
    return made.model_copy(update={"status": status})


def test_a_step_that_waits_is_shown_as_its_promotion_has_it_now() -> None:
    pipeline = Pipeline()
    pipeline.stage("dev").save(waiting(pipeline, 3))
    pipeline.stage("dev").save_progress(waiting(pipeline, 4))
    (row,) = json.loads(Rest(pipeline).get("promotions", "-o", "json"))
    assert row["message"] == ANSWER
    shown = {key: row["step"][key] for key in ("alias", "uses", "attempts", "nextTryAt")}
    assert shown == {
        "alias": "merged",
        "uses": "git-wait-for-pr",
        "attempts": 4,
        "nextTryAt": "2026-03-01T12:00:30Z",
    }
    table = Rest(pipeline).get("promotions", "--stage", "dev")
    assert "merged (git-wait-for-pr), attempt 4, next try 2026-03-01 12:00:30Z" in table
    assert ANSWER in table


def test_a_promotion_that_ended_has_no_step_and_costs_no_call() -> None:
    pipeline = Pipeline()
    made = record(pipeline.find("1.0.0"), phase=PromotionPhase.SUCCEEDED)
    pipeline.stage("dev").save(made)
    rest = Rest(pipeline)
    (row,) = json.loads(rest.get("promotions", "-o", "json"))
    assert row["step"] is None
    assert not [call for call in rest.calls if made.promotion.name in call]
