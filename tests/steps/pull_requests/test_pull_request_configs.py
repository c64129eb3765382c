"""What the configs of the steps on pull requests refuse, word for word; and what they take."""

from __future__ import annotations

from typing import Any

import pytest

from airfreight.model.promotion import StepStatus
from airfreight.steps.git_merge_pr import GitMergePRConfig, GitMergePRStep
from airfreight.steps.git_open_pr import GitOpenPRStep
from airfreight.steps.git_wait_for_pr import GitWaitForPRConfig, GitWaitForPRStep
from airfreight.steps.github_push import GitHubPushConfig, GitHubPushStep
from tests.steps.pull_requests.conftest import Bench

URL = "https://github.com/shop/gitops.git"
OPEN = {"repoURL": URL, "sourceBranch": "stage/dev", "targetBranch": "main"}
NUMBERED = {"repoURL": URL, "prNumber": 1}
ONE_OF = "expected 'azure', 'bitbucket', 'gitea', 'github' or 'gitlab', found"
SHORT = 'string should have at least 1 character: ""'


def without(config: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name != key}


@pytest.mark.parametrize(
    ("kind", "config", "problem"),
    [
        (GitOpenPRStep, without(OPEN, "repoURL"), "repoURL: required field is missing"),
        (GitOpenPRStep, without(OPEN, "sourceBranch"), "sourceBranch: required field is missing"),
        (GitOpenPRStep, without(OPEN, "targetBranch"), "targetBranch: required field is missing"),
        (GitOpenPRStep, OPEN | {"repoURL": ""}, f"repoURL: {SHORT}"),
        (GitOpenPRStep, OPEN | {"sourceBranch": ""}, f"sourceBranch: {SHORT}"),
        (GitOpenPRStep, OPEN | {"title": ""}, f"title: {SHORT}"),
        (GitOpenPRStep, OPEN | {"description": ""}, f"description: {SHORT}"),
        (GitOpenPRStep, OPEN | {"labels": [""]}, f"labels.0: {SHORT}"),
        (GitOpenPRStep, OPEN | {"provider": "gitbucket"}, f"provider: {ONE_OF} 'gitbucket'"),
        (GitOpenPRStep, OPEN | {"draft": True}, "draft: there is no such field"),
        (GitWaitForPRStep, without(NUMBERED, "prNumber"), "prNumber: required field is missing"),
        (
            GitWaitForPRStep,
            NUMBERED | {"prNumber": 0},
            "prNumber: expected at least 1: 0",
        ),
        (
            GitWaitForPRStep,
            NUMBERED | {"pollInterval": "soon"},
            'pollInterval: expected a duration such as 30s, 5m or 1h30m: "soon"',
        ),
        (GitWaitForPRStep, NUMBERED | {"wait": True}, "wait: there is no such field"),
        (GitMergePRStep, without(NUMBERED, "repoURL"), "repoURL: required field is missing"),
        (GitMergePRStep, NUMBERED | {"mergeMethod": ""}, f"mergeMethod: {SHORT}"),
        (GitMergePRStep, NUMBERED | {"provider": "x"}, f"provider: {ONE_OF} 'x'"),
        (GitHubPushStep, {}, "path: required field is missing"),
        (GitHubPushStep, {"path": "src", "tag": "v1"}, "tag: there is no such field"),
        (
            GitHubPushStep,
            {"path": "src", "targetBranch": "a", "generateTargetBranch": True},
            "config: expected at most one of targetBranch and generateTargetBranch",
        ),
        (
            GitHubPushStep,
            {"path": "src", "maxAttempts": 0},
            "maxAttempts: expected at least 1: 0",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else None,
)
def test_a_bad_config_ends_the_step_as_failed(
    bench: Bench, kind: Any, config: dict[str, Any], problem: str
) -> None:
    ended = bench.run(kind, config)
    assert (ended.status, ended.terminal) == (StepStatus.FAILED, True)
    assert ended.error == f"invalid {kind.kind} config: {problem}"


@pytest.mark.parametrize(
    ("kind", "config", "problem"),
    [
        (GitOpenPRStep, OPEN | {"sourceBranch": "--upload-pack=x"}, "not a name that a branch"),
        (GitOpenPRStep, OPEN | {"targetBranch": "a..b"}, "not a name that a branch can have"),
        (GitOpenPRStep, OPEN | {"repoURL": "file:///srv/x"}, "is not accepted"),
        (GitOpenPRStep, OPEN | {"repoURL": "https://u:p4ss@github.com/a/b"}, "holds a password"),
        (GitWaitForPRStep, NUMBERED | {"repoURL": "ext::sh"}, "is not accepted"),
        (GitWaitForPRStep, NUMBERED | {"repoURL": "https://a.org/b/c"}, "set provider to one of"),
        (GitMergePRStep, NUMBERED | {"repoURL": "https://github.com/b"}, "<owner>/<name>"),
        (
            GitMergePRStep,
            NUMBERED | {"mergeMethod": "fast-forward"},
            "mergeMethod 'fast-forward': github knows merge, squash, rebase",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else None,
)
def test_what_no_retry_can_mend_is_refused_before_anybody_is_asked(
    bench: Bench, kind: Any, config: dict[str, Any], problem: str
) -> None:
    def nobody(**_: Any) -> Any:
        raise AssertionError("no request may be sent")

    bench.http = nobody
    ended = bench.run(kind, config)
    assert ended.terminal
    assert problem in (ended.error or "")
    assert "p4ss" not in (ended.error or "")


def test_the_defaults_are_kargos() -> None:
    wait = GitWaitForPRConfig.model_validate(NUMBERED)
    merge = GitMergePRConfig.model_validate(NUMBERED)
    push = GitHubPushConfig.model_validate({"path": "src"})
    assert wait.poll_interval.total_seconds() == 30
    assert (merge.poll_interval.total_seconds(), merge.wait) == (10, False)
    assert (push.max_attempts, push.force) == (10, False)
