"""The branch that `generateTargetBranch` names, and what a Promotion pushed there before its process died."""

from __future__ import annotations

from datetime import datetime

from airfreight.artifacts.git import GitClient
from airfreight.errors import NotFoundError

_MOST_COMMITS = 100  # of one Promotion


def pushed_before(git: GitClient, branch: str, at: datetime) -> str | None:
    """Return the tip of the Promotion's own `branch` where all that HEAD brings is there already, else None.

    `at` is the Promotion's start, which dates its commits. After a restart they may lie on newer commits of others and
    so have other SHAs, or there is nothing left to commit, since the pull request was merged. To push that would move
    the head of a pull request that people have reviewed.
    """
    upstream = f"refs/remotes/origin/{branch}"
    try:
        git.run("fetch", "--quiet", "--no-tags", "origin", f"+refs/heads/{branch}:{upstream}")
    except NotFoundError:
        return None
    # Compares by what the commits change; those that the branch lacks are marked by a plus.
    compared = git.run("cherry", upstream, "HEAD", *_base(git, at))
    return None if "+" in compared else git.run("rev-parse", upstream)


def _base(git: GitClient, at: datetime) -> list[str]:
    """Return the commit below the Promotion's own at the end of HEAD; nothing where there is none below."""
    listed = git.run(
        "log", "--first-parent", f"--max-count={_MOST_COMMITS}", "--format=%ct %H", "HEAD"
    )
    dated = (line.split() for line in listed.splitlines())
    own = str(int(at.timestamp()))
    return next(([commit] for date, commit in dated if date != own), [])
