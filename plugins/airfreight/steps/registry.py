"""All step kinds by name."""

from __future__ import annotations

from typing import Any

from airfreight.model.kinds import KindRegistry
from airfreight.steps.base import PromotionStep


class StepRegistry(KindRegistry[PromotionStep[Any]]):
    """Finds a step kind by the name that manifests use."""

    noun = "step kind"
