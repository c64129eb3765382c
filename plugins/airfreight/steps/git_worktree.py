"""What the Git steps share: bare repositories in the work directory, worktrees beside them, errors as step errors.

A clone lies in ``.airfreight/<hash of the step's alias>.git`` of the work directory; its worktrees lie where `checkout`
says. Both links between a worktree and its repository are relative, so that the work directory may move.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from airfreight.artifacts.git import GitClient
from airfreight.artifacts.git_access import GitRemote
from airfreight.artifacts.git_urls import check_ref_name
from airfreight.errors import (
    ArtifactError,
    AuthenticationError,
    NotFoundError,
    RetryableStepError,
    SettingsError,
    TerminalStepError,
    TransientError,
)
from airfreight.steps.base import StepConfig, StepContext
from airfreight.steps.workdir import GIT_STORE

_LINK = "gitdir: "

Text = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]+$")]


class Author(StepConfig):
    """Who a commit is by."""

    name: str = Field(min_length=1, pattern=r"^[^\x00-\x1f<>]+$")
    email: str = Field(pattern=r"^[^@\s<>]+@[^@\s<>]+$")
    signing_key: str | None = Field(default=None, min_length=1, repr=False)


@contextmanager
def step_errors() -> Iterator[None]:
    """Raise what git could not do as a step error: no retry for a refused login or a thing that is not there."""
    try:
        yield
    except (AuthenticationError, NotFoundError, SettingsError) as error:
        raise TerminalStepError(str(error)) from None
    except ArtifactError as error:
        raise RetryableStepError(str(error)) from None


def remote_of(context: StepContext, url: str, *, verify_tls: bool = True) -> GitRemote:
    """Return the repository at `url` with the login that the project has for it; raises a StepError."""
    try:
        return GitRemote(
            url,
            context.credentials.find("git", url),
            context.settings.allow_credentials_over_http,
            verify_tls,
            context.settings.allow_loopback,
        )
    except TransientError as error:
        raise RetryableStepError(str(error)) from None
    except (ArtifactError, SettingsError) as error:
        raise TerminalStepError(str(error)) from None


def require_ref_name(name: str, what: str) -> None:
    """Raise TerminalStepError where no `what` (branch, tag) can have this name."""
    try:
        check_ref_name(name, what)
    except ArtifactError as error:
        raise TerminalStepError(str(error)) from None


def bare_repository(context: StepContext) -> Path:
    """Return where the clone of this step lies, made or not."""
    digest = hashlib.sha256(context.alias.encode()).hexdigest()[:12]
    return context.workdir.root.resolve() / GIT_STORE / f"{digest}.git"


@dataclass(frozen=True)
class Worktree:
    """A checkout in the work directory, with the client for it."""

    place: Path
    git: GitClient
    remote: GitRemote

    @property
    def bare(self) -> Path:
        """The clone that this is a checkout of; a submodule's own repository."""
        administration = _administration(self.place)
        shared = administration / "commondir"
        return (
            (administration / shared.read_text().strip()).resolve()
            if shared.is_file()
            else administration
        )

    @property
    def head(self) -> str:
        """The full SHA of the commit that is checked out."""
        return self.git.run("rev-parse", "HEAD")


def worktrees_of(context: StepContext) -> list[Worktree]:
    """Return what the git-clone step whose context this is has checked out; nothing for any other step."""
    records = sorted(bare_repository(context).glob("worktrees/*/gitdir"))
    places = [linked_place(record.parent) for record in records]
    root = context.workdir.root.resolve()
    return [open_worktree(context, os.path.relpath(place, root)) for place in places]


def open_worktree(context: StepContext, path: str) -> Worktree:
    """Return the worktree that `path` is or lies in; raises TerminalStepError where a git-clone made none."""
    root = context.workdir.root.resolve()
    wanted = context.workdir.existing(path)
    inside = (place for place in (wanted, *wanted.parents) if place.is_relative_to(root))
    place = next((place for place in inside if _repository_of(place, root)), None)
    if place is None:
        raise TerminalStepError(
            f"path {path!r} is in no checkout: a git-clone step has to put a repository there first"
        )
    local = GitClient(place, context.log)
    url = local.run("config", "--get", "remote.origin.url")
    remote = remote_of(context, url)
    return Worktree(place, GitClient(place, context.log, remote), remote)


def repair_worktrees(workdir_root: Path) -> None:
    """Make the links between worktrees and repositories right after a work directory was moved or restored.

    Needs no git; does nothing where nothing was cloned, and writes nothing outside of the work directory.
    """
    root = workdir_root.resolve()
    for record in (root / GIT_STORE).glob("*.git/worktrees/*/gitdir"):
        place = linked_place(record.parent)
        if all(link.resolve().is_relative_to(root) for link in (record, place / ".git")):
            link_worktree(record.parent, place)


def link_worktree(administration: Path, place: Path) -> None:
    """Tie a worktree at `place` and its folder in the repository together by relative paths."""
    if place.is_dir() and not place.is_symlink():
        (place / ".git").write_text(f"{_LINK}{os.path.relpath(administration, place)}\n")
        link = os.path.relpath(place / ".git", administration)
        (administration / "gitdir").write_text(f"{link}\n")


def linked_place(administration: Path) -> Path:
    """Return where the worktree of this folder of a repository lies."""
    recorded = (administration / "gitdir").read_text().strip()
    return Path(os.path.normpath(administration / recorded)).parent


def _repository_of(place: Path, root: Path) -> bool:
    """Say whether `place` is a worktree of a clone of ours: a `.git` from elsewhere could make git start programs."""
    link = place / ".git"
    if link.is_symlink() or not link.is_file():
        return False
    return _administration(place).is_relative_to(root / GIT_STORE)


def _administration(place: Path) -> Path:
    """Return the folder that Git keeps for the worktree at `place`."""
    target = (place / ".git").read_text(errors="replace").removeprefix(_LINK).strip()
    return (place / target).resolve()
