"""What GitHub is asked to start, list and show runs, and what its documented answers mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airfreight.artifacts.hosting.github import GitHub
from airfreight.artifacts.hosting.github_actions import (
    Dispatch,
    WorkflowRun,
    dispatch,
    dispatched_runs,
    get_run,
    possible_runs,
)
from airfreight.artifacts.hosting.protocol import Answer, Call
from airfreight.errors import ArtifactError
from tests.steps.pull_requests.play import play

BODIES = Path(__file__).parent / "bodies"
GITHUB = GitHub("https://github.com/octo-org/octo-repo")
PLACE = "/repos/octo-org/octo-repo/actions"
MARK = "dev.01hx.abcdef0/deploy"
NEW = Dispatch("build.yml", "refs/heads/master", {"a": "1"}, MARK)
MARKED = {"a": "1", "airfreight_id": MARK}
RUN = WorkflowRun(
    30433642,
    562,
    "Update README.md",
    "master",
    "workflow_dispatch",
    "queued",
    "",
    "https://github.com/octo-org/octo-repo/actions/runs/30433642",
)


def body(name: str, **changes: Any) -> Any:
    return {**json.loads((BODIES / f"{name}.json").read_text()), **changes}


def started(inputs: dict[str, str], **wish: bool) -> Call:
    return Call(
        "POST",
        f"{PLACE}/workflows/build.yml/dispatches",
        body={"ref": "refs/heads/master", "inputs": inputs, **wish},
        reads=frozenset([422]),
    )


WISH = {"return_run_details": True}
TOLD = Answer(200, body("dispatched"))
UNTOLD = Answer(204)
NO_MARK = Answer(422, body("unexpected_inputs"))
NO_WISH = Answer(422, body("unknown_key"))


@pytest.mark.parametrize(
    ("answers", "calls", "run_id"),
    [
        pytest.param([TOLD], [started(MARKED, **WISH)], RUN.id, id="newer GitHub tells the id"),
        pytest.param([UNTOLD], [started(MARKED, **WISH)], None, id="one that tells nothing"),
        pytest.param([Answer(200, {})], [started(MARKED, **WISH)], None, id="one without the id"),
        pytest.param(
            [NO_MARK, TOLD],
            [started(MARKED, **WISH), started({"a": "1"}, **WISH)],
            RUN.id,
            id="a workflow that declares no mark",
        ),
        pytest.param(
            [NO_WISH, UNTOLD],
            [started(MARKED, **WISH), started(MARKED)],
            None,
            id="older GitHub",
        ),
        pytest.param(
            [NO_WISH, NO_MARK, UNTOLD],
            [started(MARKED, **WISH), started(MARKED), started({"a": "1"})],
            None,
            id="older GitHub and no mark",
        ),
    ],
)
def test_a_dispatch_leaves_out_what_is_refused_and_nothing_else(
    answers: list[Answer], calls: list[Call], run_id: int | None
) -> None:
    assert play(dispatch(GITHUB, NEW), *answers) == (run_id, calls)


def test_another_refusal_is_told_in_githubs_words() -> None:
    refused = Answer(422, body("no_ref"))
    with pytest.raises(ArtifactError, match=r"does not start build.yml at .*: No ref found for"):
        play(dispatch(GITHUB, NEW), refused, refused)


def test_runs_are_listed_by_workflow_event_and_ref_and_others_left_out() -> None:
    ours = body("run_queued")
    others = [body("run_queued", event="push"), body("run_queued", head_branch="other")]
    answer = Answer(body=body("runs", workflow_runs=[*others, ours]))
    assert play(dispatched_runs(GITHUB, NEW), answer) == (
        [RUN],
        [
            Call(
                "GET",
                f"{PLACE}/workflows/build.yml/runs",
                (
                    ("event", "workflow_dispatch"),
                    ("branch", "master"),
                    ("exclude_pull_requests", "true"),
                    ("per_page", "50"),
                ),
            )
        ],
    )


@pytest.mark.parametrize(
    ("name", "status", "conclusion"),
    [("run_queued", "queued", ""), ("run_completed", "completed", "success")],
)
def test_a_run_is_read_in_every_state(name: str, status: str, conclusion: str) -> None:
    run, asked = play(get_run(GITHUB, RUN.id), Answer(body=body(name)))
    assert (run.id, run.status, run.conclusion) == (RUN.id, status, conclusion)
    assert asked == [Call("GET", f"{PLACE}/runs/30433642", (("exclude_pull_requests", "true"),))]


def run(number: int, title: str = "Deploy") -> WorkflowRun:
    return WorkflowRun(100 + number, number, title, "master", "workflow_dispatch", "queued", "", "")


@pytest.mark.parametrize(
    ("runs", "possible"),
    [
        pytest.param([run(1), run(2)], [], id="none is new"),
        pytest.param([run(2), run(3)], [3], id="a new one"),
        pytest.param([run(3), run(4)], [3, 4], id="two new ones"),
        pytest.param([run(3), run(4, f"Deploy ({MARK})")], [4], id="the mark decides"),
        pytest.param([run(3), run(1, MARK)], [1], id="the mark decides before the number"),
        pytest.param([run(3), run(4, f"Deploy {MARK}-2")], [3, 4], id="another step's mark"),
    ],
)
def test_a_run_is_possible_by_its_mark_and_else_by_its_number(
    runs: list[WorkflowRun], possible: list[int]
) -> None:
    assert [one.number for one in possible_runs(runs, MARK, after=2)] == possible
