"""Step git-clone (`kargo.md` §2.4)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from airfreight.artifacts.bare_clone import BareClone
from airfreight.artifacts.git import GitClient, identity
from airfreight.artifacts.git_access import GitRemote
from airfreight.errors import NotFoundError, TerminalStepError
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.git_signing import SigningKeys, signed
from airfreight.steps.git_submodules import check_out_submodules
from airfreight.steps.git_worktree import (
    Author,
    Text,
    bare_repository,
    link_worktree,
    linked_place,
    remote_of,
    require_ref_name,
    step_errors,
)


def _one_as_list(value: Any) -> Any:
    """Kargo's schema wants a list; manifests in the wild give the only checkout bare."""
    return [value] if isinstance(value, Mapping) else value


SparsePattern = Annotated[str, Field(min_length=1, pattern=r"^[^-\x00-\x1f][^\x00-\x1f]*$")]


class Checkout(StepConfig):
    """One worktree: of a branch, a commit or a tag, else of the default branch."""

    path: Text
    as_: str | None = Field(default=None, alias="as", min_length=1)
    branch: str | None = Field(default=None, min_length=1)
    commit: str | None = Field(default=None, min_length=1)
    tag: str | None = Field(default=None, min_length=1)
    create: bool = False
    sparse: tuple[SparsePattern, ...] | None = Field(default=None, min_length=1)

    @property
    def key(self) -> str:
        """The name of this checkout in the output `commits`."""
        return self.as_ or self.path

    @model_validator(mode="after")
    def _fits_together(self) -> Checkout:
        if sum(part is not None for part in (self.branch, self.commit, self.tag)) > 1:
            raise ValueError("expected at most one of branch, commit and tag")
        if self.create and self.branch is None:
            raise ValueError("create makes a branch: say which with branch")
        return self


class GitCloneConfig(StepConfig):
    """Which repository to clone and what of it to check out where."""

    repo_url: str = Field(alias="repoURL", min_length=1)
    checkout: Annotated[tuple[Checkout, ...], BeforeValidator(_one_as_list), Field(min_length=1)]
    author: Author | None = None
    blobless: bool = False
    recurse_submodules: bool = False
    insecure_skip_tls_verify: bool = Field(default=False, alias="insecureSkipTLSVerify")

    @model_validator(mode="after")
    def _no_collision(self) -> GitCloneConfig:
        paths = [os.path.normpath(checkout.path.strip("/")) for checkout in self.checkout]
        keys = [checkout.key for checkout in self.checkout]
        for what, names in (("path", paths), ("output key (as or path)", keys)):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"two checkouts have the {what} {twice!r}")
        return self


class GitCloneStep(PromotionStep[GitCloneConfig]):
    """Clones a repository bare and adds a worktree for each checkout.

    Output: ``commits``, a full SHA by each checkout's `as` or else its `path`.

    :param keys: takes the author's signing key for the steps of this process that commit later.
    """

    kind = "git-clone"
    config_type = GitCloneConfig
    outside_effect = ""

    def __init__(self, keys: SigningKeys | None = None) -> None:
        self._keys = keys or SigningKeys()

    def run(self, config: GitCloneConfig, context: StepContext) -> StepResult:
        """Clone afresh: what an earlier try of this step left is taken away first."""
        remote = remote_of(context, config.repo_url, verify_tls=not config.insecure_skip_tls_verify)
        bare = bare_repository(context)
        _remove_earlier(bare, context)
        for checkout in config.checkout:
            _free_place(context, checkout.path)
        with step_errors():
            bare.parent.mkdir(exist_ok=True)
            _clone_bare(remote, bare, config, context)
            git = GitClient(bare, context.log, remote, bare=True)
            own = (config.author and config.author.signing_key) or ""
            self._keys.keep(bare, own)
            key = own or (remote.credential.signing_key if remote.credential else "")
            commits, made = {}, []
            for checkout in config.checkout:
                run = _CheckoutRun(git, checkout, context, key)
                commits[checkout.key] = run.make(config)
                made += run.new_branches
        message = f"new branch: {', '.join(made)}" if made else ""
        return StepResult(output={"commits": commits}, message=message)


