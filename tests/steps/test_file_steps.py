from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airfreight.errors import TerminalStepError
from airfreight.steps.compose_output import ComposeOutputConfig, ComposeOutputStep
from airfreight.steps.copy import CopyConfig, CopyStep
from airfreight.steps.delete import DeleteConfig, DeleteStep
from airfreight.steps.fail import FailConfig, FailStep
from airfreight.steps.glob import Glob
from tests.steps.examples import example_config
from tests.steps.files import context_at


def tree(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if not p.is_dir())


@pytest.fixture
def work(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    for name in ("in/a.txt", "in/sub/b.txt", "in/sub/c.log", "in/.git/config", "out/old.txt"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(name)
    (work / "in/link").symlink_to("a.txt")
    (tmp_path / "outside.txt").write_text("safe")
    return work


def copy(work: Path, **config: str) -> None:
    CopyStep().run(CopyConfig.model_validate(config), context_at(work))


def test_copy_merges_and_leaves_out_links_git_and_ignored_files(work: Path):
    copy(work, inPath="in", outPath="out", ignore="*.log\n!.git")
    assert tree(work / "out") == ["a.txt", "old.txt", "sub/b.txt"]


def test_copy_takes_a_single_file(work: Path):
    copy(work, inPath="in/a.txt", outPath="new/x.txt")
    assert (work / "new/x.txt").read_text() == "in/a.txt"


def test_copy_takes_no_single_file_that_is_ignored(work: Path):
    copy(work, inPath="in/a.txt", outPath="new/x.txt", ignore="a.*")
    assert not (work / "new").exists()


def test_copy_takes_a_file_whose_name_is_no_text(work: Path):
    name = os.fsdecode(b"odd-\xff")
    (work / "in/sub" / name).write_text("odd")
    copy(work, inPath="in/sub", outPath="new", ignore="*.log")
    assert tree(work / "new") == ["b.txt", name]


@pytest.mark.parametrize("line", ["!", "a\\", "[z-a]", "[[:alpha:]]"])
def test_a_line_of_ignore_that_is_no_pattern_is_named(line: str):
    with pytest.raises(ValidationError, match="line 2 is no gitignore pattern"):
        CopyConfig.model_validate({"inPath": "a", "outPath": "b", "ignore": f"*.md\n{line}"})


def test_delete_says_that_links_lead_in_a_circle(work: Path):
    (work / "circle").symlink_to("circle")
    with pytest.raises(TerminalStepError, match="in a circle"):
        delete(work, path="circle/a")
    delete(work, path="circle")
    assert not (work / "circle").is_symlink()


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("none", "out", "no such file or folder"),
        ("../outside.txt", "out", "leads out"),
        ("in", "../out", "leads out"),
        ("in", "out/.GIT/hooks", "leads into Git's own files"),
        ("in", "in/copy", "into itself"),
        ("in/a.txt", "out", "a file cannot take its place"),
    ],
)
def test_copy_says_what_is_wrong_with_a_path(work: Path, source: str, target: str, message: str):
    with pytest.raises(TerminalStepError, match=message):
        copy(work, inPath=source, outPath=target)


def test_copy_does_not_write_through_a_link(work: Path):
    (work / "out/a.txt").symlink_to(work.parent / "outside.txt")
    with pytest.raises(TerminalStepError, match="symbolic link"):
        copy(work, inPath="in", outPath="out")
    assert (work.parent / "outside.txt").read_text() == "safe"


def delete(work: Path, **config: Any) -> None:
    DeleteStep().run(DeleteConfig.model_validate(config), context_at(work))


@pytest.mark.parametrize(
    ("config", "left"),
    [
        ({"path": "in"}, ["out/old.txt"]),
        ({"path": "none"}, None),
        ({"paths": ["in/sub", "in/link"]}, ["in/.git/config", "in/a.txt", "out/old.txt"]),
        ({"path": "in/**", "pathsAreGlobs": True}, ["out/old.txt"]),
        (
            {"path": "**/*.txt", "pathsAreGlobs": True},
            ["in/.git/config", "in/link", "in/sub/c.log"],
        ),
    ],
)
def test_delete_removes_what_is_named(work: Path, config: dict[str, Any], left: list[str] | None):
    before = tree(work)
    delete(work, **config)
    assert tree(work) == (before if left is None else left)


