"""Step gha-wait-for-workflow (`kargo.md` §2.11)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Literal

from pydantic import Field

from airfreight.artifacts.hosting.github_actions import get_run
from airfreight.errors import TerminalStepError
from airfreight.model.base import Duration
from airfreight.steps.base import PromotionStep, StepContext, StepResult
from airfreight.steps.github_workflow import WorkflowConfig, open_github
from airfreight.steps.pull_request import waiting, waiting_out_limits

Conclusion = Literal[
    "success",
    "failure",
    "cancelled",
    "skipped",
    "timed_out",
    "action_required",
    "neutral",
    "stale",
]


class GhaWaitForWorkflowConfig(WorkflowConfig):
    """Which run to wait for, and how it has to end; no `expectedConclusion` takes any end, as in Kargo."""

    run_id: int = Field(alias="runID", ge=1)
    expected_conclusion: Conclusion | None = None
    poll_interval: Duration = timedelta(seconds=30)


class GhaWaitForWorkflowStep(PromotionStep[GhaWaitForWorkflowConfig]):
    """Waits until a run of a workflow has ended; where that is another end than expected, the step ends as Failed.

    Output: ``conclusion``, GitHub's word for how it ended.

    :param sleep: waits for so many seconds.
    """

    kind = "gha-wait-for-workflow"
    config_type = GhaWaitForWorkflowConfig
    outside_effect = "waits for a workflow of GitHub Actions"
    uses_workdir = False

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep

    def run(self, config: GhaWaitForWorkflowConfig, context: StepContext) -> StepResult:
        """Look once."""
        return waiting_out_limits(context, lambda: self._look(config, context))

    def _look(self, config: GhaWaitForWorkflowConfig, context: StepContext) -> StepResult:
        github, hosting = open_github(context, config, self._sleep)
        run = hosting.run(get_run(github, config.run_id))
        if run.status != "completed":
            return waiting(f"waiting for {run.url}, {run.status}", config.poll_interval, context)
        output = {"conclusion": run.conclusion}
        ended = f"{run.url} ended as {run.conclusion}"
        if config.expected_conclusion not in (None, run.conclusion):
            raise TerminalStepError(
                f"{ended}, and expectedConclusion is {config.expected_conclusion}",
                failed=True,
                output=output,
            )
        return StepResult(output=output, message=ended)
