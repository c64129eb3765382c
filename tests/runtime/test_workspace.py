from __future__ import annotations

import io
import os
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airfreight.errors import SettingsError, TerminalStepError
from airfreight.model.naming import promotion_name
from airfreight.runtime.settings import Settings
from airfreight.runtime.workspace import Workspace, remove_expired, restore, save, size_of
from airfreight.steps.workdir import WorkDirectory


def test_a_work_directory_is_fresh_and_private(tmp_path):
    workspace = Workspace(tmp_path / "base")
    first, second = workspace.create("dev.1"), workspace.create("dev.1")
    assert first.root != second.root
    assert first.root.stat().st_mode & 0o777 == 0o700
    assert list(first.root.iterdir()) == []


def test_a_removed_work_directory_may_be_removed_again(tmp_path):
    workspace = Workspace(tmp_path)
    workdir = workspace.create("dev.1")
    (workdir.root / "deep" / "er").mkdir(parents=True)
    workspace.remove(workdir)
    workspace.remove(workdir)
    assert not workdir.root.exists()


def test_removing_follows_no_link_out_of_it(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    workspace = Workspace(tmp_path / "base")
    workdir = workspace.create("dev.1")
    (workdir.root / "link").symlink_to(outside)
    workspace.remove(workdir)
    assert (outside / "kept").read_text() == "x"


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="setting workspace_folder"):
        Workspace(tmp_path / "file").create("dev.1")


def test_what_was_saved_is_restored_with_links_and_modes_but_without_logins(tmp_path):
    workspace = Workspace(tmp_path / "base")
    before, after = workspace.create("dev.1"), workspace.create("dev.1")
    (before.root / "repo" / ".git").mkdir(parents=True)
    script = before.root / "repo" / "run.sh"
    script.write_text("#!")
    script.chmod(0o755)
    (before.root / "repo" / "link").symlink_to("run.sh")
    (before.root / "folder-link").symlink_to("repo")
    (before.root / ".netrc").write_text("password")
    (before.root / "repo" / ".git" / ".git-credentials").write_text("password")
    target = tmp_path / "kept" / "dev.1.tar"
    save(before, target)
    assert target.stat().st_mode & 0o077 == 0
    assert b"password" not in target.read_bytes()
    assert restore(target, after)
    assert (after.root / "repo" / "link").readlink().name == "run.sh"
    assert (after.root / "folder-link" / "run.sh").stat().st_mode & 0o100
    assert not (after.root / ".netrc").exists()
    assert after.root.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in target.parent.iterdir()] == ["dev.1.tar"]


def test_restoring_what_is_gone_says_so(tmp_path):
    assert not restore(tmp_path / "gone.tar", Workspace(tmp_path).create("dev.1"))


def _entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(_entry("../evil"), id="path that climbs"),
        pytest.param(_entry("../evil", tarfile.SYMTYPE, "x"), id="link made above"),
        pytest.param(_entry("/tmp/evil", tarfile.SYMTYPE, "x"), id="link made elsewhere"),
        pytest.param(
            _entry("..", tarfile.SYMTYPE, "x"), id="link in the place of the folder above"
        ),
        pytest.param(_entry("a", tarfile.LNKTYPE, "../../etc/passwd"), id="hard link that climbs"),
        pytest.param(_entry("a", tarfile.FIFOTYPE), id="pipe"),
    ],
)
def test_an_entry_that_leads_out_restores_nothing(tmp_path, entry):
    target = tmp_path / "dev.tar"
    with tarfile.open(target, "w") as tar:
        tar.addfile(entry, io.BytesIO())
    with pytest.raises(TerminalStepError, match="cannot be restored"):
        restore(target, Workspace(tmp_path / "base").create("dev.1"))


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "a", "nowhere"])
def test_a_link_is_restored_as_it_was_wherever_it_leads(tmp_path, target):
    workspace = Workspace(tmp_path / "base")
    before, after = workspace.create("dev.1"), workspace.create("dev.1")
    (before.root / "a").symlink_to(target)
    save(before, tmp_path / "dev.tar")
    assert restore(tmp_path / "dev.tar", after)
    assert str((after.root / "a").readlink()) == target


@pytest.mark.parametrize("second", ["a/evil", "a"])
def test_nothing_is_written_through_a_link_of_the_file(tmp_path, second):
    outside = tmp_path / "outside"
    outside.mkdir()
    with tarfile.open(tmp_path / "dev.tar", "w") as tar:
        tar.addfile(_entry("a", tarfile.SYMTYPE, str(outside)), io.BytesIO())
        tar.addfile(_entry(second), io.BytesIO())
        tar.addfile(_entry(f"{second}/deep", tarfile.SYMTYPE, "x"), io.BytesIO())
    with pytest.raises(TerminalStepError, match="cannot be restored"):
        restore(tmp_path / "dev.tar", Workspace(tmp_path / "base").create("dev.1"))
    assert list(outside.iterdir()) == []


