"""The step fail: ends a promotion as failed, on purpose."""

from __future__ import annotations

from airfreight.errors import TerminalStepError
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult


class FailConfig(StepConfig):
    """Config of fail; `message` says why."""

    message: str = ""


class FailStep(PromotionStep[FailConfig]):
    """Always ends as Failed."""

    kind = "fail"
    config_type = FailConfig
    outside_effect = ""
    uses_workdir = False

    def run(self, config: FailConfig, context: StepContext) -> StepResult:  # noqa: ARG002
        message = f"failed: {config.message}" if config.message else "failed"
        raise TerminalStepError(message, failed=True)
