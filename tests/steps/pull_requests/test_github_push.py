"""github-push against a Git server and the Git Data API over the same repository."""

from __future__ import annotations

from typing import Any

import pytest

from airfreight.model.promotion import StepStatus
from airfreight.runtime.attempt import Attempt
from airfreight.steps.git_clone import GitCloneStep
from airfreight.steps.git_commit import GitCommitStep
from airfreight.steps.github_push import GitHubPushStep
from tests.git_http import git
from tests.steps.examples import example_config
from tests.steps.pull_requests.conftest import REPOSITORY, Bench, OneLogin
from tests.steps.pull_requests.hosting_server import HostingServer

VERIFY = {"github_push_verify_untrusted_commits": True}


def on_github(**arguments: Any) -> GitHubPushStep:
    """Make the step; it takes this machine for GitHub."""
    return GitHubPushStep(provider=lambda _: "github", **arguments)


def clone(bench: Bench, hosted: HostingServer, **checkout: Any) -> None:
    step = GitCloneStep()
    config = {"repoURL": hosted.git.url(REPOSITORY), "checkout": [{"path": "out", **checkout}]}
    step.run(step.config_type.model_validate(config), bench.context())


def commit(bench: Bench, name: str, message: str = "Promote") -> None:
    (bench.root / "out" / name).write_text(f"{name}\n")
    step = GitCommitStep()
    config = {"path": "out", "message": message}
    step.run(step.config_type.model_validate(config), bench.context())


def push(bench: Bench, **config: Any) -> Attempt:
    return bench.run(on_github, {"path": "out", **config})


def people(hosted: HostingServer, branch: str = "main") -> str:
    return hosted.run("log", "-1", "--format=%an <%ae> / %cn", branch)


def refs(hosted: HostingServer) -> list[str]:
    return hosted.run("for-each-ref", "--format=%(refname)").splitlines()


@pytest.mark.parametrize(
    ("verify", "by", "message"),
    [
        (False, "Airfreight <no-reply@airfreight.invalid> / Airfreight", "Promote"),
        (
            True,
            "app[bot] <app@github.example> / app[bot]",
            "Promote\n\nCo-authored-by: Airfreight <no-reply@airfreight.invalid>",
        ),
    ],
    ids=["people stay", "GitHub's own"],
)
def test_commits_are_made_by_github_and_the_branch_is_set(
    bench: Bench, hosted: HostingServer, verify: bool, by: str, message: str
) -> None:
    bench = bench.with_settings(github_push_verify_untrusted_commits=verify)
    clone(bench, hosted, branch="main")
    commit(bench, "b.txt")
    commit(bench, "c.txt", "Second")
    ended = push(bench)
    tip = hosted.run("rev-parse", "main")
    assert ended.status is StepStatus.SUCCEEDED, ended.error
    assert ended.output == {
        "commit": tip,
        "branch": "main",
        "commitURL": f"{hosted.git.url(REPOSITORY).removesuffix('.git')}/commit/{tip}",
    }
    assert hosted.run("log", "--format=%s", "main").split("\n") == ["Second", "Promote", "First"]
    assert people(hosted) == by
    assert hosted.run("log", "-1", "--format=%B", "main~1").strip() == message
    assert refs(hosted) == ["refs/heads/main"]


def test_the_hidden_ref_is_where_kargo_has_it(bench: Bench, hosted: HostingServer) -> None:
    seen: list[str] = []
    hosted.before_write = lambda _: seen.extend(refs(hosted))
    clone(bench, hosted, branch="main")
    commit(bench, "b.txt")
    push(bench)
    assert f"refs/kargo/staging/{bench.promotion}" in seen


@pytest.mark.parametrize(
    ("config", "branch"),
    [
        ({"targetBranch": "stage/dev"}, "stage/dev"),
        ({"generateTargetBranch": True}, "kargo/promotion/dev.01hx.abcdef0"),
    ],
    ids=["named", "generated"],
)
def test_a_branch_that_is_not_there_begins_at_the_one_checked_out(
    bench: Bench, hosted: HostingServer, config: dict[str, Any], branch: str
) -> None:
    clone(bench, hosted, branch="main")
    commit(bench, "b.txt")
    ended = push(bench, **config)
    assert (ended.output or {})["branch"] == branch
    assert hosted.run("rev-parse", f"{branch}~1") == hosted.run("rev-parse", "main")
    made = [line for line in hosted.asked if "git/commits" in line]
    assert len(made) == 1


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize(
    "config",
    [{}, {"generateTargetBranch": True}, {"targetBranch": "x", "force": True}],
    ids=["branch", "generated", "forced"],
)
@pytest.mark.parametrize("fresh", [True, False], ids=["fresh folder", "same folder"])
def test_a_second_run_moves_nothing(
    bench: Bench, hosted: HostingServer, verify: bool, config: dict[str, Any], fresh: bool
) -> None:
    bench = bench.with_settings(github_push_verify_untrusted_commits=verify)
    clone(bench, hosted, branch="main")
    commit(bench, "b.txt")
    first = push(bench, **config)
    before = hosted.run("for-each-ref")
    if fresh:
        clone(bench, hosted, branch="main")
        commit(bench, "b.txt")
    second = push(bench, **config)
    assert second.output == first.output
    assert hosted.run("for-each-ref") == before


@pytest.mark.parametrize("verify", [False, True])
def test_its_own_branch_stays_though_others_pushed_before_the_second_run(
    bench: Bench, hosted: HostingServer, verify: bool
) -> None:
    bench = bench.with_settings(github_push_verify_untrusted_commits=verify)
    outputs = []
    for name in ("theirs.txt", "more.txt"):
        clone(bench, hosted, branch="main")
        commit(bench, "b.txt")
        outputs.append(push(bench, generateTargetBranch=True).output)
        hosted.git.commit(REPOSITORY, {name: "x"}, "Theirs")
    assert outputs[0] == outputs[1]


