"""Which key signs what the Git steps commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from airfreight.artifacts.git import GitClient
from airfreight.artifacts.git_signing import signing
from airfreight.errors import TerminalStepError
from airfreight.steps.git_worktree import Author, Worktree

_MARK = "airfreight-signed"


class SigningKeys:
    """The `signingKey` of each git-clone of this process, for the steps that commit there later.

    It lives in memory only: a clone remembers that it has one, never which.
    """

    def __init__(self) -> None:
        self._keys: dict[Path, str] = {}

    def keep(self, bare: Path, key: str) -> None:
        """Remember `key` for the clone, or that it has none."""
        self._keys.pop(bare, None)
        if key:
            self._keys[bare] = key
            (bare / _MARK).touch()

    def find(self, worktree: Worktree, author: Author | None = None) -> str:
        """Return the key of `author`, else of the git-clone, else of the repository's Connection; empty where none is.

        Raises TerminalStepError where git-clone brought one in another process: an unsigned commit was not asked for.
        """
        credential = worktree.remote.credential
        kept = self._keys.get(worktree.bare)
        key = (author and author.signing_key) or kept or (credential and credential.signing_key)
        if not key and (worktree.bare / _MARK).exists():
            raise TerminalStepError(
                "the signingKey of git-clone's author is gone, as the promotion waited in between: "
                "put it into `signing_key` of the extra of the repository's Connection"
            )
        return key or ""


@contextmanager
def signed(git: GitClient, key: str, at: datetime) -> Iterator[GitClient]:
    """Give a client that signs with `key`, or as it was where that is empty."""
    with signing(key, at) as config:
        yield replace(git, config=config)
