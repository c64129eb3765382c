"""Step git-push (`kargo.md` §2.4)."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field, model_validator

from airfreight.artifacts.git import GitClient
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
from airfreight.steps.own_branch import pushed_before
from airfreight.steps.push_target import delay_before, target_branch

# Why a ref was refused is the server's own words, in any language, and not read: a look at the branch tells.
_REFUSED = re.compile(r"^ ! \[", re.MULTILINE)
# While the branch stays where it is. Two, for others' lock may have been in the way once.
_MOST_REFUSALS = 2


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
                own = config.generate_target_branch
                kept = pushed_before(git, branch, context.started_at) if own else None
                if kept is None:
                    self._push(git, branch, config, context)
                else:
                    git.run("reset", "--quiet", "--keep", kept)
            return StepResult(output=_output(worktree, branch, config))

    def _push(
        self, git: GitClient, branch: str, config: GitPushConfig, context: StepContext
    ) -> None:
        force = config.force or config.generate_target_branch
        policy = context.settings.git_push_integration_policy
        options = ["--force"] if force else []
        refusals = 0
        for attempt in range(config.max_attempts):
            if attempt:
                self._sleep(delay_before(attempt, self._chance()))
            before = (
                _tip(git, branch) if force else integrate(git, branch, policy, context.started_at)
            )
            context.check_fence()
            outcome = git.attempt("push", *options, "origin", f"HEAD:refs/heads/{branch}")
            if outcome.status == 0:
                return
            if not _REFUSED.search(outcome.stderr):
                raise git.error("push", outcome)
            refusals = refusals + 1 if _tip(git, branch) == before else 0
            if refusals == _MOST_REFUSALS:
                raise git.error("push", outcome)
        raise RetryableStepError(
            f"others pushed to branch {branch!r} before each of {config.max_attempts} attempts"
        )


def _tip(git: GitClient, branch: str) -> str:
    """Return the SHA that the remote branch has, empty where there is none."""
    return git.run("ls-remote", "origin", f"refs/heads/{branch}").partition("\t")[0]


def _output(worktree: Worktree, branch: str | None, config: GitPushConfig) -> dict[str, Any]:
    commit = worktree.head
    output: dict[str, Any] = {"commit": commit}
    if branch is not None:
        output["branch"] = branch
    url = commit_url(worktree.remote.url, commit, config.provider)
    if url is not None:
        output["commitURL"] = url
    return output
