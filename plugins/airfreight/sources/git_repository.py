"""A Git repository as one login sees it, over the mirror that all share on this machine.

Nothing is read but what is reached from ids that the server has just shown to this very login, so a mirror gives nobody
more than his own login does. Logins of one user name share a mirror: a token that was renewed needs no new one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from airfreight.artifacts.commits import DamagedMirrorError, StaleMirrorError
from airfreight.artifacts.git import GitClient
from airfreight.artifacts.git_access import GitRemote
from airfreight.artifacts.git_limits import GitLimits
from airfreight.artifacts.git_mirror import MIRRORS, GitMirror, evict_mirrors
from airfreight.artifacts.git_refs import RemoteRefs, list_refs
from airfreight.artifacts.private_folder import private_folder
from airfreight.errors import ArtifactError, TransientError
from airfreight.sources.base import Access
from airfreight.sources.git_marks import forget_marks

_log = logging.getLogger(__name__)
_TRIES = 4
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 1.0

# Not the loop's own threads: all use those for short work, and servers that do not answer would hold them all. A wait
# for a server costs no processor time, reading a mirror does.
NETWORK = ThreadPoolExecutor(32, "airfreight-git-network")
LOCAL = ThreadPoolExecutor(4, "airfreight-git-local")

T = TypeVar("T")


class GitRepository:
    """What one look may do; raises ArtifactError for an address that is not accepted.

    :param with_head: whether somebody needs the default branch.
    """

    def __init__(self, url: str, access: Access, *, verify_tls: bool, with_head: bool) -> None:
        settings, login = access.settings, access.credential
        self._remote = GitRemote(
            url, login, settings.allow_credentials_over_http, verify_tls, settings.allow_loopback
        )
        self._settings = settings
        self._with_head = with_head
        self._cache = access.cache
        self._folder = access.cache / "git"
        self._mirror = GitMirror.of(self._remote, self._cache, _log)

    @property
    def marks(self) -> Path:
        """The folder for what is remembered of subscriptions."""
        return self._folder / "marks"

    async def look(self) -> RemoteRefs:
        """Ask the server for branches and tags."""
        settings = self._settings
        limits = GitLimits(settings.git_poll_timeout, memory=settings.max_git_memory)
        return await self.blocking(
            NETWORK, lambda: list_refs(self._remote, _log, limits, with_head=self._with_head)
        )

    async def read(
        self, refs: RemoteRefs, reader: Callable[[GitClient, RemoteRefs], T]
    ) -> tuple[RemoteRefs, T]:
        """Return what `reader` makes of the mirror, and the refs that it saw: newer ones where `refs` were overtaken.

        `reader` raises StaleMirrorError where the mirror lacks what `refs` name: then it is fetched, or made anew
        where no fetch can help.
        """
        for attempt in range(_TRIES):
            known, damaged = self._mirror.generation(), False
            try:
                return refs, await self.blocking(LOCAL, partial(self._read, refs, reader))
            except StaleMirrorError as error:
                _log.debug("%s: %s", self._remote.url, error)
                damaged = isinstance(error, DamagedMirrorError)
            await self._refresh(known, anew=damaged)
            if attempt:
                refs = await self.look()
        raise TransientError("the repository changes faster than it can be read")

    def _read(self, refs: RemoteRefs, reader: Callable[[GitClient, RemoteRefs], T]) -> T:
        with self._mirror.reading(self._settings.max_git_memory) as git:
            return reader(git, refs)

    async def _refresh(self, known: int, *, anew: bool) -> None:
        started, wait = time.time(), _FIRST_WAIT
        while not await self.blocking(NETWORK, lambda: self._fetch(known, started, anew)):
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _fetch(self, known: int, started: float, anew: bool) -> bool:
        settings = self._settings
        limits = GitLimits(
            settings.git_fetch_timeout,
            file=settings.max_git_mirrors_size,
            memory=settings.max_git_memory,
        )
        done = self._mirror.refresh(self._remote, limits, known=known, since=started, anew=anew)
        if done and self._mirror.generation() != known:
            expiry = settings.git_mirror_expiry
            evict_mirrors(
                self._mirror.root,
                most_bytes=settings.max_git_mirrors_size,
                expiry=expiry,
                keep=self._mirror.key,
            )
            forget_marks(self.marks, expiry)
        return done

    async def touch(self) -> None:
        """Note that the mirror is wanted, though it need not be read."""
        await self.blocking(LOCAL, self._mirror.touch)

    async def blocking(self, threads: Executor, call: Callable[[], T]) -> T:
        """Return what `call` returns, in one of `threads`, which finds the folder for mirrors ours alone.

        Raises ArtifactError where a disk does not do its part, SettingsError where the folder may be somebody else's.
        """

        def checked() -> T:
            private_folder(self._cache, *MIRRORS)
            return call()

        try:
            return await asyncio.get_running_loop().run_in_executor(threads, checked)
        except OSError as error:
            raise ArtifactError(
                f"the folder for Git mirrors, {self._folder}, cannot be used: {error}"
            ) from error
