"""`airfreight abort`: which promotion it ends, what it sends, and when it wakes up the task."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from airfreight.cli.main import main
from airfreight.cli.world import World

DAG = "shop.pipeline.web"
PROMOTE = "dev.promote"


@dataclass
class Airflow:
    """Has Stage dev of project shop; `promotes` maps the runs that promote to it to the state of their task."""

    promotes: dict[str, str]
    claim: str | None = None
    sent: list[dict[str, Any]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v2")
        if request.method == "PATCH":
            assert json.loads(request.content) == {"new_state": "failed"}
            self.failed.append(path.split("/")[4])
            return httpx.Response(200, json={})
        if request.method == "POST":
            self.sent.append(json.loads(request.content)["conf"])
            return httpx.Response(200, json=_run("abort-1"))
        return self._read(path)

    def _read(self, path: str) -> httpx.Response:
        if path == "/assets":
            tasks = [{"dag_id": DAG, "task_id": "freight"}]
            asset = {
                "id": 1,
                "uri": "airfreight://shop/stages/dev/register",
                "consuming_tasks": tasks,
            }
            return _listed("assets", [asset])
        if path.endswith("/state-store/claim"):
            if self.claim is None:
                return httpx.Response(404, json={"detail": "no such key"})
            claim = {"dagId": DAG, "runId": self.claim, "promotion": "dev.01.x"}
            return httpx.Response(200, json={"key": "claim", "value": claim})
        if path == f"/dags/{DAG}":
            return httpx.Response(200, json={"dag_id": DAG, "is_paused": False})
        if path == f"/dags/{DAG}/dagRuns/~/taskInstances":
            rows = [_task(run, PROMOTE, state) for run, state in self.promotes.items()]
            return _listed("task_instances", [*rows, _task("r0", "dev.gate", "running")])
        if path == f"/dags/{DAG}/dagRuns/abort-1/taskInstances":
            return _listed("task_instances", [_task("abort-1", "freight", "success")])
        run = path.split("/")[4]
        return httpx.Response(200, json=_task(run, PROMOTE, self.promotes[run]))


def _run(run_id: str) -> dict[str, Any]:
    return {"dag_id": DAG, "dag_run_id": run_id, "state": "running"}


def _task(run_id: str, task_id: str, state: str) -> dict[str, Any]:
    return {"dag_id": DAG, "dag_run_id": run_id, "task_id": task_id, "state": state}


def _listed(name: str, rows: list[dict[str, Any]]) -> httpx.Response:
    return httpx.Response(200, json={name: rows, "total_entries": len(rows)})


def abort(airflow: Airflow, *words: str) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    world = World(
        out,
        err,
        {"AIRFREIGHT_TOKEN": "t"},
        lambda seconds: None,
        httpx.MockTransport(airflow),
    )
    code = main(["abort", "--stage", "dev", *words], world)
    return code, out.getvalue() + err.getvalue()


CHOICES = {
    "the one that has begun": ({"r1": "running", "r2": "up_for_reschedule"}, "r1", (), "r1"),
    "the only one": ({"r2": "up_for_reschedule"}, "r1", (), "r2"),
    "the one that is named": (
        {"r1": "running", "r2": "up_for_reschedule"},
        "r1",
        ("--run", "r2"),
        "r2",
    ),
}


@pytest.mark.parametrize(("promotes", "claim", "words", "run"), CHOICES.values(), ids=CHOICES)
def test_the_promotion_that_is_meant_is_aborted(promotes, claim, words, run):
    airflow = Airflow(promotes, claim)
    code, said = abort(airflow, *words, "--reason", "wrong day")
    assert (code, said) == (0, f"aborted the promotion of run {run} to Stage dev\n")
    assert airflow.sent == [{"abort": run, "stages": ["dev"], "reason": "wrong day"}]


@pytest.mark.parametrize(
    ("state", "failed"),
    [("deferred", ["r1"]), ("up_for_reschedule", ["r1"]), ("running", []), ("failed", [])],
)
def test_only_a_task_without_a_process_is_ended_by_the_command(state, failed):
    airflow = Airflow({"r1": state}, "r1")
    assert abort(airflow)[0] == 0
    assert airflow.failed == failed


REFUSED = {
    "nothing is promoted": ({}, None, (), "nothing is being promoted to Stage dev"),
    "another run is named": ({"r1": "running"}, "r1", ("--run", "x"), "run 'x' promotes nothing"),
    "several wait": (
        {"r1": "up_for_reschedule", "r2": "up_for_reschedule"},
        None,
        (),
        "several wait, give --run with one of r1, r2",
    ),
}


@pytest.mark.parametrize(("promotes", "claim", "words", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_clear_is_refused_and_nothing_is_sent(promotes, claim, words, message):
    airflow = Airflow(promotes, claim)
    code, said = abort(airflow, *words)
    assert code == 1
    assert message in said
    assert airflow.sent == airflow.failed == []
