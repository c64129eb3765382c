"""The four Git steps against a real server over HTTP."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from airfreight.errors import RefusedError, RetryableStepError, TerminalStepError
from airfreight.model.credential import Credential
from airfreight.model.promotion import StepStatus
from airfreight.steps.base import StepSettings
from airfreight.steps.git_clear import GitClearStep
from airfreight.steps.git_clone import GitCloneStep
from airfreight.steps.git_commit import GitCommitStep
from airfreight.steps.git_push import GitPushStep
from airfreight.steps.git_worktree import repair_worktrees
from tests.git_http import GitHttpServer, git
from tests.processes import arguments_of_processes
from tests.steps.git.conftest import PASSWORD, Bench

BenchMaker = Callable[[], Bench]


def promote(bench: Bench, url: str, path: str = "a.txt", text: str = "two\n", **push: Any) -> Any:
    """Clone, change one file, commit and push, as a small promotion does; return the outputs."""
    bench.clone(url)
    (bench.root / "src" / path).write_text(text)
    committed = bench.run(GitCommitStep(), "step-2", path="src", message=f"Set {path}")
    step = GitPushStep(sleep=lambda _: None)
    pushed = bench.run(step, "step-3", path="src", **push)
    return committed, pushed


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


def test_git_clear_removes_all_but_what_git_ignores(bench: Bench, server: GitHttpServer) -> None:
    server.create("app", {"a.txt": "one\n", "d/b.txt": "b\n", ".gitignore": "*.log\n"})
    bench.clone(server.url("app"))
    (bench.root / "src/new.txt").write_text("new")
    (bench.root / "src/x.log").write_text("log")
    bench.run(GitClearStep(), path="src")
    assert sorted(os.listdir(bench.root / "src")) == [".git", "x.log"]


def test_a_promotion_makes_one_commit_and_says_where(bench: Bench, server: GitHttpServer) -> None:
    server.create("app", {"a.txt": "one\n"})
    committed, pushed = promote(bench, server.url("app"), provider="gitea")
    sha, message = server.log("app")[0]
    assert message == "Set a.txt"
    assert committed.output == {"commit": sha}
    page = server.url("app").removesuffix(".git") + f"/commit/{sha}"
    assert pushed.output == {"branch": "main", "commit": sha, "commitURL": page}


def test_nothing_to_commit_is_skipped_with_head(bench: Bench, server: GitHttpServer) -> None:
    head = server.create("app", {"a.txt": "one\n"})
    committed, pushed = promote(bench, server.url("app"), text="one\n")
    assert (committed.status, committed.output) == (StepStatus.SKIPPED, {"commit": head})
    assert pushed.output == {"branch": "main", "commit": head}


@pytest.mark.parametrize("same_folder", [True, False], ids=["same folder", "fresh folder"])
@pytest.mark.parametrize("pushed", [True, False], ids=["after push", "before push"])
def test_a_repeated_promotion_leaves_one_commit_with_one_sha(
    new_bench: BenchMaker, server: GitHttpServer, same_folder: bool, pushed: bool
) -> None:
    server.create("app", {"a.txt": "one\n"})
    bench = new_bench()
    bench.clone(server.url("app"))
    (bench.root / "src/a.txt").write_text("two\n")
    first = bench.run(GitCommitStep(), "step-2", path="src", message="Set a.txt").output
    if pushed:
        bench.run(GitPushStep(), "step-3", path="src")
    _, again = promote(bench if same_folder else new_bench(), server.url("app"))
    assert again.output == {"branch": "main", **(first or {})}
    assert len(server.log("app")) == 2


def test_others_commits_are_kept_and_ours_goes_on_top(bench: Bench, server: GitHttpServer) -> None:
    server.create("app", {"a.txt": "one\n", "b.txt": "b\n"})
    bench.clone(server.url("app"))
    server.commit("app", {"b.txt": "theirs\n"}, "Theirs")
    (bench.root / "src/a.txt").write_text("two\n")
    bench.run(GitCommitStep(), path="src", message="Ours")
    result = bench.run(GitPushStep(), path="src")
    assert [message for _, message in server.log("app")] == ["Ours", "Theirs", "First"]
    sha = (result.output or {})["commit"]
    assert server.log("app")[0][0] == sha
    assert git("show", "-s", "--format=%ct", sha, cwd=server.path("app")) == "1714564800"


def test_a_conflict_ends_as_failed_and_names_the_file(bench: Bench, server: GitHttpServer) -> None:
    server.create("app", {"a.txt": "one\n"})
    bench.clone(server.url("app"))
    server.commit("app", {"a.txt": "theirs\n"}, "Theirs")
    (bench.root / "src/a.txt").write_text("ours\n")
    bench.run(GitCommitStep(), path="src", message="Ours")
    with pytest.raises(TerminalStepError, match=r"branch 'main', in a\.txt; nothing") as caught:
        bench.run(GitPushStep(), path="src")
    assert caught.value.failed
    assert server.read("app", "main", "a.txt") == "theirs"


def test_a_generated_branch_is_named_by_the_promotion_and_forced(
    new_bench: BenchMaker, server: GitHttpServer
) -> None:
    server.create("app", {"a.txt": "one\n"})
    for text in ("two\n", "three\n"):
        _, pushed = promote(new_bench(), server.url("app"), text=text, generateTargetBranch=True)
    branch = "kargo/promotion/dev.01hx.abcdef0"
    assert pushed.output["branch"] == branch
    assert server.read("app", branch, "a.txt") == "three"
    assert len(server.log("app", branch)) == 2


def test_a_generated_branch_that_has_the_change_already_stays_with_what_people_added(
    new_bench: BenchMaker, server: GitHttpServer
) -> None:
    """Guard: `pushed_before`; without it the repeat throws away the commit of a person."""
    server.create("app", {"a.txt": "one\n"})
    _, pushed = promote(new_bench(), server.url("app"), generateTargetBranch=True)
    branch = pushed.output["branch"]
    with_fix = git_commit_on(server, branch, {"b.txt": "fixed\n"})
    server.commit("app", {"theirs.txt": "x\n"}, "Theirs")
    bench = new_bench()
    _, again = promote(bench, server.url("app"), generateTargetBranch=True)
    assert again.output == {"branch": branch, "commit": with_fix}
    assert server.log("app", branch)[0][0] == with_fix
    assert (bench.root / "src/b.txt").read_text() == "fixed\n"


def git_commit_on(server: GitHttpServer, branch: str, files: dict[str, str]) -> str:
    """Put a commit on top of a branch of the server, as a reviewer does."""
    bare = server.path("app")
    git("branch", "--force", "review", branch, cwd=bare)
    git("symbolic-ref", "HEAD", "refs/heads/review", cwd=bare)
    made = server.commit("app", files, "Fix", branch="review")
    git("symbolic-ref", "HEAD", "refs/heads/main", cwd=bare)
    git("update-ref", f"refs/heads/{branch}", made, cwd=bare)
    git("update-ref", "-d", "refs/heads/review", cwd=bare)
    return made


def test_a_tag_is_pushed_by_name(bench: Bench, server: GitHttpServer) -> None:
    head = server.create("app", {"a.txt": "one\n"})
    bench.clone(server.url("app"))
    git("tag", "v1", cwd=bench.root / "src")
    result = bench.run(GitPushStep(), path="src", tag="v1")
    assert result.output == {"commit": head}
    assert git("rev-parse", "v1", cwd=server.path("app")) == head


def commit_behind_a_lock(bench: Bench, server: GitHttpServer) -> Path:
    """Commit to a branch that the server keeps locked, as in the middle of others' pushes; return the lock."""
    server.create("app", {"a.txt": "one\n"})
    bench.clone(server.url("app"))
    (bench.root / "src/a.txt").write_text("two\n")
    bench.run(GitCommitStep(), path="src", message="Ours")
    lock = server.path("app") / "refs/heads/main.lock"
    lock.touch()
    return lock


