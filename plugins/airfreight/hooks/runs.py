"""Other runs, seen and made from within a task, through the task's own supervisor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from airflow.sdk.exceptions import AirflowRuntimeError
from airflow.sdk.execution_time.comms import (
    DagRunResult,
    ErrorResponse,
    GetDagRun,
    SkipDownstreamTasks,
    TriggerDagRun,
)
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from airfreight.errors import AirfreightError

# States in which a task does nothing more by itself. None counts as one where the run itself has ended.
ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


def send(message: Any) -> Any:
    """Send a message to the task's supervisor and return its answer."""
    # SUPERVISOR_COMMS is set when the task starts: an import at module level would find it missing.
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

    return SUPERVISOR_COMMS.send(message)


@dataclass(frozen=True)
class SeenRun:
    """What a task can see of another run."""

    run_type: str
    state: str
    conf: dict[str, Any]


def read_run(dag_id: str, run_id: str) -> SeenRun | None:
    """Return a run, or None where there is none."""
    try:
        answer = send(GetDagRun(dag_id=dag_id, run_id=run_id))
    except AirflowRuntimeError:
        return None
    if not isinstance(answer, DagRunResult):
        return None
    return SeenRun(
        run_type=answer.run_type.value,
        state=answer.state.value,
        conf=answer.conf or {},
    )


def trigger_run(dag_id: str, run_id: str, conf: dict[str, Any], note: str) -> bool:
    """Make a run; False where a run of this id exists already: the database's unique key settles races.

    Raises AirfreightError where Airflow refuses.
    """
    answer = send(TriggerDagRun(dag_id=dag_id, run_id=run_id, conf=conf, note=note))
    if not isinstance(answer, ErrorResponse):
        return True
    if answer.error is not None and answer.error.name == "DAGRUN_ALREADY_EXISTS":
        return False
    raise AirfreightError(f"Airflow did not make run {run_id} of {dag_id}: {answer.error}")


def task_states(dag_id: str, run_id: str, task_ids: Iterable[str]) -> dict[str, str | None]:
    """Return the state of each of these tasks of a run; a task that was never there is missing."""
    states = RuntimeTaskInstance.get_task_states(
        dag_id=dag_id, task_ids=sorted(task_ids), run_ids=[run_id]
    )
    return dict(states.get(run_id, {}))


def promotion_has_ended(dag_id: str, run_id: str, promote: str, verify: str) -> bool:
    """Say whether a run's promote and verify of a Stage will do nothing more.

    Promote ended badly, or it succeeded and verify ended; or the run is gone or over. A run that decided or promoted
    had both tasks: where one is missing it was cleaned away (`airflow db clean` may leave the run itself).
    """
    states = task_states(dag_id, run_id, (promote, verify))
    last = verify if states.get(promote) == "success" else promote
    if last not in states or states[last] in ENDED:
        return True
    run = read_run(dag_id, run_id)
    return run is None or (states[last] is None and run.state in ("success", "failed"))


def task_is_open(dag_id: str, run_id: str, task_id: str) -> bool:
    """Say whether a task of a run may still do something: the run goes on, and the task is in it and has not ended."""
    run = read_run(dag_id, run_id)
    if run is None or run.state in ("success", "failed"):
        return False
    states = task_states(dag_id, run_id, [task_id])
    return task_id in states and states[task_id] not in ENDED


def skip_tasks(task_ids: Iterable[str]) -> None:
    """Set these tasks of the running task's run to skipped, in one call."""
    tasks: list[str | tuple[str, int]] = list(task_ids)
    if tasks:
        send(SkipDownstreamTasks(tasks=tasks))
