"""Step git-wait-for-pr (`kargo.md` §2.4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airfreight.artifacts.hosting.protocol import PullRequest
from airfreight.errors import TerminalStepError
from airfreight.model.base import Duration
from airfreight.model.promotion import StepStatus
from airfreight.steps.base import StepContext, StepResult
from airfreight.steps.pull_request import (
    NumberedConfig,
    PullRequestStep,
    waiting_out_limits,
)


class GitWaitForPRConfig(NumberedConfig):
    """Which pull request to wait for, and how often to look."""

    poll_interval: Duration = timedelta(seconds=30)


class GitWaitForPRStep(PullRequestStep[GitWaitForPRConfig]):
    """Waits until a pull request is merged; closed without that, the step ends as Failed.

    Output, in every state: ``pr``, with ``id``, ``url``, ``open`` and ``merged``; once there is one, ``commit``, the
    full SHA of the merge.
    """

    kind = "git-wait-for-pr"
    config_type = GitWaitForPRConfig
    outside_effect = "waits for a pull request"

    def run(self, config: GitWaitForPRConfig, context: StepContext) -> StepResult:
        """Look once."""
        return waiting_out_limits(context, lambda: self._look(config, context))

    def _look(self, config: GitWaitForPRConfig, context: StepContext) -> StepResult:
        hosting = self._hosting(config, context)
        pull_request = hosting.run(hosting.service.get(config.pr_number))
        output = _output(pull_request)
        if pull_request.state == "closed":
            raise TerminalStepError(
                f"pull request {config.pr_number} was closed without being merged: {pull_request.url}",
                failed=True,
                output=output,
            )
        if pull_request.state == "merged":
            return StepResult(output=output, message=f"{pull_request.url} is merged")
        message = f"waiting for {pull_request.url} to be merged"
        interval = max(config.poll_interval, timedelta(seconds=10))
        return StepResult(StepStatus.RUNNING, output, message, interval)


def _output(pull_request: PullRequest) -> dict[str, Any]:
    output: dict[str, Any] = {
        "pr": {
            "id": pull_request.number,
            "url": pull_request.url,
            "open": pull_request.state == "open",
            "merged": pull_request.state == "merged",
        }
    }
    if pull_request.merge_commit:
        output["commit"] = pull_request.merge_commit
    return output
