"""Classes that an entry point may name, by mistake or not."""

from __future__ import annotations

from typing import Any

from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult


class GoodStep(PromotionStep[StepConfig]):
    kind = "good"
    config_type = StepConfig

    def run(self, config: StepConfig, context: StepContext) -> StepResult:
        return StepResult()


class NoConfigStep(GoodStep):
    config_type: Any = dict


class NoRunStep(PromotionStep[StepConfig]):
    kind = "good"
    config_type = StepConfig


class ArgumentStep(GoodStep):
    def __init__(self, url: str) -> None:
        self.url = url


class NoStep:
    kind = "good"
    config_type = StepConfig
