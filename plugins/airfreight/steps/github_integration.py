"""Where github-push pushes to, how others' commits come below one's own, and the pace of its tries."""

from __future__ import annotations

from airfreight.artifacts.git import GitOutcome, dated
from airfreight.errors import ArtifactError, NotFoundError, TerminalStepError
from airfreight.steps.base import StepContext
from airfreight.steps.git_worktree import Worktree, require_ref_name

_FIRST_DELAY, _GROWTH, _JITTER, _LONGEST_DELAY = 1.0, 1.5, 0.5, 30.0  # seconds, but for the factors


def delay_before(attempt: int, chance: float) -> float:
    """Return how many seconds to wait before this attempt, counted from 1; `chance` (0 to 1) spreads competitors."""
    base = min(_FIRST_DELAY * _GROWTH ** min(attempt - 1, 20), _LONGEST_DELAY)
    return min(base * (1 + _JITTER * chance), _LONGEST_DELAY)


def target_branch(
    worktree: Worktree, named: str | None, generated: bool, context: StepContext
) -> str:
    """Return the branch to push to: the Promotion's own, the `named` one, or the one checked out."""
    if generated:
        return f"kargo/promotion/{context.promotion}"
    branch = named
    if branch is None:
        current = worktree.git.attempt("symbolic-ref", "--quiet", "--short", "HEAD")
        if current.status:
            raise TerminalStepError("a commit or tag is checked out, no branch: set targetBranch")
        branch = current.stdout
    require_ref_name(branch, "branch")
    return branch


def integrate(worktree: Worktree, branch: str, context: StepContext) -> None:
    """Rebase onto what the remote branch holds by now; nothing to do where there is no such branch.

    Raises TerminalStepError, as Failed, where the commits conflict.
    """
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
