from __future__ import annotations

import io
import tarfile

import pytest

from airfreight.errors import SettingsError, TerminalStepError
from airfreight.runtime.workspace import Workspace, restore, save
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
        pytest.param(_entry("a", tarfile.SYMTYPE, "/etc/passwd"), id="absolute link"),
        pytest.param(_entry("a", tarfile.SYMTYPE, "../../x"), id="link that climbs"),
        pytest.param(_entry("a", tarfile.FIFOTYPE), id="pipe"),
    ],
)
def test_an_entry_that_leads_out_restores_nothing(tmp_path, entry):
    target = tmp_path / "dev.tar"
    with tarfile.open(target, "w") as tar:
        tar.addfile(entry, io.BytesIO())
    with pytest.raises(TerminalStepError, match="cannot be restored"):
        restore(target, Workspace(tmp_path / "base").create("dev.1"))


def test_a_damaged_file_is_a_clear_error(tmp_path):
    target = tmp_path / "dev.tar"
    target.write_bytes(b"no tar at all" * 100)
    with pytest.raises(TerminalStepError, match="cannot be restored"):
        restore(target, Workspace(tmp_path / "base").create("dev.1"))


def test_a_target_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="setting shared_workspace_folder"):
        save(WorkDirectory(tmp_path), tmp_path / "file" / "dev.tar")
