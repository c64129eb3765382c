"""Step git-push (`kargo.md` §2.4)."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field, model_validator

from airfreight.artifacts.git import GitOutcome, dated
from airfreight.artifacts.git_urls import commit_url
from airfreight.errors import ArtifactError, NotFoundError, RetryableStepError, TerminalStepError
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.git_worktree import (
    Text,
    Worktree,
    open_worktree,
    require_ref_name,
    step_errors,
)

_FIRST_DELAY, _GROWTH, _JITTER, _LONGEST_DELAY = 1.0, 1.5, 0.5, 30.0  # seconds, but for the factors

# "failed to update ref" and "reference already exists" are how git's own server words a lost race for a lock.
_OVERTAKEN = re.compile(
    r"! \[(?:remote )?rejected\].*\((?:non-fast-forward|fetch first|cannot lock ref|incorrect old value"
    r"|failed to update ref|reference already exists)"
)


class GitPushConfig(StepConfig):
    """What to push where; none of `targetBranch`, `generateTargetBranch` and `tag` means the branch checked out."""

    path: Text
    target_branch: str | None = Field(default=None, min_length=1)
    generate_target_branch: bool = False
    tag: str | None = Field(default=None, min_length=1)
    force: bool = False
    max_attempts: int = Field(default=10, ge=1, le=2**31 - 1)
    provider: Literal["azure", "bitbucket", "gitea", "github", "gitlab"] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> GitPushConfig:
        named = (self.target_branch is not None, self.generate_target_branch, self.tag is not None)
        if sum(named) > 1:
            raise ValueError("expected at most one of targetBranch, generateTargetBranch and tag")
        if self.force and self.tag is not None:
            raise ValueError("force does not go with tag")
        return self


class GitPushStep(PromotionStep[GitPushConfig]):
    """Pushes the commits of a checkout, on top of what others pushed meanwhile.

    Output: ``commit``, the full SHA of HEAD after that; ``branch`` unless a tag was pushed; ``commitURL`` where the
    provider is known. The outputs do not depend on whether there was still something to push.

    :param sleep: waits for so many seconds between two tries.
    :param chance: draws from 0 to 1, to spread the tries of those who compete.
    """

    kind = "git-push"
    config_type = GitPushConfig

    def __init__(
        self,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._sleep = sleep
        self._chance = chance

    def run(self, config: GitPushConfig, context: StepContext) -> StepResult:
        """Push, after a rebase where others were faster; a conflict ends the step as Failed."""
        with step_errors():
            worktree = open_worktree(context, config.path)
            if config.tag is not None:
                require_ref_name(config.tag, "tag")
                context.check_fence()
                worktree.git.run("push", "origin", f"refs/tags/{config.tag}")
                return StepResult(output=_output(worktree, None, config))
            branch = _target(worktree, config, context)
            self._push(worktree, branch, config, context)
            return StepResult(output=_output(worktree, branch, config))

    def _push(
        self, worktree: Worktree, branch: str, config: GitPushConfig, context: StepContext
    ) -> None:
        force = config.force or config.generate_target_branch
        options = ["--force"] if force else []
        for attempt in range(config.max_attempts):
            if attempt:
                self._sleep(self._delay(attempt))
            if not force:
                _integrate(worktree, branch, context)
            context.check_fence()
            outcome = worktree.git.attempt("push", *options, "origin", f"HEAD:refs/heads/{branch}")
            if outcome.status == 0:
                return
            if not _OVERTAKEN.search(outcome.stderr):
                raise worktree.git.error("push", outcome)
        raise RetryableStepError(
            f"others pushed to branch {branch!r} before each of {config.max_attempts} attempts"
        )

    def _delay(self, attempt: int) -> float:
        """Return how many seconds to wait before this attempt, counted from 1."""
        base = min(_FIRST_DELAY * _GROWTH ** min(attempt - 1, 20), _LONGEST_DELAY)
        return min(base * (1 + _JITTER * self._chance()), _LONGEST_DELAY)


def _target(worktree: Worktree, config: GitPushConfig, context: StepContext) -> str:
    if config.generate_target_branch:
        return f"kargo/promotion/{context.promotion}"
    branch = config.target_branch
    if branch is None:
        current = worktree.git.attempt("symbolic-ref", "--quiet", "--short", "HEAD")
        if current.status:
            raise TerminalStepError("a commit or tag is checked out, no branch: set targetBranch")
        branch = current.stdout
    require_ref_name(branch, "branch")
    return branch


def _integrate(worktree: Worktree, branch: str, context: StepContext) -> None:
    """Rebase onto what the remote branch holds by now; nothing to do where there is no such branch."""
    upstream = f"refs/remotes/origin/{branch}"
    try:
        worktree.git.run(
            "fetch", "--quiet", "--no-tags", "origin", f"+refs/heads/{branch}:{upstream}"
        )
    except NotFoundError:
        return
    when = {"GIT_COMMITTER_DATE": dated(context.started_at)["GIT_COMMITTER_DATE"]}
    outcome = worktree.git.attempt("rebase", "--quiet", upstream, environment=when)
    if outcome.status:
        conflicts = worktree.git.attempt("diff", "--name-only", "--diff-filter=U").stdout
        worktree.git.attempt("rebase", "--abort")
        raise _rebase_error(worktree, branch, outcome, conflicts.split("\n"))


def _rebase_error(
    worktree: Worktree, branch: str, outcome: GitOutcome, conflicts: list[str]
) -> TerminalStepError | ArtifactError:
    if any(conflicts):
        return TerminalStepError(
            f"the commits conflict with what others pushed to branch {branch!r}, "
            f"in {', '.join(conflicts)}; nothing was pushed",
            failed=True,
        )
    return worktree.git.error("rebase", outcome)


def _output(worktree: Worktree, branch: str | None, config: GitPushConfig) -> dict[str, Any]:
    commit = worktree.head
    output: dict[str, Any] = {"commit": commit}
    if branch is not None:
        output["branch"] = branch
    url = commit_url(worktree.remote.url, commit, config.provider)
    if url is not None:
        output["commitURL"] = url
    return output
