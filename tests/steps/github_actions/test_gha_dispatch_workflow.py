"""gha-dispatch-workflow against GitHub's API on this machine: it starts one run, and finds that one again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airfreight.model.promotion import StepStatus
from airfreight.runtime.attempt import Attempt
from airfreight.steps.gha_dispatch_workflow import GhaDispatchWorkflowStep
from tests.steps.examples import example_config
from tests.steps.github_actions.actions_server import Actions, Reply
from tests.steps.pull_requests.conftest import TOKEN, Bench

URL = "https://github.com/shop/app"
CONFIG = {"repoURL": URL, "workflowFile": "deploy.yml", "ref": "main"}
MARK = "dev.01hx.abcdef0/step-1"


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in CONFIG.items() if name != key}


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (without("repoURL"), "repoURL: required field is missing"),
        (without("workflowFile"), "workflowFile: required field is missing"),
        (without("ref"), "ref: required field is missing"),
        (CONFIG | {"ref": ""}, "ref: string should have at least 1 character"),
        (CONFIG | {"workflowFile": "deploy"}, "workflowFile: expected a text that matches"),
        (
            CONFIG | {"workflowFile": ".github/deploy.yml"},
            "workflowFile: expected a text that matches",
        ),
        (CONFIG | {"inputs": ["a"]}, "inputs: expected a mapping, found a list"),
        (CONFIG | {"timeout": 0}, "timeout: expected at least 1: 0"),
        (CONFIG | {"timeout": 301}, "timeout: expected at most 300: 301"),
        (CONFIG | {"owner": "shop"}, "owner: there is no such field"),
    ],
)
def test_a_bad_config_fails_the_step(bench: Bench, config: dict[str, Any], problem: str) -> None:
    ended = bench.run(GhaDispatchWorkflowStep, config)
    assert ended.status is StepStatus.FAILED
    assert problem in (ended.error or "")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://gitlab.com/shop/app", "is on gitlab, and only GitHub has GitHub Actions"),
        ("https://github.com/shop", "expected <owner>/<name> behind the host"),
        ("https://bot:pw@github.com/shop/app", "login"),
    ],
)
def test_a_repository_that_github_cannot_have_ends_the_step(
    bench: Bench, url: str, problem: str
) -> None:
    ended = bench.run(GhaDispatchWorkflowStep, CONFIG | {"repoURL": url})
    assert ended.terminal
    assert problem in (ended.error or "")


def step(bench: Bench, actions: Actions, previous: Any = None, **config: Any) -> Attempt:
    wanted = {**CONFIG, "repoURL": actions.url, **config}
    return bench.run(GhaDispatchWorkflowStep, wanted, previous)


def looked(bench: Bench, actions: Actions, times: int, **config: Any) -> list[Attempt]:
    """Run the step so often, each time with what it put out before."""
    ended = [step(bench, actions, **config)]
    for _ in range(times - 1):
        ended.append(step(bench, actions, ended[-1].output, **config))
    return ended


@pytest.mark.parametrize(
    ("declared", "sent"),
    [
        (("environment",), {"environment": "dev"}),
        (("environment", "airfreight_id"), {"environment": "dev", "airfreight_id": MARK}),
    ],
    ids=["no mark", "the mark"],
)
def test_the_run_that_github_names_is_the_output(
    bench: Bench, actions: Actions, declared: tuple[str, ...], sent: dict[str, str]
) -> None:
    actions.declared = declared
    ended = step(bench, actions, inputs={"environment": "dev"})
    assert (ended.status, ended.output) == (StepStatus.SUCCEEDED, {"runID": 101})
    assert actions.inputs == [sent]


def test_inputs_arrive_as_texts(bench: Bench, actions: Actions) -> None:
    actions.declared = ("text", "number", "flag", "list")
    step(bench, actions, inputs={"text": "a", "number": 1.5, "flag": True, "list": ["a"]})
    assert actions.inputs == [{"text": "a", "number": "1.5", "flag": "true", "list": '["a"]'}]


def test_the_example_of_the_page_starts_a_run(bench: Bench, actions: Actions) -> None:
    actions.declared = ("environment", "image_tag", "airfreight_id")
    config = example_config("gha-dispatch-workflow", hosts={URL: actions.url})
    assert bench.run(GhaDispatchWorkflowStep, config).output == {"runID": 101}
    assert actions.inputs == [{"environment": "dev", "image_tag": "1.2.3", "airfreight_id": MARK}]


def test_its_own_output_is_enough_and_nobody_is_asked(bench: Bench, actions: Actions) -> None:
    ended = step(bench, actions, {"runID": 7})
    assert (ended.status, ended.output) == (StepStatus.SUCCEEDED, {"runID": 7})
    assert actions.asked == []


@pytest.mark.parametrize("knows_details", [True, False])
def test_where_github_names_no_run_the_only_new_one_is_taken_once_it_was_seen_twice(
    bench: Bench, actions: Actions, knows_details: bool
) -> None:
    actions.start()
    actions.tells_id, actions.knows_details, actions.late = False, knows_details, 1
    ended = looked(bench, actions, 4)
    assert [one.status for one in ended] == [StepStatus.RUNNING] * 3 + [StepStatus.SUCCEEDED]
    assert ended[-1].output == {"runID": 102}
    assert len(actions.inputs) == 1


def test_where_others_start_the_workflow_too_none_is_taken(bench: Bench, actions: Actions) -> None:
    actions.tells_id = False
    actions.after_dispatch = actions.start
    first, second = looked(bench, actions, 2)
    assert first.status is StepStatus.RUNNING
    assert second.terminal
    for words in ("runs/102", "runs/101", "declare the input airfreight_id"):
        assert words in (second.error or "")


def test_a_run_of_others_that_is_seen_first_is_not_taken(bench: Bench, actions: Actions) -> None:
    actions.tells_id = False
    first = step(bench, actions)
    ours = actions.runs.pop(0)
    actions.runs.insert(0, {**ours, "id": 200, "run_number": 2})
    second = step(bench, actions, first.output)
    assert second.status is StepStatus.RUNNING
    actions.runs.insert(1, ours)
    assert step(bench, actions, second.output).terminal


def test_a_run_on_another_branch_is_none_of_ours(bench: Bench, actions: Actions) -> None:
    actions.tells_id = False
    actions.after_dispatch = lambda: actions.start("v1")
    assert looked(bench, actions, 3)[-1].output == {"runID": 101}


def test_the_mark_tells_the_run_among_others_at_once(bench: Bench, actions: Actions) -> None:
    actions.tells_id = False
    actions.declared, actions.shown = ("airfreight_id",), "airfreight_id"
    actions.after_dispatch = lambda: actions.start(title=f"Deploy {MARK}0")
    assert looked(bench, actions, 2)[-1].output == {"runID": 101}


def test_after_a_kill_the_mark_finds_the_run_and_none_is_started(
    bench: Bench, actions: Actions
) -> None:
    actions.declared, actions.shown = ("airfreight_id",), "airfreight_id"
    first = step(bench, actions)
    actions.start(title="Deploy somebody/else")
    second = step(bench, actions)
    assert first.output == second.output == {"runID": 101}
    assert len(actions.inputs) == 1


def test_another_promotion_starts_its_own(bench: Bench, actions: Actions) -> None:
    actions.declared, actions.shown = ("airfreight_id",), "airfreight_id"
    step(bench, actions)
    other = replace(bench, promotion="dev.02hx.abcdef0")
    assert step(other, actions).output == {"runID": 102}


@pytest.mark.parametrize(("timeout", "looks"), [(5, 1), (60, 6)])
def test_a_run_that_never_appears_is_an_error_after_the_time_out(
    bench: Bench, actions: Actions, timeout: int, looks: int
) -> None:
    actions.tells_id, actions.late = False, 1000
    ended = looked(bench, actions, looks + 1, timeout=timeout)
    assert [one.status for one in ended[:-1]] == [StepStatus.RUNNING] * looks
    assert not ended[-1].terminal
    assert f"no run of it appeared within {timeout} s" in (ended[-1].error or "")
    assert len(actions.inputs) == 1


@pytest.mark.parametrize(
    ("refusal", "terminal", "problem"),
    [
        pytest.param((401, {"message": "Bad credentials"}, {}), True, "refused the login of user 'bot'", id="401"),
        pytest.param((404, {"message": "Not Found"}, {}), True, "has no such thing, or hides it", id="404"),
        pytest.param((422, {"message": "Validation Failed"}, {}), False, "Validation Failed", id="422"),
        pytest.param((502, None, {}), False, "has trouble: HTTP 502", id="502"),
        pytest.param((200, {"total": 1}, {}), False, "not of the form", id="another form"),
    ],
)  # fmt: skip
def test_what_github_refuses_ends_the_step_with_its_words(
    bench: Bench, actions: Actions, refusal: Reply, terminal: bool, problem: str
) -> None:
    actions.refusal = refusal
    ended = step(bench, actions)
    assert ended.terminal is terminal
    assert problem in (ended.error or "")
    assert TOKEN not in (ended.error or "")


def test_a_ref_that_is_not_there_is_told(bench: Bench, actions: Actions) -> None:
    ended = step(bench, actions, ref="nowhere")
    assert "does not start deploy.yml at nowhere: No ref found for: nowhere" in (ended.error or "")
    assert actions.inputs == []


def test_a_limit_is_waited_out_and_what_was_dispatched_is_kept(
    bench: Bench, actions: Actions
) -> None:
    actions.tells_id = False
    first = step(bench, actions)
    actions.refusal = (429, {"message": "slow down"}, {"Retry-After": "77"})
    second = step(bench, actions, first.output)
    assert second.status is StepStatus.RUNNING
    assert second.retry_after is not None
    assert second.retry_after.total_seconds() == 77
    assert second.output == first.output