class _CheckoutRun:
    """Makes one worktree of a bare clone."""

    def __init__(
        self, git: GitClient, checkout: Checkout, context: StepContext, signing_key: str
    ) -> None:
        self._git = git
        self._checkout = checkout
        # Looked up now: the checkout before this one may have brought links.
        self._place = _free_place(context, checkout.path)
        self._context = context
        self._signing_key = signing_key
        self.new_branches: list[str] = []

    def make(self, config: GitCloneConfig) -> str:
        """Return the SHA that was checked out."""
        self._place.parent.mkdir(parents=True, exist_ok=True)
        before = set(_administrations(self._git.place))
        what = self._revision(config)
        self._git.run("worktree", "add", "--quiet", "--no-checkout", *what)
        (administration,) = set(_administrations(self._git.place)) - before
        link_worktree(administration, self._place)
        git = GitClient(self._place, self._git.log, self._git.remote)
        if self._checkout.sparse:
            git.run("sparse-checkout", "set", "--cone", *self._checkout.sparse)
        git.run("read-tree", "-mu", "HEAD")
        if config.recurse_submodules:
            check_out_submodules(git, self._context, verify_tls=not config.insecure_skip_tls_verify)
        return git.run("rev-parse", "HEAD")

    def _revision(self, config: GitCloneConfig) -> list[str]:
        checkout, place = self._checkout, str(self._place)
        if checkout.commit is not None or checkout.tag is not None:
            return ["--detach", place, self._fixed_commit()]
        branch = checkout.branch or self._git.run("symbolic-ref", "--short", "HEAD")
        require_ref_name(branch, "branch")
        if not self._has(f"refs/heads/{branch}"):
            self._create(branch, config)
        return [place, branch]

    def _fixed_commit(self) -> str:
        name = self._checkout.commit or f"refs/tags/{self._checkout.tag}"
        require_ref_name(self._checkout.commit or self._checkout.tag or "", "commit or tag")
        if not self._has(name):
            raise NotFoundError(f"{self._url} has no {self._what()}")
        return self._git.run("rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")

    def _what(self) -> str:
        named = self._checkout.commit
        return f"commit {named!r}" if named else f"tag {self._checkout.tag!r}"

    def _create(self, branch: str, config: GitCloneConfig) -> None:
        """Push an empty commit as the new `branch`: dated by the Promotion, so that a repeat makes the same.

        In a plan the branch is in the clone only.
        """
        if not self._checkout.create:
            hint = "" if self._checkout.branch is None else "; create: true would make it"
            raise NotFoundError(f"{self._url} has no branch {branch!r}{hint}")
        name, email = _author(config, self._context)
        dated_author = identity(name, email, self._context.started_at)
        tree = self._git.run("hash-object", "-t", "tree", "-w", os.devnull)
        with signed(self._git, self._signing_key, self._context.started_at) as git:
            sign = ["-S"] if self._signing_key else []
            commit = git.run(
                "commit-tree", *sign, tree, "-m", "Initial commit", environment=dated_author
            )
        if not self._context.planning:
            self._context.check_fence()
            self._git.run("push", "--quiet", "origin", f"{commit}:refs/heads/{branch}")
        self._git.run("update-ref", f"refs/heads/{branch}", commit)
        self.new_branches.append(branch)

    def _has(self, name: str) -> bool:
        found = self._git.attempt(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
        )
        return found.status == 0

    @property
    def _url(self) -> str:
        return self._git.remote.url if self._git.remote else "the repository"


def _clone_bare(
    remote: GitRemote, bare: Path, config: GitCloneConfig, context: StepContext
) -> None:
    name, email = _author(config, context)
    options = [f"--config=user.name={name}", f"--config=user.email={email}"]
    if config.insecure_skip_tls_verify:
        options.append("--config=http.sslVerify=false")
    most = context.settings.max_workspace_size
    clone = BareClone(remote, bare, context.log, options, config.blobless, most_bytes=most)
    clone.make(context.settings.cache, context.check_fence)


def _author(config: GitCloneConfig, context: StepContext) -> tuple[str, str]:
    if config.author is not None:
        return config.author.name, config.author.email
    return context.settings.author_name, context.settings.author_email


def _administrations(bare: Path) -> list[Path]:
    return sorted(record.parent for record in bare.glob("worktrees/*/gitdir"))


def _remove_earlier(bare: Path, context: StepContext) -> None:
    """Remove the clone and the worktrees of an earlier try of this very step, and nothing else."""
    root = context.workdir.root.resolve()
    for administration in _administrations(bare):
        place = linked_place(administration)
        ours = place.is_relative_to(root) and place != root and not place.is_symlink()
        if ours and place.is_dir():
            shutil.rmtree(place)
    if bare.is_dir():
        shutil.rmtree(bare)


def _free_place(context: StepContext, path: str) -> Path:
    place = context.workdir.join(path)
    taken = place.is_symlink() or (place.exists() and not place.is_dir())
    if taken or (place.is_dir() and any(place.iterdir())):
        raise TerminalStepError(f"checkout path {path!r} is taken: expected an empty or new folder")
    return place
