"""What git-push does about the commits that others pushed, by policy, and how it knows that they came first."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.steps.git_commit import GitCommitStep
from airfreight.steps.git_push import GitPushStep
from tests.git_http import GitHttpServer, git
from tests.steps.git.conftest import Bench


@pytest.fixture
def committed(bench: Bench, server: GitHttpServer) -> Bench:
    """A bench with a commit that is not pushed yet."""
    server.create("app", {"a.txt": "one\n", "b.txt": "b\n"})
    bench.clone(server.url("app"))
    (bench.root / "src/a.txt").write_text("two\n")
    bench.run(GitCommitStep(), path="src", message="Ours")
    return bench


def with_policy(bench: Bench, policy: str) -> None:
    bench.settings = replace(bench.settings, git_push_integration_policy=policy)


def hook(server: GitHttpServer, text: str) -> Path:
    """Let the server run a script before it takes a push."""
    place = server.path("app") / "hooks/pre-receive"
    place.parent.mkdir(exist_ok=True)
    place.write_text(f"#!/bin/sh\n{text}\n")
    place.chmod(0o755)
    return place


def test_a_merge_is_dated_by_the_promotion_and_repeats_with_the_same_sha(
    new_bench: Callable[[], Bench], server: GitHttpServer
) -> None:
    first = server.create("app", {"a.txt": "one\n", "b.txt": "b\n"})
    theirs = server.commit("app", {"b.txt": "theirs\n"}, "Theirs")
    made = []
    for bench in (new_bench(), new_bench()):
        with_policy(bench, "AlwaysMerge")
        git("update-ref", "refs/heads/main", first, cwd=server.path("app"))
        bench.clone(server.url("app"))
        (bench.root / "src/a.txt").write_text("two\n")
        bench.run(GitCommitStep(), path="src", message="Ours")
        git("update-ref", "refs/heads/main", theirs, cwd=server.path("app"))
        made.append(bench.run(GitPushStep(), path="src").output)
    assert made[0] == made[1]
    assert server.log("app")[0] == ((made[0] or {})["commit"], "Merge branch 'main'")


def test_a_merge_conflict_ends_as_failed_and_names_the_file(
    committed: Bench, server: GitHttpServer
) -> None:
    server.commit("app", {"a.txt": "theirs\n"}, "Theirs")
    with_policy(committed, "AlwaysMerge")
    with pytest.raises(TerminalStepError, match=r"in a\.txt; nothing was pushed") as caught:
        committed.run(GitPushStep(), path="src")
    assert caught.value.failed
    assert git("status", "--porcelain", cwd=committed.root / "src") == ""


def test_without_integration_a_push_after_others_is_given_up(
    committed: Bench, server: GitHttpServer
) -> None:
    server.commit("app", {"b.txt": "theirs\n"}, "Theirs")
    with_policy(committed, "None")
    with pytest.raises(RetryableStepError, match="non-fast-forward"):
        committed.run(GitPushStep(sleep=lambda _: None), path="src")
    assert server.log("app")[0][1] == "Theirs"


def test_an_unknown_policy_is_refused_with_the_known_ones(committed: Bench) -> None:
    with_policy(committed, "Rebase")
    with pytest.raises(TerminalStepError, match="'Rebase' is none of AlwaysRebase, RebaseOrMerge"):
        committed.run(GitPushStep(), path="src")


@pytest.mark.parametrize(
    "said",
    ["branch is protected", "Zweig ist geschützt", " ! [remote rejected] main (cannot lock ref)"],
)
def test_a_push_that_the_server_forbids_is_repeated_once_whatever_it_says(
    committed: Bench, server: GitHttpServer, said: str
) -> None:
    asked: list[int] = []
    committed.check_fence = lambda: asked.append(1)
    hook(server, f"echo '{said}' >&2; exit 1")
    with pytest.raises(RetryableStepError, match=re.escape(said)):
        committed.run(GitPushStep(sleep=lambda _: None), path="src")
    assert len(asked) == 2


def test_a_refusal_in_unknown_words_is_repeated_where_the_branch_moved(
    committed: Bench, server: GitHttpServer
) -> None:
    theirs = server.commit("app", {"b.txt": "theirs\n"}, "Theirs", branch="other")
    bare = server.path("app")
    place = hook(server, f"git --git-dir={bare} update-ref refs/heads/main {theirs}; exit 1")
    script = "env -u GIT_QUARANTINE_PATH " + place.read_text().splitlines()[1].split(";")[0]
    place.write_text(f"#!/bin/sh\nrm $0\n{script}\nexit 1\n")
    committed.run(GitPushStep(sleep=lambda _: None), path="src")
    assert [message for _, message in server.log("app")] == ["Ours", "Theirs", "First"]


def test_a_branch_that_was_deleted_meanwhile_is_made_again(
    committed: Bench, server: GitHttpServer
) -> None:
    git("update-ref", "-d", "refs/heads/main", cwd=server.path("app"))
    committed.run(GitPushStep(), path="src")
    assert [message for _, message in server.log("app")] == ["Ours", "First"]


def test_a_branch_that_others_rewrote_is_not_overwritten(
    committed: Bench, server: GitHttpServer
) -> None:
    bare = server.path("app")
    tree = git("rev-parse", "main^{tree}", cwd=bare)
    rewritten = git("commit-tree", tree, "-m", "Rewritten", cwd=bare)
    git("update-ref", "refs/heads/main", rewritten, cwd=bare)
    committed.run(GitPushStep(), path="src")
    assert [message for _, message in server.log("app")] == ["Ours", "Rewritten"]


def test_force_overwrites_what_others_pushed(committed: Bench, server: GitHttpServer) -> None:
    server.commit("app", {"b.txt": "theirs\n"}, "Theirs")
    committed.run(GitPushStep(), path="src", force=True)
    assert [message for _, message in server.log("app")] == ["Ours", "First"]
