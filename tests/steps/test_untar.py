from __future__ import annotations

import io
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.steps.untar import UntarConfig, UntarStep
from tests.steps.archives import Entry, archive, tree
from tests.steps.examples import example_config
from tests.steps.files import context_at


def unpack(work: Path, content: bytes, **config: Any) -> Path:
    (work / "x.tar").write_bytes(content)
    config = {"inPath": "x.tar", "outPath": "out", **config}
    UntarStep().run(UntarConfig.model_validate(config), context_at(work))
    return work / config["outPath"]


BAD_CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "no inPath": ({"outPath": "a"}, "inPath"),
    "an empty outPath": ({"inPath": "a", "outPath": ""}, "at least 1 character"),
    "less than nothing stripped": (
        {"inPath": "a", "outPath": "b", "stripComponents": -1},
        "greater than or equal to 0",
    ),
    "no pattern": ({"inPath": "a", "outPath": "b", "ignore": "a\n!"}, "line 2 is no gitignore"),
    "an unknown field": ({"inPath": "a", "outPath": "b", "gzip": True}, "Extra inputs"),
}


@pytest.mark.parametrize(("config", "message"), BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_a_config_that_is_wrong_says_so(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        UntarConfig.model_validate(config)


CHART = (
    Entry("shop", kind=tarfile.DIRTYPE),
    Entry("shop/Chart.yaml", b"name: shop"),
    Entry("./shop/README.md", b"# shop"),
    Entry("shop/templates/all.yaml", b"{}"),
    Entry("shop/latest", kind=tarfile.SYMTYPE, target="templates/all.yaml"),
    Entry("shop/none", kind=tarfile.DIRTYPE),
)
ALL = {
    "shop/Chart.yaml": "name: shop",
    "shop/README.md": "# shop",
    "shop/latest": "-> templates/all.yaml",
    "shop/none/": "",
    "shop/templates/all.yaml": "{}",
}
RUNS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "all": ({}, ALL),
    "stripped": (
        {"stripComponents": 1, "ignore": "Chart.yaml"},
        {
            "latest": "-> templates/all.yaml",
            "none/": "",
            "shop/README.md": "# shop",
            "templates/all.yaml": "{}",
        },
    ),
    "stripped to nothing": ({"stripComponents": 9}, {}),
    "patterns": (
        {"ignore": "*.md\ntemplates/\n/shop/none\n# a comment"},
        {"shop/Chart.yaml": "name: shop", "shop/latest": "-> templates/all.yaml"},
    ),
}


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize(("config", "unpacked"), RUNS.values(), ids=RUNS)
def test_it_unpacks_what_is_asked_for(
    tmp_path: Path, config: dict[str, Any], unpacked: dict[str, str], compress: bool
) -> None:
    out = unpack(tmp_path, archive(*CHART, compress=compress), **config)
    assert tree(out) == unpacked
    assert sorted(place.name for place in tmp_path.iterdir()) == ["out", "x.tar"]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read_in_every_form(tmp_path: Path, form: int) -> None:
    name = "/".join(["x" * 70, "y" * 70, "é"])
    assert tree(unpack(tmp_path, archive(Entry(name, b"1"), form=form))) == {name: "1"}


def test_a_second_run_replaces_what_was_there(tmp_path: Path) -> None:
    out = unpack(tmp_path, archive(*CHART))
    (out / "shop/Chart.yaml").chmod(0o400)
    (out / "mine/deep").mkdir(parents=True)
    (out / "mine/deep/file").write_text("gone")
    assert tree(unpack(tmp_path, archive(*CHART))) == ALL


def test_the_archive_may_lie_in_the_folder_that_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/x.tar").write_bytes(archive(Entry("a", b"1")))
    config = UntarConfig.model_validate({"inPath": "out/x.tar", "outPath": "out"})
    UntarStep().run(config, context_at(tmp_path))
    assert tree(tmp_path / "out") == {"a": "1"}


def test_modes_keep_what_the_owner_may_do(tmp_path: Path) -> None:
    modes = {"script": 0o755, "data": 0o644, "special": 0o6755, "open": 0o666, "closed": 0o000}
    out = unpack(tmp_path, archive(*(Entry(name, b"", mode=mode) for name, mode in modes.items())))
    unpacked = {place.name: stat.S_IMODE(place.stat().st_mode) for place in out.iterdir()}
    kept = {"script": 0o755, "data": 0o644, "special": 0o755, "open": 0o644, "closed": 0o600}
    assert unpacked == kept


def test_a_hard_link_becomes_a_file_of_its_own(tmp_path: Path) -> None:
    link = Entry("d/link", kind=tarfile.LNKTYPE, target="d/file")
    again = Entry("again", kind=tarfile.LNKTYPE, target="./d/link")
    out = unpack(tmp_path, archive(Entry("d/file", b"1"), link, again, Entry("last", b"2")))
    assert tree(out) == {"again": "1", "d/file": "1", "d/link": "1", "last": "2"}
    assert {place.stat().st_nlink for place in out.rglob("*") if place.is_file()} == {1}


def test_what_the_step_tar_of_anybody_packs_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "in/a").mkdir(parents=True)
    (tmp_path / "in/a/file").write_text("1")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(tmp_path / "in", arcname=".")
    assert tree(unpack(tmp_path, buffer.getvalue())) == {"a/file": "1"}


REFUSED = {
    "nothing there": ({"inPath": "none.tar"}, "no such file"),
    "a folder": ({"inPath": "folder"}, "no such file"),
    "inPath leads out": ({"inPath": "../x.tar"}, "leads out"),
    "outPath leads out": ({"outPath": "../out"}, "leads out"),
    "outPath through a link": ({"outPath": "away/out"}, "leads out"),
    "the work directory": ({"outPath": "folder/.."}, "the work directory itself"),
    "outPath is a file": ({"outPath": "x.tar"}, "is a file"),
    "outPath is a checkout": ({"outPath": "checkout"}, "is a Git checkout"),
    "Git's files": ({"outPath": "checkout/.git/hooks"}, "Git's own files"),
}


@pytest.mark.parametrize(("config", "message"), REFUSED.values(), ids=REFUSED)
def test_a_path_that_is_wrong_ends_the_step(
    tmp_path: Path, config: dict[str, str], message: str
) -> None:
    work = tmp_path / "work"
    (work / "folder").mkdir(parents=True)
    (work / "checkout").mkdir()
    (work / "checkout/.git").write_text("gitdir: elsewhere")
    (work / "away").symlink_to("..")
    with pytest.raises(TerminalStepError, match=message):
        unpack(work, archive(*CHART), **config)
    assert (work / "checkout/.git").exists()
    assert [place.name for place in tmp_path.iterdir()] == ["work"]


def test_what_the_file_system_refuses_counts_as_an_error(tmp_path: Path) -> None:
    with pytest.raises(RetryableStepError, match=r"cannot unpack 'x\.tar' into 'out'"):
        unpack(tmp_path, archive(Entry("x" * 256, b"1")))
    assert [place.name for place in tmp_path.iterdir()] == ["x.tar"]


def test_the_example_of_untar_takes_the_charts_folder_off(tmp_path: Path) -> None:
    config = example_config("untar")
    place = tmp_path / config["inPath"]
    place.parent.mkdir()
    place.write_bytes(archive(*CHART, Entry("shop/README.md", b"# shop"), compress=True))
    UntarStep().run(UntarConfig.model_validate(config), context_at(tmp_path))
    unpacked = ["Chart.yaml", "latest", "none/", "templates/all.yaml"]
    assert sorted(tree(tmp_path / "charts/shop")) == unpacked
