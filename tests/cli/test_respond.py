"""`airfreight respond` against a gate that may lose answers: what it sends, says and ends with."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from airfreight.cli.main import main
from airfreight.cli.world import World

DAG, RUN, TASK = "shop.pipeline.web", "bold-otter-0123456789ab", "prod.gate"
GATE = f"/api/v2/dags/{DAG}/dagRuns/{RUN}/taskInstances/{TASK}"
RETRY = ("running", "up_for_retry", "running")


@dataclass
class FakeGate:
    """A gate that loses its first `lost` answers; then somebody else answers, or it takes the answer.

    `on_the_way`: the states between an answer and what comes of it. `end`: how it ends, None for as answered.
    """

    lost: int = 0
    on_the_way: tuple[str, ...] = ("scheduled", "running")
    end: str | None = None
    rival: str | None = None
    never: bool = False
    slept: list[float] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    chosen: str | None = None
    user: str = "alice"
    states: list[str] = field(default_factory=lambda: ["awaiting_input"])

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/api/v2/assets":
            return self._assets()
        if path == "/api/v2/dags/~/dagRuns/~/hitlDetails":
            rows = [
                {
                    "subject": "?",
                    "created_at": "2026-03-01T12:00:00Z",
                    "task_instance": self._task(),
                }
            ]
            return httpx.Response(200, json={"hitl_details": rows, "total_entries": 1})
        if path == GATE:
            if len(self.states) > 1:
                self.states.pop(0)
            if self.states == ["awaiting_input"]:
                self.chosen = None
            return httpx.Response(200, json=self._task())
        if path == f"{GATE}/logs/1":
            content = [{"event": "", "error_detail": [{"exc_value": "not available any more"}]}]
            return httpx.Response(200, json={"content": content})
        assert path == f"{GATE}/-1/hitlDetails"
        return self._respond(request) if request.method == "PATCH" else self._response()

    def _assets(self) -> httpx.Response:
        consuming = [{"dag_id": DAG, "task_id": "freight"}]
        asset = {
            "id": 1,
            "uri": "airfreight://shop/stages/prod/register",
            "consuming_tasks": consuming,
        }
        return httpx.Response(200, json={"assets": [asset], "total_entries": 1})

    def _task(self) -> dict[str, Any]:
        names = {"dag_id": DAG, "dag_run_id": RUN, "task_id": TASK}
        return {**names, "state": self.states[0], "try_number": 1}

    def _respond(self, request: httpx.Request) -> httpx.Response:
        answer = json.loads(request.content)
        self.answers.append(answer)
        if self.rival is not None and len(self.answers) > self.lost:
            self.chosen, self.user = self.rival, "bob"
            return httpx.Response(409, json={"detail": "has already been updated"})
        self.chosen = answer["chosen_options"][0]
        if len(self.answers) <= self.lost:
            self.states = ["running", *RETRY, "awaiting_input"]
        else:
            ended = self.end or ("success" if self.chosen == "Approve" else "failed")
            self.states = [*self.on_the_way, *([] if self.never else [ended])]
        return httpx.Response(200, json={})

    def _response(self) -> httpx.Response:
        if self.states[0] == "up_for_retry":
            return httpx.Response(404, json={"detail": "no detail"})
        user = {"id": "1", "name": self.user}
        answered = {"chosen_options": [self.chosen], "responded_by_user": user}
        unanswered = {"chosen_options": None, "responded_by_user": None}
        row = answered if self.chosen else unanswered
        return httpx.Response(200, json={"response_received": self.chosen is not None, **row})


def respond(gate: FakeGate, *words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    environ = {"AIRFREIGHT_TOKEN": "token"}
    world = World(out, err, environ, gate.slept.append, httpx.MockTransport(gate))
    code = main(["respond", f"prod/{RUN}", *words], world)
    return code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize(("word", "said"), [("approve", "approved"), ("reject", "rejected")])
def test_an_answer_that_the_gate_takes_is_given_once(word, said):
    gate = FakeGate()
    assert respond(gate, f"--{word}", "--message", "go") == (0, f"{said} prod/{RUN}\n", "")
    assert gate.answers == [
        {"chosen_options": [word.capitalize()], "params_input": {"message": "go"}}
    ]


@pytest.mark.parametrize("lost", [1, 3])
def test_an_answer_that_the_gate_lost_is_given_again_and_that_is_said(lost):
    gate = FakeGate(lost=lost)
    code, out, err = respond(gate, "--approve")
    assert (code, out) == (0, f"approved prod/{RUN}\n")
    assert err.count("lost the answer; answering again\n") == lost
    assert gate.answers == [gate.answers[0]] * (lost + 1)


def test_a_gate_that_loses_every_answer_gets_four():
    gate = FakeGate(lost=9)
    code, out, err = respond(gate, "--approve")
    assert (code, out, len(gate.answers)) == (1, "", 4)
    assert "lost 4 answers" in err.splitlines()[-1]


def test_an_answer_that_waits_while_its_gate_parks_is_not_given_again():
    """Airflow has the answer and wakes the gate as soon as it has parked."""
    gate = FakeGate(on_the_way=("running", "awaiting_input", "scheduled"))
    assert respond(gate, "--approve")[0] == 0
    assert len(gate.answers) == 1


def test_after_30_seconds_it_says_that_the_gate_may_still_take_the_answer():
    gate = FakeGate(never=True, on_the_way=("scheduled",))
    code, out, err = respond(gate, "--approve")
    assert (code, out, sum(gate.slept)) == (1, "", 30)
    assert "it may still" in err


@pytest.mark.parametrize("lost", [0, 1], ids=["at once", "after a lost answer"])
def test_whoever_answered_first_is_named(lost):
    code, out, err = respond(FakeGate(lost=lost, rival="Reject"), "--approve")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == (f"airfreight: prod/{RUN} is answered already: Reject by bob")


OTHERWISE = {
    "approved, but refused": ("--approve", "failed", "ended as failed: not available any more"),
    "approved, but closed": ("--approve", "skipped", "ended as skipped without a decision"),
    "rejected, but closed": ("--reject", "skipped", "ended as skipped without a decision"),
}


@pytest.mark.parametrize(("word", "end", "said"), OTHERWISE.values(), ids=OTHERWISE)
def test_a_gate_that_ends_otherwise_is_a_failure_with_its_reason(word, end, said):
    code, out, err = respond(FakeGate(end=end), word)
    assert (code, out) == (1, "")
    assert err == f"airfreight: the gate of prod/{RUN} {said}\n"
