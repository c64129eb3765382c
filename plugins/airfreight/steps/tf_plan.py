"""Step tf-plan (`kargo.md` §2.11)."""

from __future__ import annotations

from pydantic import Field

from airfreight.model.promotion import StepStatus
from airfreight.steps.base import PromotionStep, StepContext, StepResult
from airfreight.steps.terraform import (
    FindProgram,
    TerraformConfig,
    below,
    find_terraform,
    terraform,
)

_CHANGES = 2  # the exit status by which -detailed-exitcode tells them


class TfPlanConfig(TerraformConfig):
    """Config of tf-plan; `out` is a file for tf-apply, from `dir` on."""

    out: str | None = Field(default=None, min_length=1)


class TfPlanStep(PromotionStep[TfPlanConfig]):
    """Shows what Terraform would change; Skipped where that is nothing.

    Output: ``plan``, as Terraform prints it.

    :param find: finds the program.
    """

    kind = "tf-plan"
    config_type = TfPlanConfig
    outside_effect = "runs Terraform, which locks the state and may start any program"

    def __init__(self, find: FindProgram = find_terraform) -> None:
        self._find = find

    def run(self, config: TfPlanConfig, context: StepContext) -> StepResult:
        """Plan; nothing is changed but files in the folder of the configuration."""
        out = () if config.out is None else (f"-out={below(context, config, config.out)}",)
        with terraform(context, config, self._find) as program:
            options = ("-input=false", "-detailed-exitcode", *out)
            status, plan = program.report("plan", *options, fine=(0, _CHANGES))
        if status == _CHANGES:
            return StepResult(output={"plan": plan})
        return StepResult(StepStatus.SKIPPED, {"plan": plan}, "there is nothing to change")
