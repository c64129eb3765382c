from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.steps.file_write import FileWriteConfig, FileWriteStep
from tests.steps.examples import example_config
from tests.steps.files import context_at


def write(root: Path, **config: Any) -> None:
    FileWriteStep().run(FileWriteConfig.model_validate(config), context_at(root))


BAD_CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "no path": ({"contents": ""}, "path"),
    "an empty path": ({"path": "", "contents": ""}, "at least 1 character"),
    "no contents": ({"path": "a"}, "contents"),
    "an unknown field": ({"path": "a", "contents": "", "mode": "0600"}, "Extra inputs"),
    "no octal number": ({"path": "a", "contents": "", "permissions": "0680"}, "pattern"),
    "no leading zero": ({"path": "a", "contents": "", "permissions": "600"}, "pattern"),
    "setuid": ({"path": "a", "contents": "", "permissions": "04600"}, "pattern"),
    "executable": ({"path": "a", "contents": "", "permissions": "0700"}, "can be executed"),
    "writable by all": ({"path": "a", "contents": "", "permissions": "0602"}, "everybody may"),
    "half a surrogate pair": ({"path": "a", "contents": "\ud800"}, "expected text"),
}


@pytest.mark.parametrize(("config", "message"), BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_a_config_that_is_wrong_says_so(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FileWriteConfig.model_validate(config)


@pytest.mark.parametrize(
    ("config", "mode"),
    [({}, 0o600), ({"permissions": "0664"}, 0o664), ({"permissions": "0400"}, 0o400)],
    ids=["by default", "for a group", "read-only"],
)
def test_it_writes_the_contents_with_the_mode(
    tmp_path: Path, config: dict[str, str], mode: int
) -> None:
    write(tmp_path, path="a/b/new.txt", contents="één\r\nno end", **config)
    place = tmp_path / "a/b/new.txt"
    assert place.read_bytes() == "één\r\nno end".encode()
    assert stat.S_IMODE(place.stat().st_mode) == mode
    assert list(place.parent.iterdir()) == [place]


def test_it_writes_nothing_into_a_new_file(tmp_path: Path) -> None:
    write(tmp_path, path="./empty", contents="")
    assert (tmp_path / "empty").read_bytes() == b""


def test_a_second_run_needs_overwrite(tmp_path: Path) -> None:
    write(tmp_path, path="a", contents="1")
    with pytest.raises(TerminalStepError, match="already exists; set overwrite") as caught:
        write(tmp_path, path="a", contents="2")
    assert caught.value.failed
    assert (tmp_path / "a").read_text() == "1"
    write(tmp_path, path="a", contents="2", overwrite=True, permissions="0644")
    assert (tmp_path / "a").read_text() == "2"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_a_hard_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    outside, work = tmp_path / "outside", tmp_path / "work"
    outside.write_text("safe")
    work.mkdir()
    (work / "a").hardlink_to(outside)
    write(work, path="a", contents="new", overwrite=True)
    assert outside.read_text() == "safe"


REFUSED = {
    "absolute": ("/a", "must be relative"),
    "a parent": ("../a", "leads out"),
    "a parent later": ("b/../../a", "leads out"),
    "NUL": ("a\0b", "NUL"),
    "the work directory": (".", "is a folder"),
    "a folder": ("folder", "is a folder"),
    "Git's files": ("folder/.git/hooks/pre-push", "Git's own files"),
    "Git's files in capitals": (".GIT/config", "Git's own files"),
    "a link": ("link", "symbolic link"),
    "a link that dangles": ("dangling", "symbolic link"),
    "a link that leads out": ("away/passwd", "leads out"),
    "a link on the way": ("inside/a", "symbolic link"),
    "links in a circle": ("circle/a", "in a circle"),
}


@pytest.mark.parametrize(("path", "message"), REFUSED.values(), ids=REFUSED)
def test_a_path_that_is_refused_ends_the_step_as_failed(
    tmp_path: Path, path: str, message: str
) -> None:
    work = tmp_path / "work"
    (work / "folder").mkdir(parents=True)
    (work / "folder/file").write_text("safe")
    links = {"link": "folder/file", "dangling": "none", "away": "/etc", "inside": "folder"}
    for name, target in {**links, "circle": "circle"}.items():
        (work / name).symlink_to(target)
    with pytest.raises(TerminalStepError, match=message) as caught:
        write(work, path=path, contents="new", overwrite=True)
    assert caught.value.failed
    assert (work / "folder/file").read_text() == "safe"
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("path", ["file/below", "x" * 256], ids=["below a file", "256 bytes"])
def test_what_the_file_system_refuses_counts_as_an_error(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RetryableStepError, match="cannot write"):
        write(tmp_path, path=path, contents="")
    assert [place.name for place in tmp_path.iterdir()] == ["file"]


def test_a_name_of_255_bytes_is_written(tmp_path: Path) -> None:
    write(tmp_path, path="x" * 255, contents="")
    assert (tmp_path / ("x" * 255)).exists()


def test_the_example_of_file_write_writes_what_another_step_found(tmp_path: Path) -> None:
    found = {"read-config": {"app": {"replicas": 2}}}
    write(tmp_path, **example_config("file-write", outputs=found))
    assert (tmp_path / "out/app-config.yaml").read_text() == "replicas: 2\n"
