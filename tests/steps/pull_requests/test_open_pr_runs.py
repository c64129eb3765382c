"""What git-open-pr does, second runs included."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from airfreight.model.promotion import StepStatus
from airfreight.steps.git_open_pr import GitOpenPRStep
from tests.git_http import GitHttpServer
from tests.steps.pull_requests.conftest import REPOSITORY, Bench
from tests.steps.pull_requests.hosting.here import PROVIDERS, service_here
from tests.steps.pull_requests.hosting_server import HostingServer

open_here = partial(GitOpenPRStep, service_for=service_here)

MESSAGE = "Promote calm-otter\n\nimage 1.2.3\nchart 0.4.1"


def opening(hosted: HostingServer, **config: Any) -> dict[str, Any]:
    return {
        "repoURL": hosted.git.url(REPOSITORY),
        "sourceBranch": "stage/dev",
        "targetBranch": "main",
        "provider": "github",
        **config,
    }


@pytest.fixture
def changed(hosted: HostingServer) -> HostingServer:
    """A repository whose branch stage/dev has a change."""
    hosted.git.commit(REPOSITORY, {"b.txt": "new\n"}, MESSAGE, branch="stage/dev")
    return hosted


@pytest.mark.parametrize(
    ("config", "title", "description"),
    [
        ({}, "Promote calm-otter", "image 1.2.3\nchart 0.4.1"),
        ({"title": "Mine"}, "Mine", MESSAGE),
        ({"description": "Why"}, "Promote calm-otter", "Why"),
        ({"title": "Mine", "description": "Why"}, "Mine", "Why"),
    ],
    ids=["neither", "title", "description", "both"],
)
@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_it_is_worded_by_the_config_or_else_by_the_commit(
    bench: Bench,
    changed: HostingServer,
    provider: str,
    config: dict[str, str],
    title: str,
    description: str,
) -> None:
    ended = bench.run(GitOpenPRStep, opening(changed, provider=provider, **config))
    assert ended.status is StepStatus.SUCCEEDED, ended.error
    (one,) = changed.requests
    assert (one.title, one.description) == (title, description)
    assert (ended.output or {})["pr"]["id"] == 1
    assert (ended.output or {})["pr"]["url"] in ended.message


def test_it_links_to_the_ui_where_its_address_is_known(
    bench: Bench, changed: HostingServer
) -> None:
    bench.with_settings(ui_base_url="https://airflow.acme.org").run(
        GitOpenPRStep, opening(changed, description="Why")
    )
    (one,) = changed.requests
    assert one.description == (
        "Why\n\n[Stage dev of shop in Airflow](https://airflow.acme.org/dags?tags=shop)"
    )


@pytest.mark.parametrize("provider", [one for one in PROVIDERS if one != "bitbucket"])
def test_labels_are_set_once_even_where_an_earlier_try_ended_before_them(
    bench: Bench, changed: HostingServer, provider: str
) -> None:
    bench.run(open_here, opening(changed, provider=provider))
    labelled = opening(changed, provider=provider, labels=["kargo", "dev"])
    for _ in range(2):
        assert bench.run(open_here, labelled).status is StepStatus.SUCCEEDED
    (one,) = changed.requests
    assert one.labels == ["kargo", "dev"]


@pytest.mark.parametrize(
    ("provider", "state"),
    [("github", "open"), *((one, state) for one in PROVIDERS for state in ("merged", "closed"))],
)
def test_a_second_run_finds_it_be_it_open_or_merged_and_not_one_closed(
    bench: Bench, changed: HostingServer, provider: str, state: str
) -> None:
    first = bench.run(open_here, opening(changed, provider=provider))
    if state == "merged":
        changed.merge(1)
    changed.requests[0].state = state
    second = bench.run(open_here, opening(changed, provider=provider))
    assert len(changed.requests) == (2 if state == "closed" else 1)
    assert (second.output == first.output) == (state != "closed")


def test_an_open_one_comes_before_a_newer_merged_one(bench: Bench, changed: HostingServer) -> None:
    bench.run(GitOpenPRStep, opening(changed))
    changed.requests[0].state = "closed"
    bench.run(GitOpenPRStep, opening(changed))
    changed.requests[0].state, changed.requests[1].state = "open", "merged"
    ended = bench.run(GitOpenPRStep, opening(changed))
    assert (ended.output or {})["pr"]["id"] == 1


def test_its_own_output_is_enough_and_nobody_is_asked(bench: Bench, hosted: HostingServer) -> None:
    previous = {"pr": {"id": 5, "url": "https://github.com/o/r/pull/5"}}
    ended = bench.run(GitOpenPRStep, opening(hosted), previous)
    assert (ended.status, ended.output) == (StepStatus.SUCCEEDED, previous)
    assert hosted.asked == []


def test_one_of_another_commit_is_not_taken_for_it(bench: Bench, changed: HostingServer) -> None:
    bench.run(GitOpenPRStep, opening(changed))
    changed.requests[0].state = "merged"
    tip = "refs/heads/stage/dev"
    changed.run("update-ref", tip, changed.run("commit-tree", f"{tip}^{{tree}}", "-m", "Again"))
    ended = bench.run(GitOpenPRStep, opening(changed))
    assert (ended.output or {})["pr"]["id"] == 2


@pytest.mark.parametrize("provider", PROVIDERS)
def test_two_promotions_that_open_the_same_at_once_share_one(
    bench: Bench, changed: HostingServer, provider: str
) -> None:
    def other_is_faster(line: str) -> None:
        changed.before_write = lambda _: None
        assert bench.run(open_here, opening(changed, provider=provider)).output

    changed.before_write = other_is_faster
    ended = bench.run(open_here, opening(changed, provider=provider))
    assert (ended.output or {})["pr"]["id"] == 1
    assert len(changed.requests) == 1


def test_branches_of_the_same_files_need_none(bench: Bench, hosted: HostingServer) -> None:
    hosted.run("update-ref", "refs/heads/stage/dev", "refs/heads/main")
    ended = bench.run(GitOpenPRStep, opening(hosted))
    assert (ended.status, ended.output) == (StepStatus.SKIPPED, None)
    assert "hold the same files" in ended.message
    assert hosted.requests == []


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"targetBranch": "nope"}, "has no branch 'nope'"),
        ({"sourceBranch": "nope"}, "has no branch 'nope'"),
        ({"targetBranch": "nope", "createTargetBranch": True}, "has no branch 'nope'"),
    ],
    ids=["target", "source", "createTargetBranch does nothing"],
)
def test_a_branch_that_is_missing_may_come_yet(
    bench: Bench, changed: HostingServer, config: dict[str, Any], problem: str
) -> None:
    ended = bench.run(GitOpenPRStep, opening(changed, **config))
    assert (ended.status, ended.terminal) == (StepStatus.ERRORED, False)
    assert problem in (ended.error or "")


def test_a_refused_login_is_named_and_not_tried_again(bench: Bench, changed: HostingServer) -> None:
    changed.token = "another"
    ended = bench.run(GitOpenPRStep, opening(changed))
    assert (ended.status, ended.terminal) == (StepStatus.ERRORED, True)
    assert "refused the login of user 'bot': HTTP 401" in (ended.error or "")


def test_it_leaves_nothing_in_the_work_directory(bench: Bench, changed: HostingServer) -> None:
    bench.run(GitOpenPRStep, opening(changed))
    assert list(bench.root.iterdir()) == []


def test_a_git_server_that_is_down_may_come_back(bench: Bench, tmp_path: Any) -> None:
    with GitHttpServer(tmp_path / "gone") as server:
        url = server.url(REPOSITORY)
    config = {
        "repoURL": url,
        "sourceBranch": "a",
        "targetBranch": "b",
        "provider": "gitea",
    }
    ended = bench.run(GitOpenPRStep, config)
    assert (ended.status, ended.terminal) == (StepStatus.ERRORED, False)
