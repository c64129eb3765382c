"""Submodules: each obeys the rules of `repoURL` and gets the login of its own URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from airfreight.errors import StepError
from airfreight.model.credential import Credential
from airfreight.steps.git_clone import GitCloneStep
from airfreight.steps.git_commit import GitCommitStep
from airfreight.steps.git_push import GitPushStep
from tests.git_http import GitHttpServer, git
from tests.steps.git.conftest import PASSWORD, Bench


def with_submodule(
    server: GitHttpServer, name: str, url: str, commit: str, path: str = "lib", extra: str = ""
) -> None:
    """Put a commit on main of `name` that holds a submodule; `extra` are further lines of .gitmodules."""
    listed = f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n{extra}'
    server.commit(name, {".gitmodules": listed}, "Listed")
    bare = server.path(name)
    git("read-tree", "main", cwd=bare)
    git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}", cwd=bare)
    tree = git("write-tree", cwd=bare)
    made = git("commit-tree", tree, "-p", "main", "-m", "Submodule", cwd=bare)
    git("update-ref", "refs/heads/main", made, cwd=bare)


def clone(bench: Bench, url: str) -> None:
    checkout = [{"path": "src"}]
    bench.run(GitCloneStep(), repoURL=url, checkout=checkout, recurseSubmodules=True)


@pytest.fixture
def lib(server: GitHttpServer) -> str:
    """The commit of a repository `lib` beside an empty `app`."""
    server.create("app", {"a.txt": "one\n"})
    return server.create("lib", {"b.txt": "lib\n"})


@pytest.mark.parametrize("relative", [True, False], ids=["relative URL", "full URL"])
def test_a_submodule_is_checked_out_at_its_commit(
    bench: Bench, server: GitHttpServer, lib: str, relative: bool
) -> None:
    server.commit("lib", {"b.txt": "newer\n"}, "Newer")
    with_submodule(server, "app", "../lib.git" if relative else server.url("lib"), lib)
    clone(bench, server.url("app"))
    assert (bench.root / "src/lib/b.txt").read_text() == "lib\n"


def test_submodules_of_submodules_are_checked_out(
    bench: Bench, server: GitHttpServer, lib: str
) -> None:
    server.create("middle", {"m.txt": "m\n"})
    with_submodule(server, "middle", server.url("lib"), lib)
    middle = server.log("middle")[0][0]
    with_submodule(server, "app", server.url("middle"), middle, "deep/middle")
    clone(bench, server.url("app"))
    assert (bench.root / "src/deep/middle/lib/b.txt").read_text() == "lib\n"


def test_without_the_field_submodules_stay_empty(
    bench: Bench, server: GitHttpServer, lib: str
) -> None:
    with_submodule(server, "app", server.url("lib"), lib)
    bench.clone(server.url("app"))
    assert list((bench.root / "src/lib").iterdir()) == []


def test_a_checkout_with_submodules_is_committed_and_pushed(
    bench: Bench, server: GitHttpServer, lib: str
) -> None:
    with_submodule(server, "app", server.url("lib"), lib)
    clone(bench, server.url("app"))
    (bench.root / "src/a.txt").write_text("two\n")
    bench.run(GitCommitStep(), path="src", message="Ours")
    bench.run(GitPushStep(), path="src")
    listed = git("ls-tree", "main", "lib", "a.txt", cwd=server.path("app"))
    assert f"160000 commit {lib}\tlib" in listed
    assert server.read("app", "main", "a.txt") == "two"


def test_each_submodule_gets_the_login_of_its_own_url(
    bench: Bench, server: GitHttpServer, locked: GitHttpServer
) -> None:
    server.create("app", {"a.txt": "one\n"})
    lib = locked.create("lib", {"b.txt": "lib\n"})
    with_submodule(server, "app", locked.url("lib"), lib)
    bench.logins.known[locked.url("lib")] = Credential("robot", PASSWORD)
    clone(bench, server.url("app"))
    assert (bench.root / "src/lib/b.txt").read_text() == "lib\n"
    assert server.authorizations == []


def test_a_submodule_does_not_get_the_login_of_the_repository_around_it(
    bench: Bench, server: GitHttpServer, locked: GitHttpServer
) -> None:
    locked.create("app", {"a.txt": "one\n"})
    with_submodule(locked, "app", server.url("lib"), server.create("lib", {"b.txt": "lib\n"}))
    bench.logins.known[locked.url("app")] = Credential("robot", PASSWORD)
    clone(bench, locked.url("app"))
    assert server.authorizations == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("file:///etc", "is not accepted", id="file"),
        pytest.param("/etc", "is not accepted", id="path"),
        pytest.param("ext::sh -c touch% {mark}", "is not accepted", id="ext"),
        pytest.param("-u./evil", "may be interpreted as a command-line option", id="option"),
        pytest.param("http://169.254.169.254/x.git", "requests there are refused", id="metadata"),
        pytest.param("http://[fd00:ec2::254]/x.git", "requests there are refused", id="IPv6"),
        pytest.param("http://2852039166/x.git", "requests there are refused", id="decimal"),
        pytest.param("ssh://git@169.254.169.254/x", "requests there are refused", id="ssh"),
        pytest.param("https://me:hunter2@h/a", "holds a password", id="password"),
    ],
)
def test_a_submodule_that_repo_url_could_not_be_is_refused(
    bench: Bench, server: GitHttpServer, lib: str, tmp_path: Path, url: str, message: str
) -> None:
    mark = tmp_path / "ran"
    with_submodule(server, "app", url.format(mark=mark), lib)
    with pytest.raises(StepError, match=message) as caught:
        clone(bench, server.url("app"))
    assert not mark.exists()
    assert "hunter2" not in str(caught.value)


def test_a_command_that_gitmodules_wants_run_is_not_run(
    bench: Bench, server: GitHttpServer, lib: str, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    with_submodule(server, "app", server.url("lib"), lib, extra=f"\tupdate = !touch {mark}\n")
    with pytest.raises(StepError, match="invalid value for 'submodule"):
        clone(bench, server.url("app"))
    assert not mark.exists()
