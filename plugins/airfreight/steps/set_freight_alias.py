"""The step set-freight-alias: gives a Freight another alias."""

from __future__ import annotations

from pydantic import Field

from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult


class SetFreightAliasConfig(StepConfig):
    """Config of set-freight-alias (`kargo.md` §2.10); an alias is what a label may be."""

    name: str = Field(min_length=1)
    alias: str = Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")


class SetFreightAliasStep(PromotionStep[SetFreightAliasConfig]):
    """Renames; a Freight that has the alias already keeps it."""

    kind = "set-freight-alias"
    config_type = SetFreightAliasConfig
    outside_effect = "changes an alias in the register"
    uses_workdir = False

    def run(self, config: SetFreightAliasConfig, context: StepContext) -> StepResult:
        context.objects.rename_freight(config.name, config.alias)
        return StepResult()
