"""One bare copy of a repository for all that read it on this machine: every branch and tag, no file contents.

Kept under ``<root>/<key>.git``, with its locks beside it. A lock is one of the kernel's: it ends with the process that
holds it, however that ends. A copy appears under its name when it is complete, and one that git cannot use any more is
made anew. Neither address nor login stays in it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from airfreight.artifacts.commits import StaleMirrorError
from airfreight.artifacts.git import DebugLog, GitClient
from airfreight.artifacts.git_access import GitRemote
from airfreight.artifacts.git_limits import GitLimits
from airfreight.errors import ArtifactError, AuthenticationError, TransientError

_REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_FETCH = (
    "fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
    "--update-head-ok", "--filter=blob:none", "origin", *_REFSPECS,
)  # fmt: skip
# Not in the copy's own configuration: whoever reads it would ask the server for what is missing, object by object.
_PARTIAL = {"remote.origin.promisor": "true", "remote.origin.partialclonefilter": "blob:none"}
_CLONE = ("clone", "--quiet", "--bare", "--template=", "--filter=blob:none")
MIRRORS = ("git", "mirrors")
"""Where copies lie in the cache folder."""
_FETCHED = "fetched"  # the packs that were there after the last fetch, with their sizes
_MOST_PACKS = 50  # each fetch adds one, and each read opens them all
_READ = GitLimits(seconds=300, output=1 << 25)  # several are held in memory at once, and as text
_TOUCH_SECONDS = 600.0


@dataclass(frozen=True)
class GitMirror:
    """The copy of one repository; all methods block."""

    root: Path
    key: str
    log: DebugLog

    @classmethod
    def of(cls, remote: GitRemote, cache: Path, log: DebugLog) -> GitMirror:
        """Return the copy of `remote` for its login, made or not; `cache` is this machine's folder."""
        user = remote.credential.username if remote.credential else ""
        return cls(cache.joinpath(*MIRRORS), mirror_key(remote.url, user), log)

    @property
    def place(self) -> Path:
        """Where the bare repository lies, if there is one."""
        return self.root / f"{self.key}.git"

    def generation(self) -> int:
        """Return a number that changes with each successful fetch; zero before the first."""
        try:
            return (self.place / _FETCHED).stat().st_mtime_ns
        except OSError:
            return 0

    @contextmanager
    def reading(self, memory: int = _READ.memory, *, wait: bool = True) -> Iterator[GitClient]:
        """Give a client that can only read what is there, in so many bytes; meanwhile nobody evicts the copy.

        Raises StaleMirrorError where there is none, and unless it may `wait` also where somebody takes it away.
        """
        how = fcntl.LOCK_SH if wait else fcntl.LOCK_SH | fcntl.LOCK_NB
        with _locked(self.root / f"{self.key}.use", how) as held:
            if not held or not self._is_whole():
                raise StaleMirrorError("there is no whole mirror yet")
            self.touch()
            limits = replace(_READ, memory=memory)
            yield GitClient(self.place, self.log, bare=True, limits=limits)

    def refresh(
        self, remote: GitRemote, limits: GitLimits, *, known: int, since: float, anew: bool = False
    ) -> bool:
        """Fetch, unless somebody did after the generation `known`; False where somebody is at it now.

        `anew` makes the copy from nothing. Where somebody failed after `since` (of the clock) for a reason that may
        pass, that error is raised again: who waited in line for a dead server need not wait for it each in turn.
        Raises ArtifactError.
        """
        with _locked(self.root / f"{self.key}.lock", fcntl.LOCK_EX | fcntl.LOCK_NB) as held:
            if not held:
                return False
            if self.generation() == known:
                self._raise_failure(since)
                self._fetch_noting_failure(remote, limits, anew)
        return True

    def _fetch_noting_failure(self, remote: GitRemote, limits: GitLimits, anew: bool) -> None:
        try:
            if anew or not self._is_whole() or not self._update(remote, limits):
                self._make(remote, limits)
        except TransientError as error:
            self._failed.write_text(json.dumps([time.time(), str(error)]))
            raise

    def _is_whole(self) -> bool:
        """Say whether all that was fetched is there."""
        try:
            noted = json.loads((self.place / _FETCHED).read_text())
            return bool(noted.items() <= _packs(self.place).items())
        except (OSError, ValueError, AttributeError):
            return False

    def _update(self, remote: GitRemote, limits: GitLimits) -> bool:
        """Fetch what is new; False where the copy cannot take it."""
        self._remove_leftovers()
        config = {**_PARTIAL, "remote.origin.url": remote.url, "fetch.unpackLimit": "1"}
        git = GitClient(self.place, self.log, remote, bare=True, config=config, limits=limits)
        try:
            git.run(*_FETCH)
        except (AuthenticationError, TransientError):
            raise
        except ArtifactError as error:
            self.log.debug("the mirror %s is made anew: %s", self.key, error)
            return False
        self._pack(limits)
        _note(self.place)
        return True

    def _remove_leftovers(self) -> None:
        """Remove what a fetch or repack that was killed had half written."""
        for pattern in ("tmp_*", ".tmp-*"):
            for left in self.place.glob(f"objects/pack/{pattern}"):
                left.unlink(missing_ok=True)

    def _make(self, remote: GitRemote, limits: GitLimits) -> None:
        new, old = self.root / f"{self.key}.new", self.root / f"{self.key}.old"
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
        git = GitClient(self.root, self.log, remote, limits=limits)
        git.run(*_CLONE, "--", remote.url, str(new))
        local = GitClient(new, self.log, bare=True, limits=_READ)
        local.run("config", "--remove-section", "remote.origin")
        _note(new)
        with suppress(FileNotFoundError):
            self.place.rename(old)
        new.rename(self.place)
        shutil.rmtree(old, ignore_errors=True)

    def _pack(self, limits: GitLimits) -> None:
        """Make one pack of many. What was fetched is good without that, so that no fault of it fails the fetch."""
        if len(_packs(self.place)) <= _MOST_PACKS:
            return
        git = GitClient(self.place, self.log, bare=True, config=_PARTIAL, limits=limits)
        try:
            git.attempt("repack", "-a", "-d", "--quiet")
            git.attempt("pack-refs", "--all")
        except ArtifactError as error:
            self.log.debug("the mirror %s keeps its many packs: %s", self.key, error)

    @property
    def _failed(self) -> Path:
        return self.root / f"{self.key}.failed"

    def _raise_failure(self, since: float) -> None:
        try:
            at, message = json.loads(self._failed.read_text())
        except (OSError, ValueError):
            return
        if at > since:
            raise TransientError(message)

    def touch(self) -> None:
        """Note that the copy is wanted."""
        place = self.root / f"{self.key}.use"
        with suppress(OSError):
            if time.time() - place.stat().st_mtime > _TOUCH_SECONDS:
                os.utime(place)


