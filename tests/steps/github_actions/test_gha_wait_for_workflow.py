"""gha-wait-for-workflow against GitHub's API on this machine."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airfreight.model.promotion import StepStatus
from airfreight.runtime.attempt import Attempt
from airfreight.steps.gha_wait_for_workflow import GhaWaitForWorkflowStep
from tests.steps.examples import example_config
from tests.steps.github_actions.actions_server import Actions, Reply
from tests.steps.pull_requests.conftest import TOKEN, Bench

URL = "https://github.com/shop/app"
CONFIG = {"repoURL": URL, "runID": 101}


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"runID": 1}, "repoURL: required field is missing"),
        ({"repoURL": URL}, "runID: required field is missing"),
        (CONFIG | {"runID": "latest"}, "runID: expected a whole number, found a string"),
        (CONFIG | {"runID": 0}, "runID: expected at least 1: 0"),
        (CONFIG | {"expectedConclusion": "ok"}, "expectedConclusion: expected 'success'"),
        (CONFIG | {"pollInterval": "soon"}, "pollInterval: expected a duration"),
        (CONFIG | {"credentials": {"secretName": "a"}}, "credentials: there is no such field"),
    ],
)
def test_a_bad_config_fails_the_step(bench: Bench, config: dict[str, Any], problem: str) -> None:
    ended = bench.run(GhaWaitForWorkflowStep, config)
    assert ended.status is StepStatus.FAILED
    assert problem in (ended.error or "")


def look(bench: Bench, actions: Actions, **config: Any) -> Attempt:
    return bench.run(GhaWaitForWorkflowStep, {**CONFIG, "repoURL": actions.url, **config})


@pytest.mark.parametrize(
    ("interval", "wait"), [({}, 30), ({"pollInterval": "5m"}, 300), ({"pollInterval": "1s"}, 10)]
)
def test_a_run_that_has_not_ended_is_asked_again(
    bench: Bench, actions: Actions, interval: dict[str, str], wait: int
) -> None:
    actions.start()
    ended = look(bench, actions, **interval)
    assert (ended.status, ended.output) == (StepStatus.RUNNING, None)
    assert ended.retry_after == timedelta(seconds=wait)
    assert ended.message.endswith("actions/runs/101, queued")


@pytest.mark.parametrize(
    ("conclusion", "expected", "status"),
    [
        ("success", None, StepStatus.SUCCEEDED),
        ("failure", None, StepStatus.SUCCEEDED),
        ("success", "success", StepStatus.SUCCEEDED),
        ("failure", "failure", StepStatus.SUCCEEDED),
        ("failure", "success", StepStatus.FAILED),
        ("cancelled", "success", StepStatus.FAILED),
        ("success", "failure", StepStatus.FAILED),
    ],
)
def test_a_run_that_ended_decides_by_its_conclusion(
    bench: Bench, actions: Actions, conclusion: str, expected: str | None, status: StepStatus
) -> None:
    actions.end(actions.start(), conclusion)
    wanted = {"expectedConclusion": expected} if expected else {}
    for _ in range(2):
        ended = look(bench, actions, **wanted)
        assert (ended.status, ended.output) == (status, {"conclusion": conclusion})
        text = f"actions/runs/101 ended as {conclusion}"
        assert text in (ended.error or ended.message)


def test_the_example_of_the_page_waits_for_the_run_of_an_earlier_step(
    bench: Bench, actions: Actions
) -> None:
    outputs, hosts = {"dispatch": {"runID": actions.start()}}, {URL: actions.url}
    config = example_config("gha-wait-for-workflow", outputs, hosts)
    assert bench.run(GhaWaitForWorkflowStep, config).status is StepStatus.RUNNING
    actions.end(101, "success")
    assert bench.run(GhaWaitForWorkflowStep, config).status is StepStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("refusal", "terminal", "problem"),
    [
        pytest.param((401, {"message": "Bad credentials"}, {}), True, "refused the login of user 'bot'", id="401"),
        pytest.param((404, {"message": "Not Found"}, {}), True, "has no such thing, or hides it", id="404"),
        pytest.param((500, None, {}), False, "has trouble: HTTP 500", id="500"),
        pytest.param((200, {"id": 1}, {}), False, "not of the form", id="another form"),
    ],
)  # fmt: skip
def test_what_github_refuses_ends_the_step_with_its_words(
    bench: Bench, actions: Actions, refusal: Reply, terminal: bool, problem: str
) -> None:
    actions.refusal = refusal
    ended = look(bench, actions)
    assert ended.terminal is terminal
    assert problem in (ended.error or "")
    assert TOKEN not in (ended.error or "")


def test_a_limit_is_waited_out(bench: Bench, actions: Actions) -> None:
    actions.refusal = (429, {"message": "slow down"}, {"Retry-After": "77"})
    ended = look(bench, actions)
    assert (ended.status, ended.retry_after) == (StepStatus.RUNNING, timedelta(seconds=77))
