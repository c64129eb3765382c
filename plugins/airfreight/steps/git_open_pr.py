"""Step git-open-pr (`kargo.md` §2.4)."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from airfreight.artifacts.git import GitClient
from airfreight.artifacts.hosting.client import HostingClient
from airfreight.artifacts.hosting.protocol import NewPullRequest, PullRequest
from airfreight.errors import ArtifactError, NotFoundError, RetryableStepError
from airfreight.model.promotion import StepStatus
from airfreight.steps.base import StepContext, StepResult
from airfreight.steps.git_worktree import remote_of, require_ref_name
from airfreight.steps.pull_request import (
    PullRequestStep,
    RepositoryConfig,
    waiting_out_limits,
)

_SOURCE, _TARGET = "refs/airfreight/source", "refs/airfreight/target"
_SEPARATOR = "\x1f"

Label = Annotated[str, Field(min_length=1)]


class GitOpenPRConfig(RepositoryConfig):
    """What to merge into what, and how to word the request; `createTargetBranch` does nothing, as in Kargo."""

    source_branch: str = Field(min_length=1)
    target_branch: str = Field(min_length=1)
    title: str | None = Field(default=None, min_length=1)
    description: str | None = Field(default=None, min_length=1)
    labels: tuple[Label, ...] = ()
    create_target_branch: bool = False


@dataclass(frozen=True)
class _Tip:
    """The last commit of a branch."""

    commit: str
    tree: str
    message: str


class GitOpenPRStep(PullRequestStep[GitOpenPRConfig]):
    """Opens a pull request, or finds the one that asks for the same merge, be it open or merged already.

    Output: ``pr``, with ``id`` and ``url``. Skipped, without output, where the branches hold the same files.
    """

    kind = "git-open-pr"
    config_type = GitOpenPRConfig
    outside_effect = "opens a pull request"

    def run(self, config: GitOpenPRConfig, context: StepContext) -> StepResult:
        """Look for the pull request before opening one: in the output, then on the service."""
        if _names_one(context.previous_output):
            return StepResult(output=context.previous_output)
        require_ref_name(config.source_branch, "branch")
        require_ref_name(config.target_branch, "branch")
        return waiting_out_limits(context, lambda: self._open(config, context))

    def _open(self, config: GitOpenPRConfig, context: StepContext) -> StepResult:
        hosting = self._hosting(config, context)
        source, target = _tips(config, context)
        pull_request = _existing(hosting, config, source.commit)
        if pull_request is None:
            if target is None:
                raise RetryableStepError(
                    f"{config.repo_url} has no branch {config.target_branch!r}"
                )
            if target.tree == source.tree:
                same = f"{config.source_branch} and {config.target_branch} hold the same files"
                return StepResult(StepStatus.SKIPPED, message=f"no pull request: {same}")
            context.check_fence()
            pull_request = _create(hosting, _request(config, context, source), source.commit)
        _label(hosting, pull_request, config, context)
        output = {"pr": {"id": pull_request.number, "url": pull_request.url}}
        return StepResult(output=output, message=f"pull request {pull_request.url}")


def _names_one(output: Mapping[str, Any] | None) -> bool:
    named = (output or {}).get("pr")
    return isinstance(named, Mapping) and named.get("id") is not None


def _tips(config: GitOpenPRConfig, context: StepContext) -> tuple[_Tip, _Tip | None]:
    """Return the last commits of both branches, read from a repository that is thrown away."""
    remote = remote_of(context, config.repo_url, verify_tls=not config.insecure_skip_tls_verify)
    with tempfile.TemporaryDirectory(prefix="airfreight-pr-") as folder:
        bare = Path(folder) / "repository.git"
        GitClient(Path(folder), context.log).run("init", "--quiet", "--bare", str(bare))
        git = GitClient(bare, context.log, remote, bare=True)
        git.run("remote", "add", "origin", config.repo_url)
        source = _tip(git, config.source_branch, _SOURCE)
        if source is None:
            raise RetryableStepError(f"{config.repo_url} has no branch {config.source_branch!r}")
        return source, _tip(git, config.target_branch, _TARGET)


def _tip(git: GitClient, branch: str, ref: str) -> _Tip | None:
    options = ("--quiet", "--no-tags", "--depth=1", "--filter=tree:0")
    try:
        git.run("fetch", *options, "origin", f"+refs/heads/{branch}:{ref}")
    except NotFoundError as error:
        if "couldn't find remote ref" in str(error):
            return None
        raise
    text = git.run("log", "-1", f"--format=%H{_SEPARATOR}%T{_SEPARATOR}%B", ref)
    commit, tree, message = text.split(_SEPARATOR, 2)
    return _Tip(commit, tree, message.rstrip("\n"))


def _existing(hosting: HostingClient, config: GitOpenPRConfig, commit: str) -> PullRequest | None:
    """Return the one to adopt: an open one before a merged one, the newest of those."""
    found = hosting.run(hosting.service.find(config.source_branch, config.target_branch))
    fitting = [
        one
        for one in found
        if one.state != "closed" and one.is_of(config.source_branch, config.target_branch, commit)
    ]
    return max(fitting, key=lambda one: (one.state == "open", one.number), default=None)


def _create(hosting: HostingClient, new: NewPullRequest, commit: str) -> PullRequest:
    """Open it; where somebody opened one between the branches meanwhile, take theirs."""
    created = hosting.run(hosting.service.create(new))
    if created is not None:
        return created
    found = hosting.run(hosting.service.find(new.source, new.target))
    theirs = (one for one in found if (one.source, one.target) == (new.source, new.target))
    newest = max(
        (one for one in theirs if one.state == "open"), key=lambda o: o.number, default=None
    )
    if newest is None:
        raise ArtifactError(
            f"{hosting.service.name} says that a pull request for {commit[:12]} from {new.source} to {new.target}"
            " exists already, and lists none"
        )
    return newest


def _label(
    hosting: HostingClient,
    pull_request: PullRequest,
    config: GitOpenPRConfig,
    context: StepContext,
) -> None:
    """Add the labels that an open pull request lacks: an earlier try may have ended between it and them."""
    missing = tuple(label for label in config.labels if label not in pull_request.labels)
    if not missing or pull_request.state != "open":
        return
    if hosting.service.has_labels:
        hosting.run(hosting.service.label(pull_request, missing))
    else:
        context.log.warning(
            "%s has no labels: those of the step are left out", hosting.service.name
        )


def _request(config: GitOpenPRConfig, context: StepContext, source: _Tip) -> NewPullRequest:
    first, _, rest = source.message.partition("\n")
    description = config.description
    if description is None:
        description = rest.strip("\n") if config.title is None else source.message
    return NewPullRequest(
        source=config.source_branch,
        target=config.target_branch,
        title=config.title or first,
        description="\n\n".join(filter(None, (description, _link(context)))),
        labels=config.labels,
    )


def _link(context: StepContext) -> str:
    base = context.settings.ui_base_url
    place = f"{base}/dags?tags={context.project}"
    return f"[Stage {context.stage} of {context.project} in Airflow]({place})" if base else ""
