"""How git-push brings commits to a server on which others push, too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from airfreight.errors import RefusedError, RetryableStepError, TerminalStepError
from airfreight.steps.git_commit import GitCommitStep
from airfreight.steps.git_push import GitPushStep
from tests.git_http import GitHttpServer, git
from tests.steps.git.conftest import Bench

BenchMaker = Callable[[], Bench]


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
        _, pushed = new_bench().promote(server.url("app"), text=text, generateTargetBranch=True)
    branch = "kargo/promotion/dev.01hx.abcdef0"
    assert pushed.output["branch"] == branch
    assert server.read("app", branch, "a.txt") == "three"
    assert len(server.log("app", branch)) == 2


def test_a_generated_branch_that_has_the_change_already_stays_with_what_people_added(
    new_bench: BenchMaker, server: GitHttpServer
) -> None:
    """Guard: `pushed_before`; without it the repeat throws away the commit of a person."""
    server.create("app", {"a.txt": "one\n"})
    _, pushed = new_bench().promote(server.url("app"), generateTargetBranch=True)
    branch = pushed.output["branch"]
    with_fix = git_commit_on(server, branch, {"b.txt": "fixed\n"})
    server.commit("app", {"theirs.txt": "x\n"}, "Theirs")
    bench = new_bench()
    _, again = bench.promote(server.url("app"), generateTargetBranch=True)
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
