"""Step github-push (`kargo.md` §2.4)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import Field, model_validator

from airfreight.artifacts.git_urls import commit_url, provider_of, web_address
from airfreight.artifacts.hosting.client import HostingClient
from airfreight.artifacts.hosting.github import GitHub
from airfreight.artifacts.hosting.github_data import (
    NewCommit,
    Person,
    create_branch,
    create_commit,
    delete_ref,
    update_branch,
)
from airfreight.errors import (
    AirfreightError,
    ArtifactError,
    NotFoundError,
    RetryableStepError,
    TerminalStepError,
)
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.git_integration import integrate, require_policy
from airfreight.steps.git_worktree import Text, Worktree, open_worktree
from airfreight.steps.own_branch import pushed_before
from airfreight.steps.pull_request import client_of, waiting_out_limits
from airfreight.steps.push_target import delay_before, target_branch

_SEPARATOR = "\x1f"
_FORMAT = _SEPARATOR.join(("%T", "%P", "%an", "%ae", "%aI", "%cn", "%ce", "%cI", "%B"))


class GitHubPushConfig(StepConfig):
    """What to push where; neither `targetBranch` nor `generateTargetBranch` means the branch checked out."""

    path: Text
    target_branch: str | None = Field(default=None, min_length=1)
    generate_target_branch: bool = False
    force: bool = False
    max_attempts: int = Field(default=10, ge=1, le=2**31 - 1)
    insecure_skip_tls_verify: bool = Field(default=False, alias="insecureSkipTLSVerify")

    @model_validator(mode="after")
    def _fits_together(self) -> GitHubPushConfig:
        if self.target_branch is not None and self.generate_target_branch:
            raise ValueError("expected at most one of targetBranch and generateTargetBranch")
        return self


@dataclass(frozen=True)
class _Commit:
    """A commit of the checkout; people are dated as ISO 8601 with their zone."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str


class GitHubPushStep(PromotionStep[GitHubPushConfig]):
    """Pushes the commits of a checkout so that GitHub makes them, and may show them as verified.

    The files reach GitHub by a hidden ref; each commit is made again through the Git Data API; then the branch is set.
    Output: ``commit``, the full SHA of the last one as GitHub made it; ``branch``; ``commitURL``.

    :param sleep: waits for so many seconds between two tries.
    :param chance: draws from 0 to 1, to spread the tries of those who compete.
    :param provider: tells which service hosts the repository at a URL.
    """

    kind = "github-push"
    config_type = GitHubPushConfig
    outside_effect = "pushes to the repository"

    def __init__(
        self,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        provider: Callable[[str], str | None] = provider_of,
    ) -> None:
        self._sleep = sleep
        self._chance = chance
        self._provider = provider

    def run(self, config: GitHubPushConfig, context: StepContext) -> StepResult:
        """Push, after a rebase where others were faster; the checkout then holds what GitHub made."""
        return waiting_out_limits(context, lambda: self._run(config, context))

    def _run(self, config: GitHubPushConfig, context: StepContext) -> StepResult:
        worktree = open_worktree(context, config.path)
        github = _service(worktree, self._provider(worktree.remote.url))
        verify = not config.insecure_skip_tls_verify
        login = worktree.remote.credential
        hosting = client_of(context, github, login, self._sleep, verify=verify)
        branch = target_branch(
            worktree, config.target_branch, config.generate_target_branch, context
        )
        require_policy(context.settings.git_push_integration_policy)
        replay = _Replay(
            worktree=worktree,
            hosting=hosting,
            github=github,
            branch=branch,
            force=config.force or config.generate_target_branch,
            own=config.generate_target_branch,
            context=context,
        )
        try:
            self._push(replay, config)
        finally:
            replay.clean_up()
        commit = worktree.head
        output: dict[str, Any] = {"commit": commit, "branch": branch}
        url = commit_url(worktree.remote.url, commit, github.name)
        return StepResult(output=output | ({"commitURL": url} if url else {}))

    def _push(self, replay: _Replay, config: GitHubPushConfig) -> None:
        refusal = ""
        for attempt in range(config.max_attempts):
            if attempt:
                self._sleep(delay_before(attempt, self._chance()))
            refusal = replay.attempt()
            if not refusal:
                return
        raise RetryableStepError(
            f"GitHub refused each of {config.max_attempts} attempts to set branch {replay.branch!r}: {refusal}"
        )


