"""The step set-metadata: writes into the metadata of Stages and Freight."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from airfreight.model.base import Model
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult


class MetadataUpdate(Model, extra="forbid"):
    """What to write into the metadata of one object."""

    kind: Literal["Stage", "Freight"]
    name: str = Field(min_length=1)
    values: dict[str, Any] = Field(min_length=1)


class SetMetadataConfig(StepConfig):
    """Config of set-metadata (`kargo.md` §2.10)."""

    updates: tuple[MetadataUpdate, ...] = Field(min_length=1)


class SetMetadataStep(PromotionStep[SetMetadataConfig]):
    """Merges keys; later expressions of the promotion read them."""

    kind = "set-metadata"
    config_type = SetMetadataConfig
    outside_effect = "changes metadata in the register"
    uses_workdir = False

    def run(self, config: SetMetadataConfig, context: StepContext) -> StepResult:
        for update in config.updates:
            context.objects.merge_metadata(update.kind, update.name, update.values)
        return StepResult()
