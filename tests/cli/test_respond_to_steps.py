"""`airfreight respond` against a step that asks in the middle of a promotion, and may go on asking."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from airfreight.cli.main import main
from airfreight.cli.world import World
from airfreight.model.promotion import (
    Promotion,
    PromotionPhase,
    PromotionStatus,
    StepExecution,
    StepStatus,
)
from airfreight.model.waiting import Person
from airfreight.runtime.records import PromotionRecord, RunRecord
from airfreight.runtime.stage_register import StageRegister
from tests.runtime.memory import MemoryStore
from tests.runtime.step_kinds import START, promotion

DAG, RUN, TASK = "shop.pipeline.web", "bold-otter-0123456789ab", "dev.promote"
PROMOTE = f"/api/v2/dags/{DAG}/dagRuns/{RUN}/taskInstances/{TASK}"
STORE = "/api/v2/assets/1/state-store/"
VALUES = json.dumps({"version": "1"})

Change = Callable[[PromotionStatus], PromotionStatus]


def told(status: StepStatus, message: str, **output: Any) -> Change:
    """Return what a step does that takes an answer."""

    def change(before: PromotionStatus) -> PromotionStatus:
        execution = before.executions[0].model_copy(
            update={
                "status": status,
                "message": message,
                "deliveries": before.executions[0].deliveries + 1,
            }
        )
        update = {"executions": (execution,), "state": {"step-1": output}}
        return before.model_copy(update=update)

    return change


@dataclass
class FakePromote:
    """A promotion whose step loses its first `lost` answers and then does `takes`; None: it never gets to that."""

    options: list[str]
    takes: Change | None
    lost: int = 0
    answers: list[dict[str, Any]] = field(default_factory=list)
    state: str = "awaiting_input"
    answered: bool = False
    slept: float = 0

    def __post_init__(self) -> None:
        self._made: Promotion = promotion({"uses": "x"})
        execution = StepExecution(alias="step-1", started_at=START)
        waits = Person(subject="?", options=tuple(self.options))
        self._store = MemoryStore()
        self._register = StageRegister(self._store)
        status = PromotionStatus(
            phase=PromotionPhase.RUNNING,
            executions=(execution,),
            state={"step-1": {"responses": []}},
            waits_for=waits,
        )
        run = RunRecord(nonce="n", promotion=self._made.name, max_tries=10)
        self._register.begin(self._record(status), run)

    def _record(self, status: PromotionStatus) -> PromotionRecord:
        return PromotionRecord(promotion=self._made, status=status, dag_id=DAG, run_id=RUN)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = unquote(request.url.path)
        if path == "/api/v2/assets":
            consuming = [{"dag_id": DAG, "task_id": "freight"}]
            asset = {
                "id": 1,
                "uri": "airfreight://shop/stages/dev/register",
                "consuming_tasks": consuming,
            }
            return httpx.Response(200, json={"assets": [asset], "total_entries": 1})
        if path.startswith(STORE):
            key = path.removeprefix(STORE)
            found = self._store.get(key)
            missing = httpx.Response(404, json={"detail": "no such key"})
            return (
                missing if found is None else httpx.Response(200, json={"key": key, "value": found})
            )
        if path == "/api/v2/dags/~/dagRuns/~/hitlDetails":
            return httpx.Response(200, json={"hitl_details": [self._asked()], "total_entries": 1})
        if path == PROMOTE:
            return httpx.Response(200, json=self._task())
        if path == f"{PROMOTE}/logs/1":
            return httpx.Response(200, json={"content": []})
        assert path == f"{PROMOTE}/-1/hitlDetails"
        if request.method == "PATCH":
            return self._respond(json.loads(request.content))
        return httpx.Response(200, json={"response_received": self.answered})

    def _asked(self) -> dict[str, Any]:
        return {
            "subject": "dev, step step-1 for calm-otter: ?",
            "created_at": "2026-03-01T12:00:00Z",
            "task_instance": self._task(),
            "options": self.options,
            "params": {"version": {"value": None, "schema": {"type": "string"}}},
        }

    def _task(self) -> dict[str, Any]:
        names = {"dag_id": DAG, "dag_run_id": RUN, "task_id": TASK}
        return {**names, "state": self.state, "try_number": 1}

    def _respond(self, answer: dict[str, Any]) -> httpx.Response:
        self.answers.append(answer)
        if len(self.answers) > self.lost:
            self.answered = True
            if self.takes is None:
                self.state = "scheduled"
            else:
                before = self._register.promotion(self._made.name)
                assert before is not None
                self._register.save(self._record(self.takes(before.status)))
        return httpx.Response(200, json={})


def respond(fake: FakePromote, *words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()

    def sleep(seconds: float) -> None:
        fake.slept += seconds

    environ = {"AIRFREIGHT_TOKEN": "token"}
    world = World(out, err, environ, sleep, httpx.MockTransport(fake))
    code = main(["respond", *words], world)
    return code, out.getvalue(), err.getvalue()


APPROVAL = ["Approve", "Reject"]
INPUT = ["Submit"]
ONE = [{"user": "alice"}]


@pytest.mark.parametrize(
    ("options", "word", "takes", "said"),
    [
        (APPROVAL, ["--approve"], told(StepStatus.SUCCEEDED, "approved by alice"),
         "approved dev/{run}: approved by alice\n"),
        (APPROVAL, ["--approve"], told(StepStatus.RUNNING, "1 of 2 (alice)", responses=ONE),
         "approved dev/{run}: 1 of 2 (alice)\n"),
        (APPROVAL, ["--reject"], told(StepStatus.FAILED, "rejected by alice"),
         "rejected dev/{run}: rejected by alice\n"),
        (INPUT, ["--values", VALUES], told(StepStatus.SUCCEEDED, "given by alice"),
         "answered dev/{run}: given by alice\n"),
    ],
    ids=["the last approval", "the first of two", "a rejection", "values"],
)  # fmt: skip
@pytest.mark.parametrize("lost", [0, 2])
def test_what_the_step_makes_of_the_answer_is_said(options, word, takes, said, lost):
    fake = FakePromote(options, takes, lost)
    code, out, err = respond(fake, f"dev/{RUN}", *word)
    assert (code, out) == (0, said.format(run=RUN))
    assert err.count("lost the answer; answering again\n") == lost
    assert len(fake.answers) == lost + 1


def test_what_was_filled_in_is_sent_as_it_is():
    fake = FakePromote(INPUT, told(StepStatus.SUCCEEDED, ""))
    respond(fake, "dev/bold", "--values", VALUES)
    assert fake.answers == [{"chosen_options": ["Submit"], "params_input": {"version": "1"}}]


@pytest.mark.parametrize(
    ("options", "word", "takes", "said"),
    [
        (INPUT, ["--values", VALUES], told(StepStatus.RUNNING, "the last did not fit: version"),
         "does not count: the last did not fit: version"),
        (APPROVAL, ["--approve"], told(StepStatus.RUNNING, "1 of 2", responses=[]),
         "does not count: 1 of 2"),
        (APPROVAL, ["--approve"], told(StepStatus.ABORTED, "aborted by bob"),
         "has ended: aborted by bob"),
        (APPROVAL, ["--approve"], None, "it may still"),
    ],
    ids=["values that do not fit", "one person counts once", "aborted", "not taken in time"],
)  # fmt: skip
def test_an_answer_that_does_not_count_is_a_failure_with_its_reason(options, word, takes, said):
    fake = FakePromote(options, takes)
    code, out, err = respond(fake, f"dev/{RUN}", *word)
    assert (code, out) == (1, "")
    assert said in err
    assert len(fake.answers) == 1


def test_a_step_that_loses_every_answer_gets_four():
    fake = FakePromote(APPROVAL, None, lost=9)
    code, _, err = respond(fake, f"dev/{RUN}", "--approve")
    assert (code, len(fake.answers)) == (1, 4)
    assert "lost 4 answers" in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "words", "said"),
    [
        (INPUT, ["--approve"], "is answered with --values"),
        (APPROVAL, ["--values", "{}"], "is answered with --approve or --reject"),
        (INPUT, ["--values", "[]"], "--values: expected a JSON object"),
        (INPUT, ["--values", "{"], "--values: expected a JSON object"),
    ],
)
def test_an_answer_of_another_kind_is_wrong_usage(options, words, said):
    fake = FakePromote(options, None)
    code, _, err = respond(fake, f"dev/{RUN}", *words)
    assert (code, fake.answers) == (2, [])
    assert said in err


def test_the_list_says_how_a_request_is_answered():
    _, out, _ = respond(FakePromote(INPUT, None), "--list", "-o", "json")
    (row,) = json.loads(out)
    assert row["request"] == f"dev/{RUN}"
    assert (row["options"], row["fields"]) == (["Submit"], {"version": {"type": "string"}})