def _packs(place: Path) -> dict[str, int]:
    return {pack.name: pack.stat().st_size for pack in place.glob("objects/pack/*.pack")}


def _note(place: Path) -> None:
    (place / _FETCHED).write_text(json.dumps(_packs(place)))


def mirror_key(url: str, user: str) -> str:
    """Return the name of the copy of `url` for logins of `user`, which is empty for an anonymous visit."""
    return hashlib.sha256(f"{url}\0{user}".encode()).hexdigest()[:32]


def evict_mirrors(root: Path, *, most_bytes: int, expiry: float, keep: str) -> None:
    """Take away copies that nobody wanted for `expiry` seconds, and those wanted longest ago beyond `most_bytes`.

    One that somebody reads or fetches stays, and so does `keep`.
    """
    found = sorted(_by_use(root))
    sizes = {place: sum(_packs(place).values()) for _, place in found}
    total = sum(sizes.values())
    for wanted, place in found:
        superfluous = total > most_bytes or time.time() - wanted > expiry
        if superfluous and place.stem != keep and _take_away(place):
            total -= sizes[place]


def _by_use(root: Path) -> Iterator[tuple[float, Path]]:
    for place in root.glob("*.git"):
        with suppress(OSError):
            yield place.with_suffix(".use").stat().st_mtime, place


def _take_away(place: Path) -> bool:
    """Delete a copy; False where it is in use."""
    old = place.with_suffix(".old")
    flags = fcntl.LOCK_EX | fcntl.LOCK_NB
    with (
        _locked(place.with_suffix(".lock"), flags) as no_fetch,
        _locked(place.with_suffix(".use"), flags) as no_reader,
    ):
        if not (no_fetch and no_reader):
            return False
        shutil.rmtree(old, ignore_errors=True)
        place.rename(old)
        shutil.rmtree(old, ignore_errors=True)
    return True


@contextmanager
def _locked(place: Path, how: int) -> Iterator[bool]:
    """Hold the lock of a file; False where `how` does not wait and another process or thread holds it."""
    descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, how)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)
