"""The life of a Promotion's work directory: made, kept over a deferral, restored, removed, expired."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from backports import tarfile

from airfreight.errors import SettingsError, TerminalStepError
from airfreight.model.naming import PROMOTION_NAME
from airfreight.steps.workdir import WorkDirectory

# Where git and its credential helpers keep a login; steps write none, this is the second lock.
_CREDENTIAL_FILES = frozenset({".git-credentials", ".netrc", "_netrc", ".askpass", ".docker"})

# A work directory, a kept one, and one whose worker died while it kept it. Whoever shares the folder owns the rest.
_OURS = re.compile(
    rf"{PROMOTION_NAME}\.([a-z0-9_]{{8}}|tar)|\.{PROMOTION_NAME}\.tar\.[a-z0-9_]{{8}}"
)


class Workspace:
    """The folder under which each Promotion has a work directory of its own."""

    def __init__(self, base: Path) -> None:
        self._base = base

    def create(self, promotion: str) -> WorkDirectory:
        """Return an empty work directory, readable by this user only.

        Two tries of one Promotion never share one. Raises SettingsError where the folder cannot be written.
        """
        try:
            self._base.mkdir(parents=True, exist_ok=True)
            # mkdtemp: mode 0700, and nobody else can have prepared the name.
            return WorkDirectory(Path(tempfile.mkdtemp(prefix=f"{promotion}.", dir=self._base)))
        except OSError as error:
            raise SettingsError(
                f"no work directory can be made in {self._base}: {error.strerror};"
                " see the setting workspace_folder"
            ) from error

    def remove(self, workdir: WorkDirectory) -> None:
        """Delete the work directory; nothing happens where it is gone already."""
        shutil.rmtree(workdir.root, ignore_errors=True)


def save(workdir: WorkDirectory, target: Path) -> None:
    """Write the work directory to the tar file `target`, readable by this user only and without credential files.

    `target` appears whole or not at all. Raises SettingsError where it cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
                tar.add(workdir.root, arcname=".", filter=_without_credentials)
            os.replace(name, target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SettingsError(
            f"the work directory cannot be kept in {target.parent}: {error.strerror};"
            " see the setting shared_workspace_folder"
        ) from error


def restore(target: Path, workdir: WorkDirectory) -> bool:
    """Fill the empty `workdir` from what `save` wrote; False where `target` is gone.

    Links and permissions are as they were. Raises TerminalStepError where the file is damaged or an entry leads out of
    the work directory.
    """
    if not target.exists():
        return False
    try:
        with tarfile.open(target, mode="r:") as tar:
            entries = tar.getmembers()
            files = [entry for entry in entries if not entry.issym()]
            tar.extractall(workdir.root, members=files, filter=_as_it_was)
            # Last, so that nothing is written through one, wherever it leads.
            for entry in entries:
                if entry.issym():
                    _link(entry, workdir.root.resolve())
    except (tarfile.TarError, EOFError, OSError) as error:
        raise TerminalStepError(
            f"the kept work directory cannot be restored: {type(error).__name__}"
        ) from error
    workdir.root.chmod(0o700)
    return True


def _as_it_was(entry: tarfile.TarInfo, root: str) -> tarfile.TarInfo | None:
    """Return the entry as Python's filter for plain data has it, but with its permissions."""
    safe = tarfile.data_filter(entry, root)
    mode = entry.mode & 0o777 | (0o700 if entry.isdir() else 0)
    return safe and safe.replace(mode=mode, deep=False)


def _link(entry: tarfile.TarInfo, root: Path) -> None:
    place = root / entry.name
    if not place.parent.resolve().is_relative_to(root) or place.name == "..":
        raise tarfile.OutsideDestinationError(entry, str(place))
    place.symlink_to(entry.linkname)


def size_of(workdir: WorkDirectory) -> int:
    """Return the bytes of all files in the work directory, which a file that keeps it has about, too."""
    total, waiting = 0, [str(workdir.root)]
    while waiting:
        # What a step's program removes meanwhile counts nothing.
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def remove_expired(folder: Path, oldest: datetime) -> tuple[str, ...]:
    """Delete the work directories and kept ones in `folder` that nobody changed since `oldest`; return their names.

    They are left of workers that died and of promotions that nobody went on with.
    """
    removed: list[str] = []
    with suppress(OSError):
        for place in sorted(folder.iterdir()):
            if _OURS.fullmatch(place.name) and _is_older(place, oldest):
                _delete(place)
                removed.append(place.name)
    return tuple(removed)


def _is_older(place: Path, moment: datetime) -> bool:
    with suppress(OSError):
        return place.lstat().st_mtime < moment.timestamp()
    return False


def _delete(place: Path) -> None:
    with suppress(OSError):
        if stat.S_ISDIR(place.lstat().st_mode):
            shutil.rmtree(place, ignore_errors=True)
        else:
            place.unlink()


def _without_credentials(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if Path(entry.name).name in _CREDENTIAL_FILES else entry
