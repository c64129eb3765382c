"""A bare clone, whose objects come out of this machine's mirror as far as that has them.

The server is asked as for any clone, by the clone's own login. What it shows, and what that leads to, is all that stays
of the mirror in the clone, and nothing in it says that there is a mirror.

No git that may talk to a server reads the mirror: one that lacks an object would fetch it by another git, which lacks
it, too, and so on without an end. What is lent is a copy, which was found whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from airfreight.artifacts.commits import StaleMirrorError
from airfreight.artifacts.git import DebugLog, GitClient
from airfreight.artifacts.git_access import GitRemote
from airfreight.artifacts.git_limits import GitLimits
from airfreight.artifacts.git_mirror import MIRRORS, GitMirror
from airfreight.artifacts.private_folder import private_folder
from airfreight.errors import ArtifactError, AuthenticationError, SettingsError, TransientError

# Git's own way, which the client switches off: which commits are there is asked in the repository that lends them.
_LENT_REFS = {
    "core.alternateRefsCommand": 'f() { git --git-dir="$1" for-each-ref --format="%(objectname)"; }; f'
}
_NEWEST = ("rev-list", "--objects", "--quiet", "--missing=print", "--max-count=1", "--all")
# No search for deltas: nearly all that is packed has one already.
_PACK = ("pack-objects", "--quiet", "--non-empty", "--revs", "--all", "--window=0")
_BEYOND = ("rev-list", "--objects", "--filter=blob:none", "--max-count=1")
_MOST_STRANGE = 1000  # arguments of one git
_SECONDS = 300.0


@dataclass(frozen=True)
class BareClone:
    """A clone of `remote` at `place`, made with `options` of `git clone`; a `blobless` one has no file contents.

    From a mirror come `most_bytes` at most.
    """

    remote: GitRemote
    place: Path
    log: DebugLog
    options: Sequence[str] = ()
    blobless: bool = False
    most_bytes: int = field(kw_only=True)

    def make(self, cache: Path | None, check_fence: Callable[[], None]) -> None:
        """Clone, with the help of the mirror in `cache` where that helps; raises ArtifactError.

        `check_fence` is asked before a second try: what ended the first may have been an abort, which kills git once.
        """
        with suppress(FileNotFoundError):
            shutil.rmtree(self._loan)
        try:
            if cache and self._mirror(cache).place.is_dir():
                if self._made_from_mirror(cache):
                    return
                check_fence()
            self._clone({}, {})
        finally:
            shutil.rmtree(self._loan, ignore_errors=True)

    def _mirror(self, cache: Path) -> GitMirror:
        return GitMirror.of(self.remote, cache.resolve(), self.log)

    @property
    def _loan(self) -> Path:
        """Where the repository lies that lends objects, while the clone is made."""
        return self.place.with_suffix(".loan")

    @property
    def _lent(self) -> dict[str, str]:
        # By the environment, not by --reference: a clone that was not finished does not name it either.
        return {**_lent_by(self._loan), "GIT_NO_LAZY_FETCH": "1"}

    def _made_from_mirror(self, cache: Path) -> bool:
        """Clone; False, with nothing left of it, where the mirror may be the reason that it does not work."""
        try:
            self._borrow(cache)
        except (ArtifactError, OSError, SettingsError) as error:
            return self._given_up(error)
        try:
            self._clone(_LENT_REFS, self._lent)
        except (AuthenticationError, TransientError):
            raise
        except ArtifactError as error:
            return self._given_up(error)
        try:
            self._keep()
        except (ArtifactError, OSError) as error:
            return self._given_up(error)
        return True

    def _given_up(self, error: Exception) -> bool:
        self.log.debug("%s is cloned without its mirror: %s", self.remote.url, error)
        shutil.rmtree(self.place, ignore_errors=True)
        return False

    def _borrow(self, cache: Path) -> None:
        private_folder(cache, *MIRRORS)
        with self._mirror(cache).reading(wait=False) as kept:
            self._copy(kept)

    def _copy(self, kept: GitClient) -> None:
        if not self.blobless and not _has_contents(kept):
            raise StaleMirrorError("it holds no file contents")
        refs = kept.run("for-each-ref", "--format=%(objectname) %(refname)")
        if not refs:
            raise StaleMirrorError("it holds nothing")
        GitClient(self.place.parent, self.log).run(
            "init", "--quiet", "--bare", "--template=", str(self._loan)
        )
        (self._loan / "packed-refs").write_bytes(f"{refs}\n".encode(errors="surrogateescape"))
        loan = GitClient(self._loan, self.log, bare=True)
        self._pack(loan, _lent_by(kept.place))
        loan.run("for-each-ref", "--format=%(objecttype)")  # fails where one leads to nothing

    def _keep(self) -> None:
        """Make the clone's own what it has borrowed, and take away what its refs do not lead to."""
        loan = GitClient(self._loan, self.log, bare=True)
        own = GitClient(self.place, self.log, bare=True, limits=GitLimits(_SECONDS))
        strange = sorted(_tips(loan) - _tips(own))
        for file in (self._loan / "objects" / "pack").iterdir():
            file.rename(self.place / "objects" / "pack" / file.name)
        many = len(strange) > _MOST_STRANGE
        if many or (strange and own.run(*_BEYOND, *strange, "--not", "--all")):
            self._pack(own, {})

    def _clone(self, config: Mapping[str, str], environment: Mapping[str, str]) -> None:
        filter_ = ["--filter=blob:none"] if self.blobless else []
        git = GitClient(self.place.parent, self.log, self.remote, config=config)
        git.run(
            *("clone", "--quiet", "--bare", *self.options, *filter_),
            *("--", self.remote.url, str(self.place)),
            environment=environment,
        )

    def _pack(self, git: GitClient, lent: Mapping[str, str]) -> None:
        """Leave one pack, of all that the refs lead to.

        What is missing ends it, but for file contents where those are fetched later.
        """
        packs = git.place / "objects" / "pack"
        missing = ["--missing=allow-any"] if self.blobless else []
        limited = replace(git, limits=GitLimits(_SECONDS, file=self.most_bytes))
        name = limited.run(*_PACK, *missing, str(packs / "pack"), environment=lent)
        if self.blobless and name:
            (packs / f"pack-{name}.promisor").touch()
        for file in packs.glob("pack-*"):
            if file.stem != f"pack-{name}":
                file.unlink()


def _lent_by(repository: Path) -> dict[str, str]:
    """Return the environment that lends the repository's objects; git reads a list there, with colons and quotes."""
    quoted = str(repository / "objects").replace("\\", r"\\").replace('"', r"\"")
    return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"'}


def _tips(git: GitClient) -> set[str]:
    return set(git.run("for-each-ref", "--format=%(objectname)").split())


def _has_contents(kept: GitClient) -> bool:
    """Say whether the newest commit is there with its files, as from a server that can leave out nothing."""
    outcome = kept.attempt(*_NEWEST)
    return not outcome.status and not outcome.stdout
