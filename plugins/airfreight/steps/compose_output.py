"""The step compose-output: its config becomes its output."""

from __future__ import annotations

from typing import Self

from pydantic import ConfigDict, model_validator

from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult


class ComposeOutputConfig(StepConfig):
    """Any properties, at least one."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def _hold_something(self) -> Self:
        if not self.model_extra:
            raise ValueError("expected at least one property to put out")
        return self


class ComposeOutputStep(PromotionStep[ComposeOutputConfig]):
    """Puts out its config; within a task also as the output of the task."""

    kind = "compose-output"
    config_type = ComposeOutputConfig
    outside_effect = ""
    uses_workdir = False
    propagates_output = True

    def run(self, config: ComposeOutputConfig, context: StepContext) -> StepResult:  # noqa: ARG002
        return StepResult(output=dict(config.model_extra or {}))
