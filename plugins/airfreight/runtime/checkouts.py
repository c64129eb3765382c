"""What a plan's steps changed in the repositories that they checked out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from airfreight.artifacts.git import GitClient
from airfreight.steps.base import StepContext
from airfreight.steps.git_worktree import Worktree, worktrees_of

_DIFF = ("diff", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames")


@dataclass(frozen=True)
class CheckoutChange:
    """One checkout; `branch` is empty where none is checked out.

    `messages` are those of its new commits, oldest first. `committed` is the unified diff of all these, `uncommitted`
    that of what no git-commit took up.
    """

    path: str
    url: str
    branch: str
    messages: tuple[str, ...]
    committed: str
    uncommitted: str


class Checkouts:
    """Remembers of each checkout at which commit it began."""

    def __init__(self) -> None:
        self._bases: dict[Path, tuple[Worktree, str]] = {}

    def note(self, context: StepContext) -> None:
        """Remember what the step that ran in this context has checked out, if it is a git-clone."""
        for worktree in worktrees_of(context):
            self._bases[worktree.place] = (worktree, worktree.head)

    def changes(self, root: Path, redact: Callable[[str], str]) -> tuple[CheckoutChange, ...]:
        """Return what became of each checkout that is still there; `root` is the work directory.

        Stages what is not committed. `redact` takes passwords out of a text.
        """
        kept = {place: based for place, based in self._bases.items() if (place / ".git").is_file()}
        return tuple(
            _change(worktree, base, root.resolve(), redact) for worktree, base in kept.values()
        )


def _change(
    worktree: Worktree, base: str, root: Path, redact: Callable[[str], str]
) -> CheckoutChange:
    login = worktree.remote.credential

    def shown(text: str) -> str:
        return redact(login.mask(text) if login else text)

    git = replace(worktree.git, config={**worktree.git.config, "core.quotePath": "false"})
    git.run("add", "--all")
    return CheckoutChange(
        path=worktree.place.relative_to(root).as_posix(),
        url=worktree.remote.url,
        branch=git.attempt("symbolic-ref", "--quiet", "--short", "HEAD").stdout,
        messages=tuple(map(shown, _messages(git, base))),
        committed=shown(git.run(*_DIFF, base, "HEAD", "--")),
        uncommitted=shown(git.run(*_DIFF, "--cached", "HEAD", "--")),
    )


def _messages(git: GitClient, base: str) -> list[str]:
    log = git.run("log", "--reverse", "--format=%B%x00", f"{base}..HEAD")
    return [message.strip("\n") for message in log.split("\0") if message.strip("\n")]