def test_a_link_behind_a_link_that_leads_out_is_not_made(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    with tarfile.open(tmp_path / "dev.tar", "w") as tar:
        tar.addfile(_entry("a", tarfile.SYMTYPE, str(outside)), io.BytesIO())
        tar.addfile(_entry("a/evil", tarfile.SYMTYPE, "x"), io.BytesIO())
    with pytest.raises(TerminalStepError, match="OutsideDestinationError"):
        restore(tmp_path / "dev.tar", Workspace(tmp_path / "base").create("dev.1"))
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755, 0o444, 0o4755])
def test_permissions_are_kept_and_nobody_becomes_somebody_else(tmp_path, mode):
    workspace = Workspace(tmp_path / "base")
    before, after = workspace.create("dev.1"), workspace.create("dev.1")
    (before.root / "folder").mkdir()
    (before.root / "folder" / "file").write_text("x")
    (before.root / "folder" / "file").chmod(mode)
    (before.root / "folder").chmod(0o750)
    save(before, tmp_path / "dev.tar")
    assert restore(tmp_path / "dev.tar", after)
    assert (after.root / "folder" / "file").stat().st_mode & 0o7777 == mode & 0o777
    assert (after.root / "folder").stat().st_mode & 0o777 == 0o750


def test_a_damaged_file_is_a_clear_error(tmp_path):
    target = tmp_path / "dev.tar"
    target.write_bytes(b"no tar at all" * 100)
    with pytest.raises(TerminalStepError, match="cannot be restored"):
        restore(target, Workspace(tmp_path / "base").create("dev.1"))


def test_a_target_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="setting shared_workspace_folder"):
        save(WorkDirectory(tmp_path), tmp_path / "file" / "dev.tar")


NAME = promotion_name("dev", "01KB0000000000000000000000", "abcdef0123")
NOW = datetime(2026, 3, 9, tzinfo=UTC)
WEEK = timedelta(days=7)


def _aged(place: Path, age: timedelta) -> str:
    moment = (NOW - age).timestamp()
    os.utime(place, (moment, moment), follow_symlinks=False)
    return place.name


def test_what_others_left_behind_is_removed_when_it_is_old_and_not_before(tmp_path):
    workspace = Workspace(tmp_path)
    old, young = workspace.create(NAME), workspace.create(NAME)
    (old.root / "deep").mkdir()
    (old.root / "deep" / "file").write_text("x")
    for kept in (f"{NAME}.tar", f".{NAME}.tar.ab_12345"):
        (tmp_path / kept).write_text("x")
        _aged(tmp_path / kept, WEEK + timedelta(seconds=1))
    _aged(old.root, WEEK + timedelta(seconds=1))
    kept_young = _aged(young.root, WEEK)
    assert set(remove_expired(tmp_path, NOW - WEEK)) == {
        old.root.name,
        f"{NAME}.tar",
        f".{NAME}.tar.ab_12345",
    }
    assert [path.name for path in tmp_path.iterdir()] == [kept_young]


@pytest.mark.parametrize(
    "name", ["kept", "photos.tar", ".ssh", NAME, f"{NAME}.tar.gz", "dev.1.tar"]
)
def test_nothing_else_in_a_shared_folder_is_removed(tmp_path, name):
    (tmp_path / name).mkdir()
    _aged(tmp_path / name, timedelta(days=999))
    assert remove_expired(tmp_path, NOW) == ()
    assert (tmp_path / name).is_dir()


def test_removing_what_expired_follows_no_link(tmp_path):
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "file").write_text("x")
    link = folder / f"{NAME}.ab_12345"
    link.symlink_to(outside)
    _aged(link, WEEK)
    assert remove_expired(folder, NOW) == (link.name,)
    assert (outside / "file").exists()
    assert not link.is_symlink()


def test_a_folder_that_is_not_there_has_nothing_that_expired(tmp_path):
    assert remove_expired(tmp_path / "gone", NOW) == ()


@pytest.mark.parametrize(
    ("expiry", "duration", "days"),
    [(8, 7, 8), (30, 7, 30), (1, 7, 8), (8, 60, 61)],
    ids=["the defaults", "longer", "too short for what may wait", "promotions that take longer"],
)
def test_nothing_expires_that_an_open_promotion_may_still_need(expiry, duration, days):
    day = 24 * 3600
    settings = Settings(workspace_expiry=expiry * day, max_promotion_duration=duration * day)
    assert settings.workspace_lifetime() == timedelta(days=days)


def test_the_size_is_that_of_all_files_and_follows_no_link(tmp_path):
    workdir = Workspace(tmp_path / "base").create("dev.1")
    (workdir.root / "a" / "b").mkdir(parents=True)
    (workdir.root / "a" / "b" / "file").write_bytes(b"x" * 100)
    (workdir.root / ".hidden").write_bytes(b"x" * 10)
    (tmp_path / "outside").write_bytes(b"x" * 1000)
    (workdir.root / "link").symlink_to("a/b")
    (workdir.root / "out").symlink_to("../outside")
    links = len("a/b") + len("../outside")
    assert size_of(workdir) == 110 + links
    assert size_of(WorkDirectory(tmp_path / "gone")) == 0
