"""The step argocd-wait: waits until Applications of Argo CD are healthy, synced and idle."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, field_validator

from airfreight.artifacts.argocd.application import Application
from airfreight.artifacts.argocd.applications import Applications
from airfreight.errors import ArtifactError, TerminalStepError
from airfreight.model.promotion import StepStatus
from airfreight.steps.argocd_apps import AppReference, open_argocd
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepLog, StepResult

WaitFor = Literal["health", "sync", "operation", "suspended", "degraded"]

_HEALTHS = {"health": "Healthy", "suspended": "Suspended", "degraded": "Degraded"}
_FAULTS = ("ComparisonError", "InvalidSpecError")
# Kargo is woken by each change of an Application and asks every 5 minutes beside that; we are not.
_ASK_AGAIN = timedelta(seconds=30)


class AppWait(AppReference):
    """Applications, and what they have to come to."""

    wait_for: tuple[WaitFor, ...] = Field(default=("health", "sync", "operation"), min_length=1)

    @field_validator("wait_for")
    @classmethod
    def _names_each_once(cls, wait_for: tuple[WaitFor, ...]) -> tuple[WaitFor, ...]:
        if len(set(wait_for)) != len(wait_for):
            raise ValueError("expected each condition once")
        return wait_for


class ArgocdWaitConfig(StepConfig):
    """Config of argocd-wait."""

    apps: tuple[AppWait, ...] = Field(min_length=1)


class ArgocdWaitStep(PromotionStep[ArgocdWaitConfig]):
    """Reads only; remembers in its output how healthy each Application was."""

    kind = "argocd-wait"
    config_type = ArgocdWaitConfig
    outside_effect = "waits for Argo CD"
    default_timeout = timedelta(minutes=5)
    uses_workdir = False

    def run(self, config: ArgocdWaitConfig, context: StepContext) -> StepResult:
        before = (context.previous_output or {}).get("healthStatus") or {}
        healths: dict[str, str] = dict(before)
        apps: list[dict[str, str]] = []
        waiting: list[str] = []
        with open_argocd(context) as applications:
            for wait in config.apps:
                for application in wait.find(applications):
                    key = f"{application.namespace}/{application.name}"
                    reason = _not_ready(application, wait.wait_for, before.get(key, ""))
                    if reason == _STALE:
                        _refresh(application, applications, context.log)
                    healths |= {key: application.health} if application.health else {}
                    apps.append({"name": application.name, "namespace": application.namespace})
                    waiting += [f"{application}: {reason}"] if reason else []
        output: Mapping[str, Any] = {"apps": apps, "healthStatus": healths}
        if not waiting:
            return StepResult(output=output)
        message = "; ".join(waiting)
        return StepResult(StepStatus.RUNNING, output, message, retry_after=_ASK_AGAIN)


_STALE = "its health is older than its last operation; a refresh was asked for"


def _not_ready(application: Application, wait_for: tuple[WaitFor, ...], before: str) -> str:
    """Say why the Application is not ready, or "" where it is; the checks are in Kargo's order.

    Raises TerminalStepError where it will not become ready.
    """
    _require_no_fault(application)
    if "operation" in wait_for and _is_busy(application):
        return "an operation runs"
    healths = [_HEALTHS[condition] for condition in wait_for if condition in _HEALTHS]
    if healths:
        if _is_stale(application):
            return _STALE
        if "health" in wait_for:
            _require_no_regress(application, before)
        if application.health not in healths:
            return f"its health is {application.health or 'not known'}"
    if "sync" in wait_for and application.sync_status != "Synced":
        return f"its sync status is {application.sync_status or 'not known'}"
    return ""


def _require_no_fault(application: Application) -> None:
    faults = [
        f'{application} has "{kind}" condition: {message}'
        for kind, message in application.conditions
        if kind in _FAULTS
    ]
    if faults:
        raise TerminalStepError("\n".join(faults))


def _require_no_regress(application: Application, before: str) -> None:
    if application.health == "Degraded" and before not in ("", "Degraded", "Unknown"):
        raise TerminalStepError(f"{application} health has regressed from {before} to Degraded")


def _is_busy(application: Application) -> bool:
    operation = application.operation
    ended = operation is None or operation.finished_at is not None
    return application.requested is not None or not ended


def _is_stale(application: Application) -> bool:
    """Whether Argo CD has not looked at its health since its operation: the two are loops of their own."""
    operation = application.operation
    if operation is None or operation.finished_at is None:
        return False
    looked = application.reconciled_at
    return looked is None or looked < operation.finished_at


def _refresh(application: Application, applications: Applications, log: StepLog) -> None:
    try:
        applications.refresh(application)
    except ArtifactError as error:
        # A login that may only read still sees the next refresh that Argo CD makes by itself.
        log.warning("%s could not be refreshed: %s", application, error)
