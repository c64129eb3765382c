from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from airfreight.artifacts.disk_cache import DiskCache
from airfreight.artifacts.private_folder import private_folder
from airfreight.errors import SettingsError


def mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


def test_every_folder_that_is_made_is_open_to_us_alone(tmp_path: Path) -> None:
    made = private_folder(tmp_path / "a" / "cache", "git", "mirrors")
    assert made == tmp_path / "a" / "cache" / "git" / "mirrors"
    assert [mode(folder) for folder in (made, *made.parents[:3])] == [0o700] * 4


def test_one_of_ours_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o755)
    private_folder(tmp_path / "cache")
    assert mode(tmp_path / "cache") == 0o700


def link(root: Path) -> None:
    root.with_name("elsewhere").mkdir()
    root.symlink_to(root.with_name("elsewhere"))


def dangling(root: Path) -> None:
    root.symlink_to(root.with_name("nowhere"))


def writable(bits: int) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        root.mkdir()
        root.chmod(bits)

    return make


PLANTED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a link": (link, "is a link"),
    "a link to nothing": (dangling, "is a link"),
    "a file": (Path.touch, "is no folder"),
    "the group may write": (writable(0o770), "may be written by others"),
    "all may write": (writable(0o1777), "may be written by others"),
}


@pytest.mark.parametrize(("plant", "fault"), PLANTED.values(), ids=PLANTED)
async def test_one_that_somebody_else_can_have_filled_is_refused(
    tmp_path: Path, plant: Callable[[Path], None], fault: str
) -> None:
    root = tmp_path / "cache"
    plant(root)
    with pytest.raises(SettingsError) as caught:
        private_folder(root, "git")
    assert str(caught.value) == (
        f"the cache folder {root} {fault}; remove it, or set [airfreight] cache_folder to a folder that is not there "
        "yet: it is made for this user alone"
    )
    cache = DiskCache(root, size=2**20)
    await cache.put("s", {"a": 1})
    assert await cache.get("s") == {}


def foreign(tmp_path: Path) -> Path:
    """Return a folder of another user: root can make one, and everybody else finds root's."""
    if os.geteuid():
        return Path("/")
    (tmp_path / "cache").mkdir()
    os.chown(tmp_path / "cache", 1, -1)
    return tmp_path / "cache"


def test_one_of_another_user_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="belongs to another user"):
        private_folder(foreign(tmp_path))
