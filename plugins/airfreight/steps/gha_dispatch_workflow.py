"""Step gha-dispatch-workflow (`kargo.md` §2.11)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import Field

from airfreight.artifacts.hosting.client import HostingClient
from airfreight.artifacts.hosting.github import GitHub
from airfreight.artifacts.hosting.github_actions import (
    CORRELATION_INPUT,
    Dispatch,
    WorkflowRun,
    dispatch,
    dispatched_runs,
    possible_runs,
)
from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.model.promotion import StepStatus
from airfreight.steps.base import PromotionStep, StepContext, StepResult
from airfreight.steps.github_workflow import WorkflowConfig, open_github
from airfreight.steps.pull_request import waiting_out_limits

_LOOK_INTERVAL = timedelta(seconds=10)
_PENDING = "dispatched"


class GhaDispatchWorkflowConfig(WorkflowConfig):
    """Which workflow to start, where and with what; `timeout` is in seconds."""

    workflow_file: str = Field(pattern=r"^[^/\x00]+\.ya?ml$")
    ref: str = Field(min_length=1)
    inputs: Mapping[str, Any] = Field(default_factory=dict)
    timeout: int = Field(default=60, ge=1, le=300)


@dataclass(frozen=True)
class _Search:
    """A dispatched run whose id is not known: it comes after the run of number `after`.

    `looks` counts those made. `only` is the id of the one run that the last look found possible, else 0.
    """

    after: int
    looks: int = 0
    only: int = 0

    def waiting(self, message: str) -> StepResult:
        """Return Running, with all that the next look has to know."""
        output = {_PENDING: {"after": self.after, "looks": self.looks, "only": self.only}}
        return StepResult(StepStatus.RUNNING, output, message, _LOOK_INTERVAL)


class GhaDispatchWorkflowStep(PromotionStep[GhaDispatchWorkflowConfig]):
    """Starts a workflow of GitHub Actions by the event workflow_dispatch, or finds the run that it started before.

    Output: ``runID``.

    :param sleep: waits for so many seconds.
    """

    kind = "gha-dispatch-workflow"
    config_type = GhaDispatchWorkflowConfig
    outside_effect = "starts a workflow of GitHub Actions"
    uses_workdir = False

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep

    def run(self, config: GhaDispatchWorkflowConfig, context: StepContext) -> StepResult:
        """Look for the run before starting one: in the output, then on GitHub."""
        previous = context.previous_output or {}
        if "runID" in previous:
            return StepResult(output={"runID": previous["runID"]})
        return waiting_out_limits(context, lambda: self._go_on(config, context, previous))

    def _go_on(
        self, config: GhaDispatchWorkflowConfig, context: StepContext, previous: Mapping[str, Any]
    ) -> StepResult:
        github, hosting = open_github(context, config, self._sleep)
        new = Dispatch(
            config.workflow_file,
            config.ref,
            {name: _as_text(value) for name, value in config.inputs.items()},
            f"{context.promotion}/{context.alias}",
        )
        runs = hosting.run(dispatched_runs(github, new))
        if _PENDING in previous:
            return _look(runs, new, _Search(**previous[_PENDING]), config.timeout)
        own = [run for run in runs if run.shows(new.mark)]
        if own:
            return _found(own[0])
        return _start(hosting, github, new, runs, context)


def _start(
    hosting: HostingClient,
    github: GitHub,
    new: Dispatch,
    before: list[WorkflowRun],
    context: StepContext,
) -> StepResult:
    context.check_fence()
    run_id = hosting.run(dispatch(github, new))
    if run_id is not None:
        return StepResult(output={"runID": run_id}, message=f"run {run_id} of {new.workflow}")
    newest = max((run.number for run in before), default=0)
    return _Search(newest).waiting(f"{new.workflow} is dispatched; waiting for its run")


def _look(runs: list[WorkflowRun], new: Dispatch, search: _Search, timeout: int) -> StepResult:
    """Find the run among `runs`; one without the mark is taken once it was the only one in two looks."""
    possible = possible_runs(runs, new.mark, search.after)
    looks = search.looks + 1
    if len(possible) > 1:
        raise TerminalStepError(
            f"each of these may be the run of {new.workflow} that this step dispatched: "
            f"{', '.join(run.url for run in possible)}; to tell them apart, let the workflow declare the "
            f"input {CORRELATION_INPUT} and show it in its run-name"
        )
    if possible and (possible[0].shows(new.mark) or possible[0].id == search.only):
        return _found(possible[0])
    if possible:
        seen = _Search(search.after, looks, possible[0].id)
        return seen.waiting(f"is {possible[0].url} the only one? looking once more")
    if looks * _LOOK_INTERVAL.total_seconds() >= timeout:
        raise RetryableStepError(
            f"{new.workflow} was dispatched at {new.ref}, and no run of it appeared within {timeout} s"
        )
    return _Search(search.after, looks).waiting(f"{new.workflow} has no new run yet")


def _found(run: WorkflowRun) -> StepResult:
    return StepResult(output={"runID": run.id}, message=run.url)


def _as_text(value: Any) -> str:
    """Return an input as GitHub takes it: a workflow sees texts only."""
    return value if isinstance(value, str) else json.dumps(value)
