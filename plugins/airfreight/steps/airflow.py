"""Step airflow: an operator of Airflow as a step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import Field

from airfreight.model.waiting import Happened
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult


class AirflowConfig(StepConfig):
    """The operator by its name in the deployment's list, and its arguments, which are data."""

    operator: str = Field(min_length=1)
    args: dict[str, Any] = Field(default_factory=dict)


class AirflowStep(PromotionStep[AirflowConfig]):
    """Runs an operator that the deployment allows.

    Output: what it pushes as XCom by key; what it returns is ``return_value``.
    """

    kind = "airflow"
    config_type = AirflowConfig
    uses_workdir = False

    def run(self, config: AirflowConfig, context: StepContext) -> StepResult:
        """Start the operator, or go on with it where what it waited for has happened."""
        delivered = context.delivered
        happened = delivered if isinstance(delivered, Happened) else None
        result = context.operators.run(config.operator, config.args, context.alias, happened)
        if happened is None or not context.previous_output:
            return result
        # What it pushed before it deferred is part of its output.
        output = {**context.previous_output, **(result.output or {})}
        return replace(result, output=output)
