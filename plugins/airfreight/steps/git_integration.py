"""How the commits of a checkout come on top of what others pushed (`kargo.md` §2.4, git-push)."""

from __future__ import annotations

from datetime import datetime

from airfreight.artifacts.git import GitClient, dated
from airfreight.errors import NotFoundError, SettingsError, TerminalStepError

POLICIES = ("AlwaysRebase", "RebaseOrMerge", "RebaseOrFail", "AlwaysMerge", "None")
_TRUSTED = frozenset("GU")  # good signatures: git knows no other key than ours


def require_policy(policy: str) -> None:
    """Raise SettingsError where there is no such policy."""
    if policy not in POLICIES:
        raise SettingsError(
            f"setting [airfreight] git_push_integration_policy: {policy!r} is none of {', '.join(POLICIES)}"
        )


def integrate(git: GitClient, branch: str, policy: str, at: datetime) -> str:
    """Bring HEAD up to the remote branch by `policy`; return the SHA that the branch has, empty where it is new.

    Raises TerminalStepError (Failed) at a conflict, and where RebaseOrFail would have to forge a commit.
    """
    upstream = f"refs/remotes/origin/{branch}"
    try:
        git.run("fetch", "--quiet", "--no-tags", "origin", f"+refs/heads/{branch}:{upstream}")
    except NotFoundError:
        return ""
    tip = git.run("rev-parse", upstream)
    behind = git.attempt("merge-base", "--is-ancestor", upstream, "HEAD").status != 0
    if behind and policy != "None":
        _Integration(git, branch, upstream, at).run(policy)
    return tip


class _Integration:
    """One rebase or merge."""

    def __init__(self, git: GitClient, branch: str, upstream: str, at: datetime) -> None:
        self._git = git
        self._branch = branch
        self._upstream = upstream
        self._when = dated(at)

    def run(self, policy: str) -> None:
        """Do what the policy wants."""
        if policy == "AlwaysMerge":
            self._merge()
        elif policy == "AlwaysRebase" or self._is_safe():
            self._rebase()
        elif policy == "RebaseOrMerge":
            self._merge()
        else:
            raise TerminalStepError(
                f"others pushed to branch {self._branch!r}, and a rebase would replace commits that this promotion "
                "cannot sign again as they were; nothing was pushed (policy RebaseOrFail)",
                failed=True,
            )

    def _is_safe(self) -> bool:
        """Say whether each commit to be replayed keeps what its signature says: ours is made anew, none stays none."""
        replayed = f"{self._upstream}..HEAD"
        if "user.signingKey" in self._git.config:
            return set(self._git.run("log", "--format=%G?", replayed).split()) <= _TRUSTED
        # %G? calls a signature that it cannot check none.
        raw = self._git.run("log", "--format=raw", replayed)
        return not any(line.startswith("gpgsig") for line in raw.splitlines())

    def _rebase(self) -> None:
        committed = {"GIT_COMMITTER_DATE": self._when["GIT_COMMITTER_DATE"]}
        self._do(["rebase", "--quiet", self._upstream], committed)

    def _merge(self) -> None:
        message = f"Merge branch '{self._branch}'"
        self._do(["merge", "--quiet", f"--message={message}", self._upstream], self._when)

    def _do(self, command: list[str], environment: dict[str, str]) -> None:
        outcome = self._git.attempt(*command, environment=environment)
        if outcome.status == 0:
            return
        conflicts = self._git.attempt("diff", "--name-only", "--diff-filter=U").stdout
        self._git.attempt(command[0], "--abort")
        if not conflicts:
            raise self._git.error(command[0], outcome)
        raise TerminalStepError(
            f"the commits conflict with what others pushed to branch {self._branch!r}, "
            f"in {', '.join(conflicts.splitlines())}; nothing was pushed",
            failed=True,
        )