def test_delete_takes_the_link_and_not_what_it_leads_to(work: Path):
    (work / "away").symlink_to(work.parent)
    delete(work, path="away")
    assert (work.parent / "outside.txt").exists()
    assert not (work / "away").is_symlink()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"path": "."}, "the work directory itself"),
        ({"path": "in/.."}, "the work directory itself"),
        ({"path": "../outside.txt"}, "leads out"),
        ({"path": "../*", "pathsAreGlobs": True}, "leads out"),
        ({"path": "none", "strict": True}, "matches nothing"),
        ({"path": "a[", "pathsAreGlobs": True}, "bad pattern"),
        ({"path": "a{b", "pathsAreGlobs": True}, "bad pattern"),
    ],
)
def test_delete_refuses(work: Path, config: dict[str, Any], message: str):
    before = tree(work)
    with pytest.raises(TerminalStepError, match=message):
        delete(work, **config)
    assert tree(work) == before


@pytest.mark.parametrize("config", [{}, {"path": "a", "paths": ["b"]}, {"paths": [""]}])
def test_delete_wants_path_or_paths(config: dict[str, Any]):
    with pytest.raises(ValidationError, match=r"expected either path or paths|an empty path"):
        DeleteConfig.model_validate(config)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.txt", "a.txt", True),
        ("*.txt", "d/a.txt", False),
        ("**/a", "a", True),
        ("**/a", "x/y/a", True),
        ("**/a", "xa", False),
        ("a/**", "a", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a**", "a/b", False),
        ("{a,b}/?", "b/x", True),
        ("[!a]x", "ax", False),
        ("[a-c]x", "bx", True),
        ("\\*", "*", True),
        ("\\*", "x", False),
        ("*", ".hidden", True),
        ("a[!b]c", "a/c", False),
        ("a[+-9]c", "a/c", False),
        ("a[+-9]c", "a.c", True),
        ("{a,b/{c,d}}", "b/d", True),
        ("{**/a,b}", "x/a", True),
    ],
)
def test_a_glob_reads_as_doublestar_reads_it(pattern: str, path: str, matches: bool):
    assert Glob(pattern).matches(path) is matches


def test_compose_output_puts_out_its_config(tmp_path: Path):
    config = ComposeOutputConfig.model_validate({"a": 1, "b": {"c": [True]}})
    assert ComposeOutputStep().run(config, context_at(tmp_path)).output == {
        "a": 1,
        "b": {"c": [True]},
    }


def test_compose_output_wants_a_property():
    with pytest.raises(ValidationError, match="expected at least one property"):
        ComposeOutputConfig.model_validate({})


@pytest.mark.parametrize(
    ("config", "message"), [({}, "^failed$"), ({"message": "no"}, "^failed: no$")]
)
def test_fail_ends_as_failed(tmp_path: Path, config: dict[str, str], message: str):
    with pytest.raises(TerminalStepError, match=message) as caught:
        FailStep().run(FailConfig.model_validate(config), context_at(tmp_path))
    assert caught.value.failed


def test_the_example_of_copy_leaves_out_what_it_ignores(tmp_path: Path):
    for name in ("Chart.yaml", "README.md", "tests/a.yaml"):
        place = tmp_path / "source/charts" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(name)
    copy(tmp_path, **example_config("copy"))
    assert tree(tmp_path / "target") == ["charts/Chart.yaml"]


def test_the_example_of_delete_deletes_what_its_globs_match(tmp_path: Path):
    for name in ("target/a/b.tmp", "target/old/x", "target/kept.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    config = DeleteConfig.model_validate(example_config("delete"))
    DeleteStep().run(config, context_at(tmp_path))
    assert tree(tmp_path) == ["target/kept.txt"]


def test_the_example_of_fail_fails_with_its_message(tmp_path: Path):
    config = FailConfig.model_validate(example_config("fail"))
    with pytest.raises(TerminalStepError, match="failed: there is an open incident"):
        FailStep().run(config, context_at(tmp_path))


def test_the_example_of_compose_output_puts_out_what_earlier_steps_gave(tmp_path: Path):
    config = example_config("compose-output", outputs={"push": {"commit": "abc"}})
    result = ComposeOutputStep().run(
        ComposeOutputConfig.model_validate(config), context_at(tmp_path)
    )
    assert result.output == {"commit": "abc", "note": "promoted by alice"}