def test_others_commits_come_below_ones_own(bench: Bench, hosted: HostingServer) -> None:
    clone(bench, hosted, branch="main")
    commit(bench, "b.txt")
    hosted.git.commit(REPOSITORY, {"theirs.txt": "x"}, "Theirs")
    assert push(bench).status is StepStatus.SUCCEEDED
    assert hosted.run("log", "--format=%s", "main").split("\n") == ["Promote", "Theirs", "First"]


def test_somebody_who_is_faster_costs_another_try(bench: Bench, hosted: HostingServer) -> None:
    def push_theirs(line: str) -> None:
        if line.startswith("PATCH"):
            hosted.before_write = lambda _: None
            hosted.git.commit(REPOSITORY, {"theirs.txt": "x"}, "Theirs")

    clone(bench, hosted, branch="main")
    commit(bench, "b.txt")
    hosted.before_write = push_theirs
    assert push(bench).status is StepStatus.SUCCEEDED
    assert hosted.run("log", "--format=%s", "main").split("\n") == ["Promote", "Theirs", "First"]
    assert len(bench.slept) == 1
    assert 1 <= bench.slept[0] <= 1.5


def test_after_the_last_try_it_says_what_github_says(bench: Bench, hosted: HostingServer) -> None:
    names = iter("abcdef")

    def push_theirs(line: str) -> None:
        if line.startswith("PATCH"):
            hosted.git.commit(REPOSITORY, {f"theirs-{next(names)}.txt": "x"}, "Theirs")

    clone(bench, hosted, branch="main")
    commit(bench, "b.txt")
    hosted.before_write = push_theirs
    ended = push(bench, maxAttempts=2)
    assert (ended.status, ended.terminal) == (StepStatus.ERRORED, False)
    assert "refused each of 2 attempts to set branch 'main'" in (ended.error or "")
    assert "Update is not a fast forward" in (ended.error or "")
    assert refs(hosted) == ["refs/heads/main"]


def test_a_conflict_fails_the_step_and_pushes_nothing(bench: Bench, hosted: HostingServer) -> None:
    clone(bench, hosted, branch="main")
    commit(bench, "b.txt")
    theirs = hosted.git.commit(REPOSITORY, {"b.txt": "theirs"}, "Theirs")
    ended = push(bench)
    assert (ended.status, ended.terminal) == (StepStatus.FAILED, True)
    assert "b.txt" in (ended.error or "")
    assert hosted.run("rev-parse", "main") == theirs


def test_force_overwrites_what_others_pushed(bench: Bench, hosted: HostingServer) -> None:
    clone(bench, hosted, branch="main")
    commit(bench, "b.txt")
    hosted.git.commit(REPOSITORY, {"theirs.txt": "x"}, "Theirs")
    assert push(bench, force=True).status is StepStatus.SUCCEEDED
    assert hosted.run("log", "--format=%s", "main").split("\n") == ["Promote", "First"]


@pytest.mark.parametrize(("limit", "works"), [(3, True), (2, False)])
def test_more_commits_than_the_setting_allows_are_refused(
    bench: Bench, hosted: HostingServer, limit: int, works: bool
) -> None:
    bench = bench.with_settings(github_push_max_revisions=limit)
    clone(bench, hosted, branch="main")
    for name in ("b.txt", "c.txt", "d.txt"):
        commit(bench, name)
    ended = push(bench)
    assert (ended.status is StepStatus.SUCCEEDED) == works
    if not works:
        assert ended.terminal
        assert "github_push_max_revisions" in (ended.error or "")
        assert not [line for line in hosted.asked if "git/commits" in line]


def test_a_merge_commit_keeps_its_parents(bench: Bench, hosted: HostingServer) -> None:
    hosted.git.commit(REPOSITORY, {"side.txt": "x"}, "Side", branch="side")
    side = hosted.run("rev-parse", "side")
    clone(bench.with_settings(**VERIFY), hosted, branch="main")
    commit(bench, "b.txt")
    out = bench.root / "out"
    git("merge", "--quiet", "--no-ff", "-m", "Merge", side, cwd=out)
    assert push(bench, targetBranch="new", force=True).status is StepStatus.SUCCEEDED
    assert hosted.run("log", "-1", "--format=%s", "new^1") == "Promote"
    assert hosted.run("log", "-1", "--format=%s", "new^2") == "Side"


def test_elsewhere_than_on_github_it_is_refused(bench: Bench, hosted: HostingServer) -> None:
    clone(bench, hosted, branch="main")
    ended = bench.run(GitHubPushStep, {"path": "out"})
    assert ended.terminal
    assert "needs a repository on GitHub" in (ended.error or "")
    assert "use git-push" in (ended.error or "")
    assert hosted.asked == []


def test_without_a_login_it_is_refused(bench: Bench, hosted: HostingServer) -> None:
    clone(bench, hosted, branch="main")
    bench.credentials = OneLogin(None)
    ended = push(bench)
    assert ended.terminal
    assert "no git credential of the project is for" in (ended.error or "")
    assert hosted.asked == []


def test_the_example_pushes(bench: Bench, hosted: HostingServer) -> None:
    clone(bench, hosted, branch="main")
    commit(bench, "b.txt")
    ended = bench.run(on_github, example_config("github-push"))
    assert (ended.output or {})["branch"] == "kargo/promotion/dev.01hx.abcdef0"
