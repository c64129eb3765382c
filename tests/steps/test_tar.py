from __future__ import annotations

import dataclasses
import gzip
import os
import socket
import stat
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.steps.archive import ArchiveLimits
from airfreight.steps.tar import TarConfig, TarStep
from tests.steps.examples import example_config
from tests.steps.files import context_at


@pytest.fixture
def work(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    for name in ("in/b.txt", "in/a/x.log", "in/a/é.txt", "in/.git/config", "in/a.txt"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(name)
    (work / "in/empty").mkdir()
    (work / "in/link").symlink_to("a/é.txt")
    (work / "in/away").symlink_to("/etc/passwd")
    (work / "in/b.txt").chmod(0o4755)
    (tmp_path / "outside.txt").write_text("outside")
    return work


def pack(work: Path, step: TarStep | None = None, **config: Any) -> Path:
    config = {"inPath": "in", "outPath": "out/x.tar", **config}
    (step or TarStep()).run(TarConfig.model_validate(config), context_at(work))
    return work / config["outPath"]


def names(archive: Path) -> list[str]:
    with tarfile.open(archive) as tar:
        return [entry.name + "/" * entry.isdir() for entry in tar]


BAD_CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "no inPath": ({"outPath": "a"}, "inPath"),
    "an empty outPath": ({"inPath": "a", "outPath": ""}, "at least 1 character"),
    "gzip is no boolean": ({"inPath": "a", "outPath": "b", "gzip": "best"}, "valid boolean"),
    "an unknown field": ({"inPath": "a", "outPath": "b", "level": 9}, "Extra inputs"),
}


@pytest.mark.parametrize(("config", "message"), BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_a_config_that_is_wrong_says_so(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TarConfig.model_validate(config)


ALL = ["a/", "a/x.log", "a/é.txt", "a.txt", "away", "b.txt", "empty/", "link"]
RUNS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a folder": ({}, ALL),
    "patterns": (
        {"ignore": "*.log\n/a.txt\n# empty\n\nempty/"},
        ["a/", "a/é.txt", *ALL[4:6], "link"],
    ),
    "Git's files again": ({"ignore": "!.git\n*.log"}, [name for name in ALL if name != "a/x.log"]),
    "one file": ({"inPath": "in/a.txt"}, ["a.txt"]),
    "one file that is ignored": ({"inPath": "in/a.txt", "ignore": "*.txt"}, []),
    "through a link": ({"inPath": "in/link"}, ["é.txt"]),
    "into itself": ({"outPath": "in/x.tar"}, ALL),
}


@pytest.mark.parametrize(("config", "packed"), RUNS.values(), ids=RUNS)
def test_it_packs_what_is_asked_for(work: Path, config: dict[str, Any], packed: list[str]) -> None:
    assert names(pack(work, **config)) == packed


def test_a_second_run_writes_the_same_bytes_whatever_the_files_times_are(work: Path) -> None:
    config = {"outPath": "in/x.tar.gz", "gzip": True}
    first = pack(work, **config).read_bytes()
    for place in [work / "in/a.txt", work / "in/a", work / "in"]:
        os.utime(place, (1, 1))
    assert pack(work, **config).read_bytes() == first


def test_entries_are_dated_by_the_promotions_start_and_owned_by_nobody(work: Path) -> None:
    context = dataclasses.replace(context_at(work), started_at=datetime(2020, 2, 3, tzinfo=UTC))
    config = TarConfig.model_validate({"inPath": "in", "outPath": "x.tar"})
    TarStep().run(config, context)
    with tarfile.open(work / "x.tar") as tar:
        entries = {entry.name: entry for entry in tar}
    assert {(e.mtime, e.uid, e.gid, e.uname, e.gname) for e in entries.values()} == {
        (int(context.started_at.timestamp()), 0, 0, "", "")
    }
    assert entries["b.txt"].mode == 0o755


def test_links_are_packed_as_links(work: Path) -> None:
    with tarfile.open(pack(work)) as tar:
        targets = {entry.name: entry.linkname for entry in tar if entry.issym()}
    assert targets == {"link": "a/é.txt", "away": "/etc/passwd"}


def test_it_compresses_only_on_demand(work: Path) -> None:
    assert pack(work).read_bytes()[257:262] == b"ustar"
    packed = pack(work, gzip=True)
    assert gzip.decompress(packed.read_bytes())[257:262] == b"ustar"
    assert stat.S_IMODE(packed.stat().st_mode) == 0o600


def test_what_is_no_file_and_names_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).write_text("odd")
    assert [os.fsencode(name) for name in names(pack(tmp_path))] == [b"\xff"]


def test_what_is_too_large_is_not_packed(work: Path) -> None:
    for limits, message in (
        (ArchiveLimits(file=7), "'a/x.log' is larger than"),
        (ArchiveLimits(total=20), "larger than .* MiB together"),
    ):
        with pytest.raises(TerminalStepError, match=message):
            pack(work, TarStep(limits))
    assert list((work / "out").iterdir()) == []


def test_a_file_may_have_50_mib(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with (tmp_path / "in/large").open("wb") as file:
        file.truncate(50 * 1024 * 1024 + 1)
    with pytest.raises(TerminalStepError, match="'large' is larger than 50 MiB"):
        pack(tmp_path)


REFUSED = {
    "nothing there": ({"inPath": "none"}, "no such file or folder"),
    "inPath leads out": ({"inPath": "../outside.txt"}, "leads out"),
    "a link leads out": ({"inPath": "in/away"}, "leads out"),
    "Git's files": ({"inPath": "in/.git"}, "Git's own files"),
    "outPath leads out": ({"outPath": "../x.tar"}, "leads out"),
    "outPath is a folder": ({"outPath": "in/a"}, "is a folder"),
    "outPath is inPath": ({"inPath": "in/a.txt", "outPath": "in/a.txt"}, "is inPath itself"),
}


@pytest.mark.parametrize(("config", "message"), REFUSED.values(), ids=REFUSED)
def test_a_path_that_is_wrong_ends_the_step(
    work: Path, config: dict[str, str], message: str
) -> None:
    with pytest.raises(TerminalStepError, match=message):
        pack(work, **config)
    assert (work / "in/a.txt").read_text() == "in/a.txt"


def test_what_the_file_system_refuses_counts_as_an_error(work: Path) -> None:
    with pytest.raises(RetryableStepError, match=r"cannot pack 'in' into 'in/a\.txt/x'"):
        pack(work, outPath="in/a.txt/x")


def test_the_example_of_tar_leaves_out_what_it_ignores(tmp_path: Path) -> None:
    for name in ("source/a", "source/b.log", "source/temp/c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert names(pack(tmp_path, **example_config("tar"))) == ["a"]
