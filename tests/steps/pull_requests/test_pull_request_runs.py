"""What git-wait-for-pr and git-merge-pr do, second runs included."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from airfreight.model.promotion import StepStatus
from airfreight.steps.git_merge_pr import GitMergePRStep
from airfreight.steps.git_open_pr import GitOpenPRStep
from airfreight.steps.git_wait_for_pr import GitWaitForPRStep
from tests.steps.pull_requests.conftest import Bench, OneLogin
from tests.steps.pull_requests.play import MERGE, NUMBERS, REPOSITORIES, body


def answering(*responses: httpx.Response) -> Callable[..., httpx.Client]:
    """Return a maker of clients that answer one request after the other; the last answer stays."""
    left = list(responses)

    def answer(_: httpx.Request) -> httpx.Response:
        return left.pop(0) if len(left) > 1 else left[0]

    return lambda **_: httpx.Client(transport=httpx.MockTransport(answer))


def numbered(name: str, **config: Any) -> dict[str, Any]:
    return {"repoURL": REPOSITORIES[name], "prNumber": NUMBERS[name], **config}


def ok(name: str, /, **changes: Any) -> httpx.Response:
    return httpx.Response(200, json=body(name, **changes))


SERVICES = sorted(NUMBERS)


@pytest.mark.parametrize("name", SERVICES)
def test_an_open_one_is_waited_for_with_its_page_in_the_message(bench: Bench, name: str) -> None:
    bench.http = answering(ok(f"{name}/open"))
    polled = bench.run(GitWaitForPRStep, numbered(name))
    assert (polled.status, polled.error) == (StepStatus.RUNNING, None)
    assert polled.retry_after == timedelta(seconds=30)
    output = (polled.output or {})["pr"]
    assert polled.message == f"waiting for {output['url']} to be merged"
    assert (output["id"], output["open"], output["merged"]) == (NUMBERS[name], True, False)
    assert "commit" not in (polled.output or {})


@pytest.mark.parametrize("name", SERVICES)
def test_a_merged_one_ends_the_wait_with_the_merges_sha(bench: Bench, name: str) -> None:
    bench.http = answering(ok(f"{name}/merged"), ok("bitbucket/commit"))
    for _ in range(1 if name == "bitbucket" else 2):
        ended = bench.run(GitWaitForPRStep, numbered(name))
        assert ended.status is StepStatus.SUCCEEDED
        output = (ended.output or {})["pr"]
        assert (output["open"], output["merged"]) == (False, True)
        assert (ended.output or {})["commit"] == MERGE
        bench.http = answering(ok(f"{name}/merged"))


@pytest.mark.parametrize("name", SERVICES)
def test_a_closed_one_fails_the_wait_and_the_output_says_so(bench: Bench, name: str) -> None:
    bench.http = answering(ok(f"{name}/closed"))
    ended = bench.run(GitWaitForPRStep, numbered(name), {"pr": {"open": True}})
    assert (ended.status, ended.terminal) == (StepStatus.FAILED, True)
    assert f"pull request {NUMBERS[name]} was closed without being merged" in (ended.error or "")
    output = (ended.output or {})["pr"]
    assert (output["open"], output["merged"]) == (False, False)


@pytest.mark.parametrize(("interval", "seconds"), [("1s", 10), ("10s", 10), ("5m", 300)], ids=str)
def test_it_looks_no_more_often_than_every_ten_seconds(
    bench: Bench, interval: str, seconds: int
) -> None:
    bench.http = answering(ok("github/open"))
    polled = bench.run(GitWaitForPRStep, numbered("github", pollInterval=interval))
    assert polled.retry_after == timedelta(seconds=seconds)


@pytest.mark.parametrize("kind", [GitWaitForPRStep, GitMergePRStep])
def test_a_limit_of_the_service_is_waited_out_and_is_no_error(bench: Bench, kind: Any) -> None:
    bench.http = answering(httpx.Response(429, headers={"Retry-After": "75"}, json={}))
    previous = {"pr": {"id": 1347}}
    polled = bench.run(kind, numbered("github"), previous)
    assert (polled.status, polled.error) == (StepStatus.RUNNING, None)
    assert polled.retry_after == timedelta(seconds=75)
    assert polled.output == previous
    assert "asks for a pause" in polled.message


@pytest.mark.parametrize("kind", [GitWaitForPRStep, GitMergePRStep])
def test_trouble_of_the_service_counts_as_an_error_that_may_pass(bench: Bench, kind: Any) -> None:
    bench.http = answering(httpx.Response(502, text="Bad Gateway"))
    ended = bench.run(kind, numbered("github"))
    assert (ended.status, ended.terminal) == (StepStatus.ERRORED, False)
    assert "has trouble: HTTP 502" in (ended.error or "")


def test_one_that_is_not_there_ends_the_wait_for_good(bench: Bench) -> None:
    bench.http = answering(httpx.Response(404, json=body("github/not_found")))
    bench.credentials = OneLogin(None)
    ended = bench.run(GitWaitForPRStep, numbered("github"))
    assert (ended.status, ended.terminal) == (StepStatus.ERRORED, True)
    assert "hides it from a visit without login" in (ended.error or "")


@pytest.mark.parametrize("name", SERVICES)
def test_one_merged_already_is_as_good_as_merging_it(bench: Bench, name: str) -> None:
    bench.http = answering(ok(f"{name}/merged"), ok("bitbucket/commit"))
    ended = bench.run(GitMergePRStep, numbered(name))
    assert (ended.status, ended.output) == (StepStatus.SUCCEEDED, {"commit": MERGE})


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("wait", [True, False])
def test_a_closed_one_cannot_be_merged(bench: Bench, name: str, wait: bool) -> None:
    bench.http = answering(ok(f"{name}/closed"))
    ended = bench.run(GitMergePRStep, numbered(name, wait=wait))
    assert (ended.status, ended.terminal) == (StepStatus.FAILED, True)
    assert "closed without being merged" in (ended.error or "")


NOT_YET: dict[str, dict[str, Any]] = {
    "github": {"mergeable_state": "unknown"},
    "gitlab": {"detailed_merge_status": "ci_still_running"},
    "gitea": {"mergeable": False},
    "bitbucket": {"draft": True},
    "azure": {"mergeStatus": "queued"},
}


@pytest.mark.parametrize("name", SERVICES)
def test_one_that_cannot_be_merged_yet_is_waited_for_where_wait_says_so(
    bench: Bench, name: str
) -> None:
    bench.http = answering(ok(f"{name}/open", **NOT_YET[name]))
    polled = bench.run(GitMergePRStep, numbered(name, wait=True))
    assert (polled.status, polled.error) == (StepStatus.RUNNING, None)
    assert polled.retry_after == timedelta(seconds=10)
    assert f"pull request {NUMBERS[name]} cannot be merged yet" in polled.message
    assert "https://" in polled.message
    failed = bench.run(GitMergePRStep, numbered(name))
    assert (failed.status, failed.terminal) == (StepStatus.FAILED, True)
    assert "wait: true would wait for it" in (failed.error or "")
    assert bench.slept == [5.0, 5.0] * 2


def test_one_that_can_be_merged_some_seconds_later_is_merged_in_the_same_run(bench: Bench) -> None:
    bench.http = answering(
        ok("github/open", mergeable_state="unknown"),
        ok("github/open"),
        ok("github/merge"),
        ok("github/merged"),
    )
    ended = bench.run(GitMergePRStep, numbered("github"))
    assert (ended.status, ended.output) == (StepStatus.SUCCEEDED, {"commit": MERGE})
    assert bench.slept == [5.0]


@pytest.mark.parametrize(
    ("name", "answers", "problem"),
    [
        pytest.param(
            "github",
            [ok("github/open", mergeable_state="dirty")],
            "it conflicts with its target branch",
            id="github: conflict",
        ),
        pytest.param(
            "github",
            [
                ok("github/open"),
                httpx.Response(
                    405, json={"message": "Squash merges are not allowed on this repository."}
                ),
            ],
            "Squash merges are not allowed",
            id="github: method",
        ),
        pytest.param(
            "gitlab",
            [ok("gitlab/open"), httpx.Response(422, json=body("gitlab/cannot_merge"))],
            "Branch cannot be merged",
            id="gitlab: 422",
        ),
        pytest.param(
            "gitlab",
            [ok("gitlab/open"), httpx.Response(405, json=body("gitlab/not_mergeable"))],
            "405 Method Not Allowed",
            id="gitlab: 405",
        ),
        pytest.param(
            "gitea",
            [ok("gitea/open"), httpx.Response(405, json=body("gitea/not_allowed"))],
            "Please try again later",
            id="gitea: 405",
        ),
        pytest.param(
            "bitbucket",
            [ok("bitbucket/open"), httpx.Response(409, json=body("bitbucket/conflict"))],
            "resolve all merge conflicts",
            id="bitbucket: 409",
        ),
        pytest.param(
            "azure",
            [ok("azure/open"), httpx.Response(409, json={"message": "TF401192: was updated"})],
            "TF401192",
            id="azure: another head",
        ),
        pytest.param(
            "github",
            [httpx.Response(401, json=body("github/bad_credentials"))],
            "refused the login of user 'bot'",
            id="login",
        ),
    ],
)
@pytest.mark.parametrize("wait", [True, False])
def test_an_error_of_the_merge_fails_the_step_for_good(
    bench: Bench, name: str, answers: list[httpx.Response], problem: str, wait: bool
) -> None:
    bench.http = answering(*answers)
    ended = bench.run(GitMergePRStep, numbered(name, wait=wait))
    assert (ended.status, ended.terminal) == (StepStatus.FAILED, True)
    assert problem in (ended.error or "")
    assert bench.slept == []


def test_a_merge_that_policy_forbids_is_tried_all_the_same(bench: Bench) -> None:
    refused = httpx.Response(405, json={"message": "At least 1 approving review is required."})
    blocked = ok("github/open", mergeable_state="blocked")
    bench.http = answering(*[blocked, refused] * 3)
    polled = bench.run(GitMergePRStep, numbered("github", wait=True))
    assert polled.status is StepStatus.RUNNING
    assert "At least 1 approving review is required." in polled.message
    bench.http = answering(blocked, ok("github/merge"), ok("github/merged"))
    assert bench.run(GitMergePRStep, numbered("github")).status is StepStatus.SUCCEEDED


def test_the_steps_keep_no_work_directory_while_they_wait() -> None:
    kinds = (GitOpenPRStep, GitWaitForPRStep, GitMergePRStep)
    assert not any(kind.uses_workdir for kind in kinds)
