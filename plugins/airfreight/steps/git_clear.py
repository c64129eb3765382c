"""Step git-clear (`kargo.md` §2.4)."""

from __future__ import annotations

from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.git_worktree import Text, open_worktree, step_errors


class GitClearConfig(StepConfig):
    """Which checkout to clear."""

    path: Text


class GitClearStep(PromotionStep[GitClearConfig]):
    """Removes everything from a checkout except what Git ignores; the removal is staged for the next commit."""

    kind = "git-clear"
    config_type = GitClearConfig
    outside_effect = ""

    def run(self, config: GitClearConfig, context: StepContext) -> StepResult:
        """Stage what is untracked and remove all that is tracked."""
        with step_errors():
            git = open_worktree(context, config.path).git
            git.run("add", "--all")
            git.run("rm", "-r", "--force", "--quiet", "--ignore-unmatch", "--", ".")
        return StepResult()
