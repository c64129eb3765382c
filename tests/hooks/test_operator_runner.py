"""Operators that run within a promotion, without an Airflow around them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.log import mask_secret

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.hooks.operator_runner import OperatorRunner
from airfreight.model.connections import ConnectionIds
from airfreight.model.waiting import Event, Happened
from airfreight.steps.base import StepResult
from tests.hooks import operators

HERE = "tests.hooks.operators"
ALLOWED = {
    "echo": f"{HERE}.EchoOperator",
    "warehouse": f"{HERE}.WarehouseOperator",
    "ending": f"{HERE}.EndingOperator",
    "deferring": f"{HERE}.DeferringOperator",
    "keeping": f"{HERE}.KeepingOperator",
    "killed": f"{HERE}.KilledOperator",
    "bash": "airflow.providers.standard.operators.bash.BashOperator",
    "gone": f"{HERE}.Gone",
    "nowhere": "tests.hooks.nowhere.Operator",
    "function": f"{HERE}.no_operator",
}


class Instance(SimpleNamespace):
    """A task instance that keeps what is pushed."""

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


class Store(dict[str, Any]):
    def set(self, key: str, value: Any) -> None:
        self[key] = value


class Task:
    """The task of a promotion, in which operators run."""

    def __init__(self, allowed: dict[str, str] | None = None) -> None:
        self.instance = Instance(task_id="prod.promote", run_id="r", pushed={})
        self.store = Store()
        context: Any = {"ti": self.instance, "task_state_store": self.store}
        self.runner = OperatorRunner(
            ALLOWED if allowed is None else allowed,
            ConnectionIds("shop"),
            "p",
            context,
            logging.getLogger("t"),
        )

    def run(
        self, name: str, alias: str = "step-1", happened: Happened | None = None, **args: Any
    ) -> StepResult:
        return self.runner.run(name, args, alias, happened)


def test_what_an_operator_pushes_and_returns_is_the_output():
    task = Task()
    result = task.run("echo", value={"rows": (1, 2)}, pushes={"table": "a"})
    assert result == StepResult(output={"table": "a", "return_value": {"rows": [1, 2]}})
    assert task.instance.pushed == {"table": "a"}
    assert task.run("echo", value=None).output is None


@pytest.mark.parametrize(
    "text",
    ["{{ 7 * 7 }}", "{{ conn.airfreight_shared_x.password }}", "{% for a in b %}", "query.sql"],
)
def test_no_argument_is_rendered_or_read_as_a_file(text):
    assert Task().run("echo", value=text).output == {"return_value": text}
    assert Task().run("bash", bash_command="echo $A", env={"A": text}).output == {
        "return_value": text
    }


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("dbt", {}, "operator 'dbt' is not allowed: .* allows bash, deferring, echo"),
        ("echo", {"values": 1}, "args: echo takes no values; it takes pushes, value"),
        ("echo", {"value": 1, "retries": 9}, "takes no retries"),
        ("echo", {"value": 1, "on_failure_callback": "os.system"}, "takes no on_failure_callback"),
        ("echo", {"value": 1, "task_id": "a"}, "takes no task_id"),
        ("echo", {}, "args: echo does not take them: missing keyword argument 'value'"),
        ("warehouse", {"value": 1}, "warehouse_conn_id: project shop may not use"),
        ("warehouse", {"value": 1, "warehouse_conn_id": "airfreight_bank_db"}, "may not use"),
        ("warehouse", {"value": {"a": [{"my_conn_id": "other"}]}, "warehouse_conn_id": None},
         r"value.a\[0\].my_conn_id: project shop may not use"),
        ("gone", {}, "gone is tests.hooks.operators.Gone, which cannot be imported"),
        ("nowhere", {}, "which cannot be imported"),
        ("function", {}, "which is no operator"),
    ],
    ids=["not allowed", "unknown", "every task's", "a callback", "the task's id", "missing",
         "a default Connection", "another project's", "a nested one", "no such class",
         "no such module", "no class"],
)  # fmt: skip
def test_what_is_not_allowed_or_not_understood_is_refused_before_it_starts(name, args, message):
    task = Task()
    with pytest.raises(TerminalStepError, match=message):
        task.run(name, **args)
    assert task.instance.pushed == {}


def test_where_the_deployment_names_no_operator_none_is_allowed():
    with pytest.raises(TerminalStepError, match=r"the setting .airfreight. operators names none"):
        Task({}).run("bash", bash_command="true")


@pytest.mark.parametrize("connection", ["airfreight_shop_db", "airfreight_shared_db", None])
def test_a_connection_of_the_project_may_be_used(connection):
    result = Task().run("warehouse", value=1, warehouse_conn_id=connection)
    assert result.output == {"return_value": 1}


@pytest.mark.parametrize(
    ("end", "error", "failed", "message"),
    [
        ("fail", TerminalStepError, True, "ending failed: wrong"),
        ("sensor", TerminalStepError, True, "ending failed: too late"),
        ("asks", TerminalStepError, True, "only a task of its own can have .TaskAwaitingInput"),
        ("run", TerminalStepError, True, "can have .DagRunTriggerException"),
        ("error", RetryableStepError, False, "ending failed: busy"),
        ("foreign", RetryableStepError, False, "ending raised ValueError; the log of the task"),
    ],
)
def test_how_an_operator_fails_is_how_its_step_does(end, error, failed, message):
    with pytest.raises(error, match=message) as ended:
        Task().run("ending", end=end)
    assert ended.value.failed == failed
    assert "s3cret" not in str(ended.value)


def test_what_airflow_knows_to_be_secret_is_in_no_message():
    mask_secret("hunter-22-hunter")
    with pytest.raises(RetryableStepError, match=r"cannot log in with \*\*\*"):
        Task().run("ending", end="secret")


def test_an_operator_that_skips_skips_its_step():
    result = Task().run("ending", end="skip")
    assert (result.status, result.message) == ("Skipped", "nothing new")
    assert result.output == {"begun": True}


def test_a_sensor_that_wants_to_come_back_later_is_looked_at_then():
    result = Task().run("ending", end="later")
    assert result.status == "Running"
    assert result.retry_after is not None
    left = operators.LATER - datetime.now(UTC)
    assert left <= result.retry_after < left + timedelta(minutes=1)


def test_an_operator_that_defers_is_made_anew_and_goes_on_with_its_event():
    task = Task()
    waiting = task.run("deferring", table="a")
    assert waiting.waits_for == Event(
        source="airflow.providers.standard.triggers.temporal.TimeDeltaTrigger"
    )
    assert waiting.retry_after is not None
    assert (waiting.output, waiting.retry_after.total_seconds()) == ({"job": 7}, 3600)
    assert task.runner.deferred is not None
    assert task.runner.deferred.trigger is operators.TRIGGER

    happened = Happened("finish", {**task.runner.deferred.kwargs, "event": "done"})
    result = Task().run("deferring", happened=happened, table="a")
    assert result.output == {"return_value": {"table": "a", "job": 7, "event": "done"}}


def test_a_trigger_that_failed_is_an_error_of_the_step():
    happened = Happened("__fail__", {"error": "Trigger timeout"})
    with pytest.raises(RetryableStepError, match="deferring failed: Trigger timeout"):
        Task().run("deferring", happened=happened, table="a")


@pytest.mark.parametrize(
    ("value", "message"),
    [({1, 2}, "return_value .* no JSON"), (float("nan"), "no JSON"), ("a" * 300_000, "has 300")],
)
def test_an_output_is_json_of_a_limited_size(value, message):
    with pytest.raises(TerminalStepError, match=message):
        Task().run("echo", value=value)


def test_two_steps_with_the_same_operator_find_only_their_own():
    task = Task()
    first = task.run("keeping", "a").output
    assert first == {"return_value": [None, "prod.promote.a", "r"]}
    assert task.run("keeping", "b").output == {"return_value": [None, "prod.promote.b", "r"]}
    again = {"return_value": ["prod.promote.a", "prod.promote.a", "r"]}
    assert task.run("keeping", "a").output == again


def test_an_abort_reaches_the_operator_that_runs_and_no_other():
    task = Task()
    task.runner.on_kill()
    task.run("killed", "task::one", runner=[task.runner])
    task.runner.on_kill()
    assert operators.KilledOperator.killed == ["prod.promote.task--one"]
