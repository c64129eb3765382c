"""Step kinds of other packages: entry points of the group `airfreight.steps`, imported when first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from airfreight.model.kinds import EntryPoint
from airfreight.steps.base import PromotionStep, StepConfig

GROUP = "airfreight.steps"


@dataclass(frozen=True, order=True)
class CustomKind(EntryPoint[PromotionStep[Any]]):
    """One entry point: the kind's name, and its class as ``package.module:Class``."""

    noun = "step kind"
    base = PromotionStep
    config_base = StepConfig


def custom_kinds() -> frozenset[CustomKind]:
    """Return what the packages on the import path declare; a package that is found twice counts once."""
    return frozenset(CustomKind(point.name, point.value) for point in entry_points(group=GROUP))
