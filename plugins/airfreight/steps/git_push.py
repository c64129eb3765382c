"""Step git-push (`kargo.md` §2.4)."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field, model_validator

from airfreight.artifacts.git import GitClient, GitOutcome
from airfreight.artifacts.git_urls import commit_url
from airfreight.errors import RetryableStepError
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.git_integration import integrate, require_policy
from airfreight.steps.git_signing import SigningKeys, signed
from airfreight.steps.git_worktree import (
    Text,
    Worktree,
    open_worktree,
    require_ref_name,
    step_errors,
)
from airfreight.steps.push_target import delay_before, target_branch

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

    :param keys: what the git-clone steps of this process brought to sign with.
    :param sleep: waits for so many seconds between two tries.
    :param chance: draws from 0 to 1, to spread the tries of those who compete.
    """

    kind = "git-push"
    config_type = GitPushConfig
    outside_effect = "pushes to the repository"

    def __init__(
        self,
        keys: SigningKeys | None = None,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._keys = keys or SigningKeys()
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
            branch = target_branch(
                worktree, config.target_branch, config.generate_target_branch, context
            )
            require_policy(context.settings.git_push_integration_policy)
            with signed(worktree.git, self._keys.find(worktree), context.started_at) as git:
                self._push(git, branch, config, context)
            return StepResult(output=_output(worktree, branch, config))

    def _push(
        self, git: GitClient, branch: str, config: GitPushConfig, context: StepContext
    ) -> None:
        force = config.force or config.generate_target_branch
        policy = context.settings.git_push_integration_policy
        options = ["--force"] if force else []
        for attempt in range(config.max_attempts):
            if attempt:
                self._sleep(delay_before(attempt, self._chance()))
            before = "" if force else integrate(git, branch, policy, context.started_at)
            context.check_fence()
            outcome = git.attempt("push", *options, "origin", f"HEAD:refs/heads/{branch}")
            if outcome.status == 0:
                return
            if not _was_overtaken(git, branch, before, outcome):
                raise git.error("push", outcome)
        raise RetryableStepError(
            f"others pushed to branch {branch!r} before each of {config.max_attempts} attempts"
        )


def _was_overtaken(git: GitClient, branch: str, before: str, outcome: GitOutcome) -> bool:
    """Say whether others came first: the server says so, or the branch is no longer at `before`."""
    if _OVERTAKEN.search(outcome.stderr):
        return True
    if "[rejected]" not in outcome.stderr and "[remote rejected]" not in outcome.stderr:
        return False
    now = git.attempt("ls-remote", "origin", f"refs/heads/{branch}")
    return now.status == 0 and now.stdout[:40] != before


def _output(worktree: Worktree, branch: str | None, config: GitPushConfig) -> dict[str, Any]:
    commit = worktree.head
    output: dict[str, Any] = {"commit": commit}
    if branch is not None:
        output["branch"] = branch
    url = commit_url(worktree.remote.url, commit, config.provider)
    if url is not None:
        output["commitURL"] = url
    return output
