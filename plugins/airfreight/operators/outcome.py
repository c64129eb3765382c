"""The last task of a pipeline run: makes a run red in which something failed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException

from airfreight.hooks.runs import task_states
from airfreight.hooks.step_context import drop_kept_workdir
from airfreight.model.naming import FREIGHT, GATE, PROMOTE, stage_task_id
from airfreight.model.stage import Stage
from airfreight.operators.pipeline import PipelineRuntime, run_facts, utc_now
from airfreight.runtime.aborting import ENDED_IN_AIRFLOW, end_aborted
from airfreight.runtime.availability import Registers
from airfreight.runtime.stage_register import StageRegister

_LOOK = timedelta(seconds=2)


class OutcomeOperator(BaseOperator):
    """Fails the run where a gate, promote or verify in it failed, and says which and why.

    Needed because skipped leaves would make such a run green.

    :param runtime: manifests and assets of the pipeline.
    :param stage_tasks: Stage → the ids of its tasks.
    """

    def __init__(
        self, *, runtime: PipelineRuntime, stage_tasks: dict[str, list[str]], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.runtime = runtime
        self.stage_tasks = stage_tasks

    def execute(self, context: Context) -> None:
        """Raise AirflowFailException that names every failed task and its cause."""
        facts = run_facts(context)
        ids = [FREIGHT, *(task for tasks in self.stage_tasks.values() for task in tasks)]
        states = task_states(facts.dag_id, facts.run_id, ids)
        if "running" in states.values():
            # A gate that fails skips its Stage's other tasks first, so that this one may start before it has failed.
            raise AirflowRescheduleException(utc_now() + _LOOK)
        failed = {task for task, state in states.items() if state == "failed"}
        if not failed:
            return
        registers = self.runtime.registers((), self.runtime.assets.stage_registers, context)
        self._end_promotions(failed, registers, facts.run_id)
        causes = [f"{FREIGHT} failed; its log says why"] if FREIGHT in failed else []
        for stage in self.runtime.pipeline.stages:
            register = registers.stages[stage.name]
            causes += self._causes(stage, failed, register, facts.run_id)
        raise AirflowFailException("; ".join(causes))

    def _end_promotions(self, failed: set[str], registers: Registers, run_id: str) -> None:
        """End as Aborted what nobody carries out any more: a promote that waited was marked failed or cleared."""
        for stage in self.runtime.pipeline.stages:
            if stage_task_id(stage.name, PROMOTE) not in failed:
                continue
            register = registers.stages[stage.name]
            ended = end_aborted(register, run_id, ENDED_IN_AIRFLOW, utc_now())
            if ended is not None:
                drop_kept_workdir(ended)

    def _causes(
        self, stage: Stage, failed: set[str], register: StageRegister, run_id: str
    ) -> list[str]:
        mine = [task for task in self.stage_tasks[stage.name] if task in failed]
        return [f"{task}: {_why(task, stage, register, run_id)}" for task in mine]


def _why(task: str, stage: Stage, register: StageRegister, run_id: str) -> str:
    closed = register.closed(run_id)
    if closed is not None and task == stage_task_id(stage.name, GATE):
        return closed.reason
    record = register.promotion_of(run_id)
    if record is not None and record.status.message and task == stage_task_id(stage.name, PROMOTE):
        return record.status.message
    return "failed; its log says why"
