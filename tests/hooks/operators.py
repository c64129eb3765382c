"""Operators for the tests of the step airflow, found by their import paths."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    DagRunTriggerException,
    TaskAwaitingInput,
)

TRIGGER = TimeDeltaTrigger(timedelta(minutes=1))
LATER = datetime.now(UTC) + timedelta(days=1)

ENDS = {
    "fail": AirflowFailException("wrong"),
    "sensor": AirflowSensorTimeout("too late"),
    "skip": AirflowSkipException("nothing new"),
    "error": AirflowException("busy"),
    "secret": AirflowException("cannot log in with hunter-22-hunter"),
    "foreign": ValueError("token=s3cret"),
    "later": AirflowRescheduleException(LATER),
    "asks": TaskAwaitingInput(method_name="execute"),
    "run": DagRunTriggerException(
        trigger_dag_id="other",
        dag_run_id="a",
        conf=None,
        logical_date=None,
        run_after=None,
        reset_dag_run=False,
        skip_when_already_exists=False,
        wait_for_completion=False,
        allowed_states=[],
        failed_states=[],
        poke_interval=1,
        deferrable=False,
        note=None,
    ),
}


class EchoOperator(BaseOperator):
    """Returns its value; `pushes` are pushed first."""

    template_fields = ("value",)

    def __init__(self, *, value: Any, pushes: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value = value
        self.pushes = pushes or {}

    def execute(self, context: Context) -> Any:
        for key, value in self.pushes.items():
            context["ti"].xcom_push(key, value)
        return self.value


class WarehouseOperator(EchoOperator):
    """Needs a Connection; has a default that no project may use."""

    def __init__(
        self, *, warehouse_conn_id: str | None = "warehouse_default", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.warehouse_conn_id = warehouse_conn_id


class EndingOperator(BaseOperator):
    """Raises what `end` names."""

    def __init__(self, *, end: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.end = end

    def execute(self, context: Context) -> None:
        context["ti"].xcom_push("begun", True)
        raise ENDS[self.end]


class DeferringOperator(BaseOperator):
    """Defers once; puts out what it was made of and what happened."""

    def __init__(self, *, table: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.table = table

    def execute(self, context: Context) -> None:
        context["ti"].xcom_push("job", 7)
        self.defer(
            trigger=TRIGGER, method_name="finish", kwargs={"job": 7}, timeout=timedelta(hours=1)
        )

    def finish(self, context: Context, job: int, event: Any) -> dict[str, Any]:
        return {"table": self.table, "job": job, "event": event}


class KeepingOperator(BaseOperator):
    """Leaves something where it finds it again by its task and its state store."""

    def execute(self, context: Context) -> list[Any]:
        store = context["task_state_store"]
        before = store.get("pod", None)
        store.set("pod", context["ti"].task_id)
        return [before, context["ti"].task_id, context["ti"].run_id]


class KilledOperator(BaseOperator):
    """Is told to end while it runs."""

    killed: list[str] = []

    def __init__(self, *, runner: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.runner = runner

    def execute(self, context: Context) -> None:
        self.runner[0].on_kill()

    def on_kill(self) -> None:
        self.killed.append(self.task_id)
        raise RuntimeError("the cluster is gone")


def no_operator() -> None:
    """Stand for what a deployment may name by mistake."""
