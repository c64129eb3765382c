"""A folder that nobody else on this machine can have filled, though its parent may be the one that all share."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from airfreight.errors import SettingsError


def private_folder(root: Path, *parts: str) -> Path:
    """Make `root` and the folder `parts` below it, open to us alone, and return the latter.

    Raises SettingsError for a root that somebody else made, could write to, or leads elsewhere: what lies there is
    believed, and git obeys the configuration of a repository. Raises OSError where it cannot be made.
    """
    for folder in (*reversed(root.parents), root):
        if not os.path.lexists(folder):
            folder.mkdir(mode=0o700, exist_ok=True)
    found = root.lstat()
    fault = _fault(found)
    if fault:
        raise SettingsError(
            f"the cache folder {root} {fault}; remove it, or set [airfreight] cache_folder to a folder that is not "
            "there yet: it is made for this user alone"
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        root.chmod(0o700)
    inner = root
    for part in parts:
        inner = inner / part
        inner.mkdir(mode=0o700, exist_ok=True)
    return inner


def _fault(found: os.stat_result) -> str:
    if stat.S_ISLNK(found.st_mode):
        return "is a link"
    if not stat.S_ISDIR(found.st_mode):
        return "is no folder"
    if found.st_uid != os.geteuid():
        return "belongs to another user"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "may be written by others"
    return ""
