"""The step argocd-update: changes Applications of Argo CD, begins a sync and waits for its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pydantic import Field

from airfreight.artifacts.argocd.application import Application
from airfreight.artifacts.argocd.applications import Applications, Sync
from airfreight.artifacts.argocd.operations import Standing, standing
from airfreight.errors import ArtifactError, AuthenticationError, RetryableStepError
from airfreight.model.promotion import StepStatus
from airfreight.steps.argocd_apps import AppReference, open_argocd, refuse_change
from airfreight.steps.argocd_sources import SourceUpdate, desired_revisions, desired_sources
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult

# Most syncs are through by the first look.
_FIRST_LOOK = timedelta(seconds=10)
_ASK_AGAIN = timedelta(seconds=30)
# Argo CD writes to its Applications all the time; each of these reads it anew and decides anew.
_TRIES = 5
_SHOWN = 3


class AppUpdate(AppReference):
    """Applications, and what changes in their sources."""

    sources: tuple[SourceUpdate, ...] = Field(default=(), min_length=1)


class ArgocdUpdateConfig(StepConfig):
    """Config of argocd-update."""

    apps: tuple[AppUpdate, ...] = Field(min_length=1)


class ArgocdUpdateStep(PromotionStep[ArgocdUpdateConfig]):
    """Knows its own sync by the Promotion's name, so that a second run begins none while one runs or has succeeded."""

    kind = "argocd-update"
    config_type = ArgocdUpdateConfig
    outside_effect = "changes an Argo CD Application"
    default_timeout = timedelta(minutes=5)
    uses_workdir = False

    def run(self, config: ArgocdUpdateConfig, context: StepContext) -> StepResult:
        checks: list[dict[str, Any]] = []
        waiting: list[str] = []
        with open_argocd(context) as applications:
            for update in config.apps:
                found = _permitted(update, applications, context)
                _require_sources(update, found)
                for application in found:
                    checks.append(_check(application, update))
                    stands = _brought_on(application, update, applications, context)
                    waiting += [] if stands.phase == "Succeeded" else [_waits(application, stands)]
        output = {"apps": [{"name": c["name"], "namespace": c["namespace"]} for c in checks]}
        if waiting:
            look = _FIRST_LOOK if context.previous_output is None else _ASK_AGAIN
            return StepResult(StepStatus.RUNNING, output, "; ".join(waiting), retry_after=look)
        return StepResult(
            output=output, health_check={"uses": self.kind, "config": {"apps": checks}}
        )


def _permitted(
    update: AppUpdate, applications: Applications, context: StepContext
) -> tuple[Application, ...]:
    """Return the Applications that the Stage may change; of several the others are passed over."""
    found = update.find(applications)
    permitted: list[Application] = []
    for application in found:
        refusal = refuse_change(application, context.project, context.stage)
        if refusal is None:
            permitted.append(application)
        elif update.selector is None:
            raise RetryableStepError(f"{application} is not authorized: {refusal}")
        else:
            context.log.warning("passed over: %s", refusal)
    if not permitted:
        raise RetryableStepError(
            f"found {len(found)} Application(s) matching selector in namespace "
            f'"{found[0].namespace}", but none are authorized for Stage '
            f"{context.project}:{context.stage}"
        )
    return tuple(permitted)


def _require_sources(update: AppUpdate, found: Sequence[Application]) -> None:
    """Raise RetryableStepError before any of several Applications is changed that not all could be."""
    if len(found) == 1:
        return
    faults: list[str] = []
    for application in found:
        try:
            desired_sources(application, update.sources)
        except RetryableStepError as error:
            faults.append(str(error))
    if faults:
        shown = f" (showing first {_SHOWN})" if len(faults) > _SHOWN else ""
        raise RetryableStepError(
            f"selected Applications must have compatible sources; {len(faults)} incompatible{shown}."
            " No Applications were updated:\n" + "\n".join(faults[:_SHOWN])
        )


def _brought_on(
    application: Application,
    update: AppUpdate,
    applications: Applications,
    context: StepContext,
    tries: int = _TRIES,
) -> Standing:
    """Return where the Application's sync stands, having begun one where none counts.

    A request that failed is judged by what the Application says afterwards: its answer may have been lost, and who
    else changed the Application may have begun a sync. Raises RetryableStepError or ArtifactError.
    """
    stands = _judged(application, update, context)
    if stands.phase:
        return stands
    context.log.info("%s is synced: %s", application, stands.reason)
    sources = desired_sources(application, update.sources)
    context.check_fence()
    try:
        wait = applications.sync(application, Sync(context.promotion, context.actor, sources))
    except AuthenticationError:
        raise
    except ArtifactError as error:
        if tries == 1:
            raise
        now = _changed_since(application, error, applications, context)
        return _brought_on(now, update, applications, context, tries - 1)
    return Standing("Running", wait or "its sync was begun")


def _judged(application: Application, update: AppUpdate, context: StepContext) -> Standing:
    desired = desired_revisions(application, update.sources)
    stands = standing(application, context.promotion, desired)
    if stands.phase in ("Failed", "Error"):
        raise RetryableStepError(f"{application} failed with: {stands.reason}")
    if stands.phase not in ("", "Running", "Terminating", "Succeeded"):
        raise RetryableStepError(f'{application} has an operation of phase "{stands.phase}"')
    return stands


def _changed_since(
    application: Application, error: ArtifactError, applications: Applications, context: StepContext
) -> Application:
    """Return the Application as it is now; raises `error` where it is as it was, or may not be changed any more."""
    now = applications.get(application.namespace, application.name)
    if now is None or now.version == application.version:
        raise error
    refusal = refuse_change(now, context.project, context.stage)
    if refusal is not None:
        raise RetryableStepError(refusal)
    return now


def _check(application: Application, update: AppUpdate) -> dict[str, Any]:
    """Return what the Stage's health is judged by later."""
    return {
        "name": application.name,
        "namespace": application.namespace,
        "desiredRevisions": desired_revisions(application, update.sources),
    }


def _waits(application: Application, stands: Standing) -> str:
    return f"{application}: {stands.reason}"
