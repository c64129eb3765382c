"""The first task of a pipeline run: which Freight, for which Stages."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException

from airfreight.errors import RefusedError
from airfreight.hooks.runs import ENDED, skip_tasks, task_states
from airfreight.hooks.step_context import drop_kept_workdir
from airfreight.model.freight import Freight
from airfreight.model.naming import GATE, PROMOTE, stage_task_id
from airfreight.model.stage import Stage
from airfreight.operators.pipeline import (
    PipelineRuntime,
    run_facts,
    utc_now,
)
from airfreight.runtime.aborting import request_abort
from airfreight.runtime.availability import Registers, available
from airfreight.runtime.records import AbortRequest
from airfreight.runtime.request import Abort, RunRequest, read_request


class FreightOperator(BaseOperator):
    """Resolves the run's `freight` in the register, refuses what is not there, and skips the Stages not chosen.

    :param runtime: manifests and assets of the pipeline.
    :param stage_tasks: Stage → the ids of its tasks.
    """

    def __init__(
        self, *, runtime: PipelineRuntime, stage_tasks: dict[str, list[str]], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.runtime = runtime
        self.stage_tasks = stage_tasks

    def execute(self, context: Context) -> dict[str, Any]:
        """Return the Freight's reference: name, alias, origin, discoveredAt, artifacts; of an abort what was ended."""
        try:
            return self._resolve(context)
        except RefusedError as error:
            self._skip(set(self.stage_tasks))
            raise AirflowFailException(f"refused: {error}") from error

    def _resolve(self, context: Context) -> dict[str, Any]:
        stages = {stage.name: stage for stage in self.runtime.pipeline.stages}
        request = read_request(context["dag_run"].conf or {}, stages)
        if isinstance(request, Abort):
            return self._abort(request, context)
        registers = self.runtime.registers(
            self.runtime.assets.warehouses, self.runtime.assets.stage_registers, context
        )
        freight = registers.resolve(request.freight)
        self._check_stages(request, freight, stages, registers)
        if request.approve:
            self._approve(request, freight, registers, context)
            self._skip(set(self.stage_tasks))
        elif request.stages is not None:
            self._skip(set(self.stage_tasks) - set(request.stages))
        else:
            self._skip(
                name for name, stage in stages.items() if not stage.request(freight.content.origin)
            )
        self.log.info("Freight %s is %s", freight.alias, freight.name)
        return freight.to_json()

    def _check_stages(
        self,
        request: RunRequest,
        freight: Freight,
        stages: dict[str, Stage],
        registers: Registers,
    ) -> None:
        for name in request.stages or ():
            stage = stages[name]
            if stage.request(freight.content.origin) is None:
                raise RefusedError(f"Stage {name} does not request {freight.content.origin.key}")
            if request.approve:
                continue
            if stage.is_control_flow:
                raise RefusedError(
                    f"Stage {name} is a control-flow Stage: it only forwards Freight"
                )
            self._check_available(request, freight, stage, registers)

    def _check_available(
        self, request: RunRequest, freight: Freight, stage: Stage, registers: Registers
    ) -> None:
        """Refuse what the Stage may not have, unless another chosen Stage of this run can still make it available."""
        answer = available(freight.name, freight.content.origin, stage, registers, utc_now())
        requested = stage.request(freight.content.origin)
        upstreams = set(requested.sources.stages) if requested is not None else set()
        becomes = upstreams & set(request.stages or ())
        if not answer.available and answer.ready_at is None and not becomes:
            raise RefusedError(
                f"Freight {freight.alias} is not available to Stage {stage.name}: {answer.reason}; "
                f"`airfreight approve` makes it so"
            )

    def _approve(
        self, request: RunRequest, freight: Freight, registers: Registers, context: Context
    ) -> None:
        actor = run_facts(context).actor
        for name in request.stages or ():
            registers.stages[name].approve(freight.name, actor, utc_now())
            self.log.info("%s approved %s for Stage %s", actor, freight.alias, name)

    def _abort(self, request: Abort, context: Context) -> dict[str, Any]:
        registers = self.runtime.registers((), self.runtime.assets.stage_registers, context)
        facts = run_facts(context)
        for name in request.stages:
            _check_abortable(facts.dag_id, request.run_id, name)
            asked = AbortRequest(actor=facts.actor, reason=request.reason, requested_at=utc_now())
            ended = request_abort(registers.stages[name], request.run_id, asked)
            if ended is not None:
                drop_kept_workdir(ended)
            what = f"Promotion {ended}" if ended is not None else f"run {request.run_id}"
            self.log.info("%s in Stage %s is %s", what, name, asked.reason_shown)
        self._skip(self.stage_tasks)
        return {"aborted": request.run_id, "stages": list(request.stages)}

    def _skip(self, stages: Any) -> None:
        skip_tasks(task for name in sorted(stages) for task in self.stage_tasks[name])


def _check_abortable(dag_id: str, run_id: str, stage: str) -> None:
    """Raise RefusedError where this run has no promotion that waits for its turn or goes on."""
    gate, promote = stage_task_id(stage, GATE), stage_task_id(stage, PROMOTE)
    states = task_states(dag_id, run_id, (gate, promote))
    if promote not in states or states[promote] in ENDED:
        raise RefusedError(f"run {run_id!r} promotes nothing to Stage {stage}")
    if states.get(gate) != "success":
        raise RefusedError(f"run {run_id} waits at the gate of {stage}: reject its request instead")
