"""A promotion by pull request against servers that keep state: branches in Git, requests behind the API."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from airfreight.model.promotion import StepStatus
from airfreight.runtime.attempt import Attempt
from airfreight.steps.base import PromotionStep, StepResult
from airfreight.steps.git_clone import GitCloneStep
from airfreight.steps.git_commit import GitCommitStep
from airfreight.steps.git_merge_pr import GitMergePRStep
from airfreight.steps.git_open_pr import GitOpenPRStep
from airfreight.steps.git_push import GitPushStep
from airfreight.steps.git_wait_for_pr import GitWaitForPRStep
from tests.steps.examples import example_config
from tests.steps.pull_requests.conftest import REPOSITORY, TOKEN, Bench
from tests.steps.pull_requests.hosting.here import PROVIDERS, service_here
from tests.steps.pull_requests.hosting_server import HostingServer

# For a rule of the steps, which holds whoever hosts.
SOME = ["github", "gitlab"]

open_here = partial(GitOpenPRStep, service_for=service_here)
wait_here = partial(GitWaitForPRStep, service_for=service_here)
merge_here = partial(GitMergePRStep, service_for=service_here)


def push_change(bench: Bench, hosted: HostingServer) -> str:
    """Push a commit to the Promotion's own branch; return the branch."""
    checkout = [{"path": "out", "branch": "main"}]
    run(bench, GitCloneStep(), repoURL=hosted.git.url(REPOSITORY), checkout=checkout)
    (bench.root / "out/b.txt").write_text("new\n")
    run(bench, GitCommitStep(), path="out", message="Promote")
    pushed = run(bench, GitPushStep(), path="out", generateTargetBranch=True)
    return str((pushed.output or {})["branch"])


def run(bench: Bench, step: PromotionStep[Any], **config: Any) -> StepResult:
    return step.run(step.config_type.model_validate(config), bench.context())


def config_for(hosted: HostingServer, provider: str, **config: Any) -> dict[str, Any]:
    return {"repoURL": hosted.git.url(REPOSITORY), "provider": provider, **config}


def opened(bench: Bench, hosted: HostingServer, provider: str) -> Attempt:
    branch = push_change(bench, hosted)
    branches = {"sourceBranch": branch, "targetBranch": "main"}
    return bench.run(open_here, config_for(hosted, provider, **branches))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_request_is_opened_awaited_and_merged_by_a_person(
    bench: Bench, hosted: HostingServer, provider: str
) -> None:
    number = (opened(bench, hosted, provider).output or {})["pr"]["id"]
    waiting = config_for(hosted, provider, prNumber=number)
    assert bench.run(wait_here, waiting).status is StepStatus.RUNNING
    hosted.merge(number)
    ended = bench.run(wait_here, waiting)
    assert ended.status is StepStatus.SUCCEEDED
    assert (ended.output or {})["commit"] == hosted.run("rev-parse", "main")
    assert hosted.git.read(REPOSITORY, "main", "b.txt") == "new"


@pytest.mark.parametrize("provider", SOME)
def test_a_request_is_merged_by_the_promotion_as_soon_as_it_can_be(
    bench: Bench, hosted: HostingServer, provider: str
) -> None:
    number = (opened(bench, hosted, provider).output or {})["pr"]["id"]
    merging = config_for(hosted, provider, prNumber=number, wait=True)
    hosted.ready = False
    assert bench.run(merge_here, merging).status is StepStatus.RUNNING
    hosted.ready = True
    outputs = [bench.run(merge_here, merging).output for _ in range(2)]
    assert outputs == [{"commit": hosted.run("rev-parse", "main")}] * 2
    assert hosted.merges == 1


@pytest.mark.parametrize("provider", SOME)
def test_a_promotion_that_begins_again_has_one_request_whose_head_did_not_move(
    bench: Bench, hosted: HostingServer, provider: str
) -> None:
    first = opened(bench, hosted, provider)
    head = hosted.requests[0].head
    again = opened(bench, hosted, provider)
    assert again.output == first.output
    assert [one.head for one in hosted.requests] == [head]
    assert hosted.run("rev-parse", hosted.requests[0].source) == head


@pytest.mark.parametrize("provider", PROVIDERS)
def test_another_promotion_opens_another_request(
    bench: Bench, hosted: HostingServer, provider: str
) -> None:
    first = opened(bench, hosted, provider)
    hosted.merge(1)
    hosted.run("update-ref", "refs/heads/main", "refs/heads/main~1")
    bench.promotion = "dev.01hy.abcdef0"
    assert opened(bench, hosted, provider).output != first.output
    assert [one.number for one in hosted.requests] == [1, 2]


def test_no_token_is_in_a_url_an_output_or_a_file(bench: Bench, hosted: HostingServer) -> None:
    ended = opened(bench, hosted, "github")
    assert TOKEN not in f"{ended} {hosted.asked}"
    for place in bench.root.rglob("*"):
        assert not place.is_file() or TOKEN.encode() not in place.read_bytes()


def test_the_examples_of_the_three_steps_make_one_promotion(
    bench: Bench, hosted: HostingServer
) -> None:
    branch = push_change(bench, hosted)
    hosts = {"https://git.example.com/shop/gitops.git": hosted.git.url(REPOSITORY)}
    outputs: dict[str, Any] = {"push": {"branch": branch}}
    opening = example_config("git-open-pr", outputs, hosts)
    outputs["open-pr"] = bench.run(GitOpenPRStep, opening).output
    assert hosted.requests[0].labels == ["promotion"]
    waiting = bench.run(GitWaitForPRStep, example_config("git-wait-for-pr", outputs, hosts))
    assert waiting.status is StepStatus.RUNNING
    merged = bench.run(GitMergePRStep, example_config("git-merge-pr", outputs, hosts))
    assert merged.output == {"commit": hosted.run("rev-parse", "main")}
