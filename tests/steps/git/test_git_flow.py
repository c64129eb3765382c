"""The four Git steps against a real server over HTTP."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.model.promotion import StepStatus
from airfreight.steps.git_clear import GitClearStep
from airfreight.steps.git_commit import GitCommitStep
from airfreight.steps.git_push import GitPushStep
from airfreight.steps.git_worktree import repair_worktrees
from tests.git_http import GitHttpServer
from tests.steps.git.conftest import Bench

BenchMaker = Callable[[], Bench]


def test_git_clear_removes_all_but_what_git_ignores(bench: Bench, server: GitHttpServer) -> None:
    server.create("app", {"a.txt": "one\n", "d/b.txt": "b\n", ".gitignore": "*.log\n"})
    bench.clone(server.url("app"))
    (bench.root / "src/new.txt").write_text("new")
    (bench.root / "src/x.log").write_text("log")
    bench.run(GitClearStep(), path="src")
    assert sorted(os.listdir(bench.root / "src")) == [".git", "x.log"]


def test_a_promotion_makes_one_commit_and_says_where(bench: Bench, server: GitHttpServer) -> None:
    server.create("app", {"a.txt": "one\n"})
    committed, pushed = bench.promote(server.url("app"), provider="gitea")
    sha, message = server.log("app")[0]
    assert message == "Set a.txt"
    assert committed.output == {"commit": sha}
    page = server.url("app").removesuffix(".git") + f"/commit/{sha}"
    assert pushed.output == {"branch": "main", "commit": sha, "commitURL": page}


def test_nothing_to_commit_is_skipped_with_head(bench: Bench, server: GitHttpServer) -> None:
    head = server.create("app", {"a.txt": "one\n"})
    committed, pushed = bench.promote(server.url("app"), text="one\n")
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
    _, again = (bench if same_folder else new_bench()).promote(server.url("app"))
    assert again.output == {"branch": "main", **(first or {})}
    assert len(server.log("app")) == 2


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
