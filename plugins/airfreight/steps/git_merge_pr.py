"""Step git-merge-pr (`kargo.md` §2.4)."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from airfreight.artifacts.hosting.client import HostingClient
from airfreight.artifacts.hosting.protocol import MergeOutcome, PullRequest, Readiness
from airfreight.errors import ArtifactError, TerminalStepError, TransientError
from airfreight.model.base import Duration
from airfreight.steps.base import StepContext, StepResult
from airfreight.steps.pull_request import (
    NumberedConfig,
    PullRequestStep,
    waiting,
    waiting_out_limits,
)

# A service needs some seconds to find out whether a new pull request can be merged.
_TRIES = 3
_BETWEEN_TRIES = 5.0  # seconds


class GitMergePRConfig(NumberedConfig):
    """Which pull request to merge, by which of the service's methods, and whether to wait until it can be."""

    wait: bool = False
    poll_interval: Duration = timedelta(seconds=10)
    merge_method: str | None = Field(default=None, min_length=1)


class GitMergePRStep(PullRequestStep[GitMergePRConfig]):
    """Merges a pull request; one that is merged already is as good.

    Output: ``commit``, the full SHA of the merge. What no later try can mend ends the step as Failed.
    """

    kind = "git-merge-pr"
    config_type = GitMergePRConfig
    outside_effect = "merges a pull request"

    def run(self, config: GitMergePRConfig, context: StepContext) -> StepResult:
        """Merge, if it can be now; else wait or fail."""
        return waiting_out_limits(context, lambda: self._merge(config, context))

    def _merge(self, config: GitMergePRConfig, context: StepContext) -> StepResult:
        hosting = self._hosting(config, context)
        _check_method(hosting, config.merge_method)
        obstacle = ""
        for attempt in range(_TRIES):
            if attempt:
                self._sleep(_BETWEEN_TRIES)
            try:
                outcome = _try_once(hosting, config, context)
            except TransientError:
                raise
            except ArtifactError as error:
                raise _failed(config, str(error)) from None
            if outcome.pull_request is not None:
                return _merged(outcome.pull_request)
            obstacle = outcome.obstacle
        message = f"pull request {config.pr_number} cannot be merged yet: {obstacle}"
        if config.wait:
            return waiting(f"waiting: {message}", config.poll_interval, context)
        raise TerminalStepError(f"{message}; wait: true would wait for it", failed=True)


def _try_once(
    hosting: HostingClient, config: GitMergePRConfig, context: StepContext
) -> MergeOutcome:
    service = hosting.service
    pull_request = hosting.run(service.get(config.pr_number))
    if pull_request.state == "merged":
        return MergeOutcome(pull_request)
    if pull_request.state == "closed":
        raise ArtifactError(f"it was closed without being merged: {pull_request.url}")
    if pull_request.readiness is Readiness.IMPOSSIBLE:
        raise ArtifactError(f"it conflicts with its target branch: {pull_request.url}")
    if pull_request.readiness is Readiness.WAITING:
        return MergeOutcome(None, f"{pull_request.obstacle} ({pull_request.url})")
    context.check_fence()
    return hosting.run(service.merge(pull_request, config.merge_method))


def _check_method(hosting: HostingClient, method: str | None) -> None:
    known = hosting.service.merge_methods
    if method is not None and method not in known:
        raise TerminalStepError(
            f"mergeMethod {method!r}: {hosting.service.name} knows {', '.join(known)}", failed=True
        )


def _merged(pull_request: PullRequest) -> StepResult:
    output = {"commit": pull_request.merge_commit}
    return StepResult(output=output, message=f"{pull_request.url} is merged")


def _failed(config: GitMergePRConfig, reason: str) -> TerminalStepError:
    return TerminalStepError(
        f"pull request {config.pr_number} cannot be merged: {reason}", failed=True
    )
