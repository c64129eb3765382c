"""What the steps that push share: where to, and the pace of their tries."""

from __future__ import annotations

from airfreight.errors import TerminalStepError
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
