"""Every step kind of this installation."""

from __future__ import annotations

from functools import cache

from airfreight.steps.builtin import builtin_steps
from airfreight.steps.custom import custom_kinds
from airfreight.steps.registry import StepRegistry


@cache
def step_registry() -> StepRegistry:
    """Return the registry of the kinds that come with Airfreight and of those that packages add.

    Once for a process: the packages on its import path are those that it has started with, as Airflow's plugins are.
    """
    return StepRegistry(builtin_steps(), custom_kinds())
