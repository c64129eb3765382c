"""Step tf-apply (`kargo.md` §2.11)."""

from __future__ import annotations

from pydantic import Field

from airfreight.steps.base import PromotionStep, StepContext, StepResult
from airfreight.steps.terraform import (
    FindProgram,
    TerraformConfig,
    file_below,
    find_terraform,
    terraform,
)


class TfApplyConfig(TerraformConfig):
    """Config of tf-apply; `plan` is a file that tf-plan wrote, from `dir` on, and makes `vars` void."""

    plan: str | None = Field(default=None, min_length=1)


class TfApplyStep(PromotionStep[TfApplyConfig]):
    """Makes the changes of a configuration, or of a plan.

    Output: ``result``, as Terraform prints it.

    :param find: finds the program.
    """

    kind = "tf-apply"
    config_type = TfApplyConfig
    outside_effect = "applies changes with Terraform"

    def __init__(self, find: FindProgram = find_terraform) -> None:
        self._find = find

    def run(self, config: TfApplyConfig, context: StepContext) -> StepResult:
        """Apply; a second run finds in the state what the first made."""
        plan = () if config.plan is None else (file_below(context, config, "plan", config.plan),)
        with terraform(context, config, self._find, saved_plan=bool(plan)) as program:
            context.check_fence()
            _, result = program.report("apply", "-input=false", "-auto-approve", *plan)
        return StepResult(output={"result": result})
