"""What git-clone checks out from a real server over HTTP, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airfreight.errors import TerminalStepError
from airfreight.steps.git_clone import GitCloneStep
from tests.git_http import GitHttpServer, git
from tests.steps.git.conftest import Bench

BenchMaker = Callable[[], Bench]


def test_a_branch_a_commit_and_a_tag_are_checked_out_side_by_side(
    bench: Bench, server: GitHttpServer
) -> None:
    first = server.create("app", {"a.txt": "one\n"})
    git("tag", "-a", "v1", "-m", "v1", first, cwd=server.path("app"))
    second = server.commit("app", {"a.txt": "two\n"}, "Second")
    result = bench.run(
        GitCloneStep(),
        repoURL=server.url("app"),
        checkout=[
            {"path": "main"},
            {"path": "./old", "commit": first, "as": "before"},
            {"path": "deep/tagged", "tag": "v1"},
        ],
    )
    assert result.output == {"commits": {"main": second, "before": first, "deep/tagged": first}}
    assert (bench.root / "main/a.txt").read_text() == "two\n"
    assert (bench.root / "deep/tagged/a.txt").read_text() == "one\n"


def test_one_mapping_as_checkout_is_a_list_of_one(bench: Bench, server: GitHttpServer) -> None:
    head = server.create("app", {"a.txt": "one\n"})
    result = bench.run(GitCloneStep(), repoURL=server.url("app"), checkout={"path": "src"})
    assert result.output == {"commits": {"src": head}}


def test_a_branch_that_is_missing_is_made_once_with_the_same_commit(
    new_bench: BenchMaker, server: GitHttpServer
) -> None:
    server.create("app", {"a.txt": "one\n"})
    results = [
        new_bench().clone(server.url("app"), branch="env/dev", create=True) for _ in range(2)
    ]
    ((sha, message),) = server.log("app", "env/dev")
    assert message == "Initial commit"
    assert [result.output for result in results] == [{"commits": {"src": sha}}] * 2


def test_sparse_and_blobless_bring_the_asked_folder_only(
    bench: Bench, server: GitHttpServer
) -> None:
    server.create("app", {"a/x.txt": "x\n", "b/y.txt": "y\n"})
    bench.run(
        GitCloneStep(),
        repoURL=server.url("app"),
        blobless=True,
        checkout=[{"path": "src", "sparse": ["a"]}],
    )
    assert (bench.root / "src/a/x.txt").exists()
    assert not (bench.root / "src/b").exists()
    objects = git("rev-list", "--objects", "--missing=print", "HEAD", cwd=bench.root / "src")
    left_out = git("rev-parse", "main:b/y.txt", cwd=server.path("app"))
    assert [line for line in objects.splitlines() if line.startswith("?")] == [f"?{left_out}"]


@pytest.mark.parametrize(
    ("url", "checkout", "message"),
    [
        pytest.param("ext::sh -c id", {}, "is not accepted", id="ext"),
        pytest.param("file:///etc", {}, "is not accepted", id="file"),
        pytest.param("--upload-pack=id", {}, "is not accepted", id="option"),
        pytest.param("https://h/a\nb", {}, "is not accepted", id="newline"),
        pytest.param("https://me:hunter2@h/a", {}, "holds a password", id="password"),
        pytest.param("", {"branch": "-x"}, "not a name that a branch can have", id="dash branch"),
        pytest.param("", {"branch": "a\nb"}, "not a name that a branch can have", id="control"),
        pytest.param("", {"branch": "nope"}, "no branch 'nope'; create: true", id="no branch"),
        pytest.param("", {"tag": "v9"}, "no tag 'v9'", id="no tag"),
        pytest.param("", {"commit": "0" * 40}, "no commit '000", id="no commit"),
        pytest.param("", {"path": "../out"}, "leads out of the work directory", id="outside"),
        pytest.param("", {"path": "x/.git/y"}, "Git's own files", id="git folder"),
    ],
)
def test_git_clone_refuses(
    bench: Bench, server: GitHttpServer, url: str, checkout: dict[str, Any], message: str
) -> None:
    server.create("app", {"a.txt": "one\n"})
    with pytest.raises(TerminalStepError) as caught:
        bench.clone(url or server.url("app"), **{"path": "src", **checkout})
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)
