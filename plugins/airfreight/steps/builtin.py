"""The step kinds that come with Airfreight: where a new one is registered."""

from __future__ import annotations

from typing import Any

from airfreight.steps.argocd_update import ArgocdUpdateStep
from airfreight.steps.argocd_wait import ArgocdWaitStep
from airfreight.steps.base import PromotionStep
from airfreight.steps.compose_output import ComposeOutputStep
from airfreight.steps.copy import CopyStep
from airfreight.steps.delete import DeleteStep
from airfreight.steps.fail import FailStep
from airfreight.steps.git_clear import GitClearStep
from airfreight.steps.git_clone import GitCloneStep
from airfreight.steps.git_commit import GitCommitStep
from airfreight.steps.git_push import GitPushStep
from airfreight.steps.http import HttpStep
from airfreight.steps.registry import StepRegistry
from airfreight.steps.yaml_update import YamlUpdateStep


def builtin_steps() -> tuple[PromotionStep[Any], ...]:
    """Return one of each kind."""
    return (
        ArgocdUpdateStep(),
        ArgocdWaitStep(),
        ComposeOutputStep(),
        CopyStep(),
        DeleteStep(),
        FailStep(),
        GitClearStep(),
        GitCloneStep(),
        GitCommitStep(),
        GitPushStep(),
        HttpStep(),
        YamlUpdateStep(),
    )


def builtin_registry() -> StepRegistry:
    """Return a registry that knows all built-in kinds."""
    return StepRegistry(builtin_steps())
