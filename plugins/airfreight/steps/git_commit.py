"""Step git-commit (`kargo.md` §2.4)."""

from __future__ import annotations

from airfreight.artifacts.git import dated, identity
from airfreight.model.promotion import StepStatus
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.git_signing import SigningKeys, signed
from airfreight.steps.git_worktree import (
    Author,
    Text,
    open_worktree,
    step_errors,
)


class GitCommitConfig(StepConfig):
    """Which checkout to commit, and how to word it; `author` wins over git-clone's and is deprecated in Kargo."""

    path: Text
    message: Text
    author: Author | None = None


class GitCommitStep(PromotionStep[GitCommitConfig]):
    """Commits every change of a checkout, dated by the Promotion's start: a repeat makes the same SHA.

    Output: ``commit``, the full SHA of HEAD. Without a change the step ends as Skipped.

    :param keys: what the git-clone steps of this process brought to sign with.
    """

    kind = "git-commit"
    config_type = GitCommitConfig
    outside_effect = ""

    def __init__(self, keys: SigningKeys | None = None) -> None:
        self._keys = keys or SigningKeys()

    def run(self, config: GitCommitConfig, context: StepContext) -> StepResult:
        """Stage everything and commit it if it differs from HEAD."""
        environment = dated(context.started_at)
        if config.author is not None:
            environment = identity(config.author.name, config.author.email, context.started_at)
        with step_errors():
            worktree = open_worktree(context, config.path)
            worktree.git.run("add", "--all")
            if not worktree.git.run("status", "--porcelain", "--untracked-files=no"):
                output = {"commit": worktree.head}
                return StepResult(StepStatus.SKIPPED, output, "nothing to commit")
            message = f"--message={config.message}"
            key = self._keys.find(worktree, config.author)
            with signed(worktree.git, key, context.started_at) as git:
                git.run("commit", "--quiet", message, environment=environment)
            return StepResult(output={"commit": worktree.head})