def test_a_push_that_is_always_overtaken_gives_up_after_its_attempts(
    bench: Bench, server: GitHttpServer
) -> None:
    server.create("app", {"a.txt": "one\n"})
    bench.clone(server.url("app"))
    (bench.root / "src/a.txt").write_text("two\n")
    bench.run(GitCommitStep(), path="src", message="Ours")
    names = iter("bcd")

    def push_theirs() -> None:
        server.commit("app", {next(names): "x"}, "Theirs")

    bench.check_fence = push_theirs
    waits: list[float] = []
    with pytest.raises(RetryableStepError, match="before each of 3 attempts"):
        bench.run(GitPushStep(sleep=waits.append, chance=lambda: 1.0), path="src", maxAttempts=3)
    assert waits == [1.5, 2.25]


def test_a_push_asks_before_each_attempt_whether_the_promotion_is_still_its_own(
    bench: Bench, server: GitHttpServer
) -> None:
    """Guard: `check_fence` in `GitPushStep._push`; without it the second attempt pushes."""
    lock = commit_behind_a_lock(bench, server)
    asked: list[bool] = []

    def overtaken() -> None:
        asked.append(lock.exists())
        if len(asked) == 2:
            raise RefusedError("another process promotes to this Stage by now")

    bench.check_fence = overtaken
    with pytest.raises(RefusedError):
        bench.run(GitPushStep(sleep=lambda seconds: lock.unlink()), path="src")
    assert asked == [True, False]
    assert [message for _, message in server.log("app")] == ["First"]


def test_a_moved_work_directory_works_on_after_repair(bench: Bench, server: GitHttpServer) -> None:
    server.create("app", {"a.txt": "one\n"})
    bench.clone(server.url("app"), path="deep/src")
    moved = bench.root.with_name("moved")
    shutil.move(bench.root, moved)
    (moved / "deep/src/.git").unlink()
    bench.root = moved
    repair_worktrees(moved)
    (moved / "deep/src/a.txt").write_text("two\n")
    bench.run(GitCommitStep(), path="deep/src", message="Moved")
    bench.run(GitPushStep(), path="deep/src")
    assert server.read("app", "main", "a.txt") == "two"


