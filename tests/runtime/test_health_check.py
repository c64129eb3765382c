"""What a step leaves behind for the Stage's health, kept with the Promotion."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airfreight.model.promotion import PromotionPhase, PromotionStatus, StepStatus
from airfreight.runtime.engine import restart
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from tests.runtime.step_kinds import World, promotion

CHECK = {"uses": "checked", "config": {"apps": []}}


class CheckedConfig(StepConfig):
    status: StepStatus = StepStatus.SUCCEEDED


class CheckedStep(PromotionStep[CheckedConfig]):
    """Leaves a health check behind, however it ends."""

    kind = "checked"
    config_type = CheckedConfig
    default_timeout = timedelta(hours=1)

    def run(self, config: CheckedConfig, context: StepContext) -> StepResult:
        return StepResult(config.status, message="said", health_check=CHECK)


def checks(status: PromotionStatus) -> list[Any]:
    return [execution.health_check for execution in status.executions]


def test_the_health_checks_of_steps_that_succeeded_are_kept_with_the_promotion() -> None:
    status = World([CheckedStep()]).run(promotion({"uses": "checked"}, {"uses": "echo"}))
    stored = PromotionStatus.model_validate_json(status.model_dump_json())
    assert checks(stored) == [CHECK, None]


@pytest.mark.parametrize("ended", ["Running", "Failed", "Errored", "Aborted", "Skipped"])
def test_a_step_that_did_not_succeed_leaves_none(ended: str) -> None:
    document = {"uses": "checked", "config": {"status": ended}}
    status = World([CheckedStep()]).run(promotion(document))
    assert checks(status) == [None]


def test_a_promotion_that_starts_again_forgets_them() -> None:
    promoted = promotion({"uses": "checked"}, {"uses": "echo"})
    status = World([CheckedStep()]).run(promoted)
    again = restart(status.model_copy(update={"phase": PromotionPhase.RUNNING}))
    assert checks(again) == []