@dataclass(frozen=True)
class _Replay:
    """One push: from the checkout's HEAD to `branch`, which is the Promotion's `own` or not."""

    worktree: Worktree
    hosting: HostingClient
    github: GitHub
    branch: str
    force: bool
    own: bool
    context: StepContext

    def attempt(self) -> str:
        """Push once; return why GitHub refuses to set the branch (somebody else moved it), else an empty text."""
        if self.own:
            kept = pushed_before(self.worktree.git, self.branch, self.context.started_at)
            if kept is not None:
                self._sync(kept)
                return ""
        if not self.force:
            policy = self.context.settings.git_push_integration_policy
            integrate(self.worktree.git, self.branch, policy, self.context.started_at)
        target = self._fetch(self.branch)
        base = target or self._fetch(self._current_branch())
        commits = self._commits(base)
        self._check_number(commits)
        if target and (target == self.worktree.head or self._is_there(target, commits)):
            self._sync(target)
            return ""
        self.context.check_fence()
        self.worktree.git.run("push", "--quiet", "--force", "origin", f"HEAD:{self._staging}")
        head = self._make(commits)
        self.context.check_fence()
        set_branch = (
            create_branch(self.github, self.branch, head)
            if target is None
            else update_branch(self.github, self.branch, head, force=self.force)
        )
        refusal = self.hosting.run(set_branch)
        if not refusal:
            self._sync(self._fetch(self.branch) or head)
        return refusal

    def clean_up(self) -> None:
        """Delete the hidden ref; one that stays does no harm."""
        try:
            self.hosting.run(delete_ref(self.github, self._staging))
        except AirfreightError as error:
            self.context.log.warning("%s stays: %s", self._staging, error)

    @property
    def _staging(self) -> str:
        return f"refs/kargo/staging/{self.context.promotion}"

    def _fetch(self, branch: str) -> str | None:
        """Return the tip of a branch of the remote, or None where there is no such branch."""
        ref = f"refs/remotes/origin/{branch}"
        git = self.worktree.git
        try:
            git.run("fetch", "--quiet", "--no-tags", "origin", f"+refs/heads/{branch}:{ref}")
        except NotFoundError:
            return None
        return git.run("rev-parse", ref)

    def _current_branch(self) -> str:
        current = self.worktree.git.attempt("symbolic-ref", "--quiet", "--short", "HEAD")
        if current.status:
            raise TerminalStepError(
                f"branch {self.branch!r} is not there yet, and no branch is checked out to begin it from"
            )
        return current.stdout

    def _commits(self, base: str | None, tip: str = "HEAD") -> list[_Commit]:
        """Return what `tip` has and `base` has not, parents first."""
        unwanted = [f"^{base}"] if base else []
        git = self.worktree.git
        listed = git.run("rev-list", "--reverse", "--topo-order", tip, *unwanted).split()
        limit = self.context.settings.github_push_max_revisions
        # One more than may be: enough to refuse, and no thousands of them are read.
        return [self._read(sha) for sha in listed[: limit + 1]]

    def _read(self, sha: str) -> _Commit:
        text = self.worktree.git.run("log", "-1", f"--format={_FORMAT}", sha)
        tree, parents, *people, message = text.split(_SEPARATOR, 8)
        author, committer = Person(*people[:3]), Person(*people[3:])
        return _Commit(sha, tree, tuple(parents.split()), author, committer, message.rstrip("\n"))

    def _check_number(self, commits: list[_Commit]) -> None:
        limit = self.context.settings.github_push_max_revisions
        if len(commits) > limit:
            raise TerminalStepError(
                f"more than {limit} commits are to be pushed to {self.branch!r}: "
                "push fewer, or raise the setting github_push_max_revisions"
            )

    def _is_there(self, target: str, commits: list[_Commit]) -> bool:
        """Say whether `target` ends in these very commits as GitHub made them: an earlier try got that far."""
        base = self.worktree.git.attempt("merge-base", "HEAD", target).stdout or None
        theirs = self._commits(base, target)
        made = [(self._new(one, {}).message, one.tree) for one in commits]
        return bool(commits) and made == [(one.message, one.tree) for one in theirs]

    def _make(self, commits: list[_Commit]) -> str:
        """Make the commits through the API and return the last one's SHA; HEAD itself where there is none to make."""
        made: dict[str, str] = {}
        for commit in commits:
            new = self._new(commit, made)
            made[commit.sha] = self.hosting.run(create_commit(self.github, new))
        head = self.worktree.head
        return made.get(head, head)

    def _new(self, commit: _Commit, made: dict[str, str]) -> NewCommit:
        parents = tuple(made.get(parent, parent) for parent in commit.parents)
        if not self.context.settings.github_push_verify_untrusted_commits:
            return NewCommit(commit.tree, parents, commit.message, commit.author, commit.committer)
        trailer = f"Co-authored-by: {commit.author.name} <{commit.author.email}>"
        return NewCommit(commit.tree, parents, f"{commit.message}\n\n{trailer}")

    def _sync(self, commit: str) -> None:
        self.worktree.git.run("reset", "--quiet", "--hard", commit)


def _service(worktree: Worktree, provider: str | None) -> GitHub:
    """Return the repository on GitHub; raises TerminalStepError where it is elsewhere or has no login."""
    url = worktree.remote.url
    if provider != "github":
        raise TerminalStepError(
            f"github-push needs a repository on GitHub, and {url} is none: use git-push"
        )
    if worktree.remote.credential is None:
        raise TerminalStepError(f"no git credential of the project is for {url}")
    try:
        return GitHub(web_address(url))
    except ArtifactError as error:
        raise TerminalStepError(str(error)) from None