@pytest.mark.parametrize("link", ["deep", "deep/src/.git", ".airfreight"])
def test_repairing_writes_nothing_through_a_link_that_leads_out(
    bench: Bench, server: GitHttpServer, tmp_path: Path, link: str
) -> None:
    server.create("app", {"a.txt": "one\n"})
    bench.clone(server.url("app"), path="deep/src")
    outside = tmp_path / "outside"
    shutil.move(bench.root / link, outside)
    (bench.root / link).symlink_to(outside)
    for place in (outside, *outside.rglob("*")):
        os.utime(place, (0, 0))
    repair_worktrees(bench.root)
    assert {place.stat().st_mtime for place in (outside, *outside.rglob("*"))} == {0}


def test_hooks_and_links_of_a_repository_do_nothing(bench: Bench, server: GitHttpServer) -> None:
    server.create("app", {"a.txt": "one\n"})
    bench.clone(server.url("app"))
    (bare,) = (bench.root / ".airfreight").glob("*.git")
    mark = bench.root / "ran"
    for name in ("pre-commit", "post-commit", "pre-push", "post-checkout", "pre-rebase"):
        hook = bare / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
        hook.chmod(0o755)
    (bench.root / "src/link").symlink_to("/etc")
    bench.run(GitCommitStep(), path="src", message="Ours")
    bench.run(GitPushStep(), path="src")
    assert not mark.exists()
    with pytest.raises(TerminalStepError, match="leads out"):
        bench.run(GitCommitStep(), path="src/link", message="Out")


def test_the_login_opens_the_repository_and_is_written_nowhere(
    bench: Bench, locked: GitHttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    locked.create("app", {"a.txt": "one\n"})
    bench.logins.known[locked.url("app")] = Credential("robot", PASSWORD)
    promote(bench, locked.url("app"))
    assert len(locked.log("app")) == 2
    pair = base64.b64encode(f"robot:{PASSWORD}".encode()).decode()
    spellings = [PASSWORD, quote(PASSWORD, safe=""), pair]
    files = [place for place in bench.root.rglob("*") if place.is_file()]
    found = [s for s in spellings for place in files if s.encode() in place.read_bytes()]
    assert found == []
    assert not any(spelling in caplog.text for spelling in spellings)


def test_no_process_shows_the_login_in_its_arguments(bench: Bench, locked: GitHttpServer) -> None:
    locked.create("app", {"a.txt": "one\n"})
    bench.logins.known[locked.url("app")] = Credential("robot", PASSWORD)
    with arguments_of_processes() as seen:
        bench.clone(locked.url("app"))
    assert any(b"remote-http" in line or b"clone" in line for line in seen)
    assert not any(PASSWORD.encode() in line for line in seen)


_LOCAL = StepSettings(allow_loopback=True, allow_credentials_over_http=True)


@pytest.mark.parametrize(
    ("password", "settings"),
    [
        pytest.param("wrong-pass", _LOCAL, id="wrong"),
        pytest.param(PASSWORD, StepSettings(allow_loopback=True), id="not over http"),
    ],
)
def test_a_refused_login_is_terminal_and_not_quoted(
    bench: Bench, locked: GitHttpServer, password: str, settings: StepSettings
) -> None:
    locked.create("app", {"a.txt": "one\n"})
    bench.settings = settings
    bench.logins.known[locked.url("app")] = Credential("robot", password)
    with pytest.raises(TerminalStepError, match="git clone with") as caught:
        bench.clone(locked.url("app"))
    assert password not in str(caught.value)
    assert (locked.authorizations != []) == settings.allow_credentials_over_http


def test_a_redirect_to_another_host_gets_no_login(
    bench: Bench, server: GitHttpServer, locked: GitHttpServer
) -> None:
    locked.create("app", {"a.txt": "one\n"})
    server.redirects["app"] = locked.url("app")
    bench.logins.known[server.url("app")] = Credential("robot", PASSWORD)
    with pytest.raises(TerminalStepError):
        bench.clone(server.url("app"))
    assert locked.authorizations == []


def test_a_dead_server_is_worth_another_try(bench: Bench) -> None:
    with pytest.raises(RetryableStepError, match="git clone with"):
        bench.clone("http://127.0.0.1:9/app.git")


def test_variables_of_the_worker_do_not_redirect_git(tmp_path: Path, server: GitHttpServer) -> None:
    server.create("app", {"a.txt": "one\n"})
    code = (
        "import logging, sys; from pathlib import Path\n"
        "from airfreight.artifacts.git import GitClient\n"
        "from airfreight.artifacts.git_access import GitRemote\n"
        "remote = GitRemote(sys.argv[2], allow_loopback=True)\n"
        "client = GitClient(Path(sys.argv[1]), logging.getLogger('x'), remote)\n"
        "print(client.run('ls-remote', sys.argv[2], 'refs/heads/main'))\n"
    )
    source = Path(__file__).parents[3] / "plugins"
    bad = {"GIT_DIR": "/nowhere", "GIT_CONFIG_COUNT": "x", "PYTHONPATH": str(source)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), server.url("app")],
        env={"PATH": os.environ["PATH"], **bad},
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.match("[0-9a-f]{40}", done.stdout), done.stderr
