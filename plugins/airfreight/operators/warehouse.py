"""What follows a discovery: the Freight's own run, and what became available outside of it."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowSkipException
from ulid import ULID

from airfreight.errors import AirfreightError
from airfreight.hooks.runs import SeenRun, read_run, task_is_open, trigger_run
from airfreight.hooks.state_store import AssetStateStore
from airfreight.hooks.ties import tie
from airfreight.model.freight import Freight
from airfreight.model.naming import (
    PROMOTE,
    freight_run_id,
    next_run_id,
    pipeline_dag_id,
    stage_task_id,
)
from airfreight.model.stage import Stage
from airfreight.model.warehouse import Warehouse
from airfreight.operators.pipeline import PipelineRuntime, utc_now
from airfreight.runtime.availability import Registers, candidate, refuse_automatic
from airfreight.runtime.records import Offer
from airfreight.runtime.stage_register import StageRegister
from airfreight.runtime.watch import HANDLED

# A run id is taken by somebody else at most a few times; a hundred is somebody who tries.
_MOST_ATTEMPTS = 100


class TriggerPipelineOperator(BaseOperator):
    """Gives the Freight that the sensor returned its one run of the pipeline DAG, however often it is discovered.

    The run's id follows from the Freight, so the database settles races. A run of that id which is not the Freight's
    own (a person may have made it) is passed by: the next id is taken.

    :param runtime: manifests and assets of the pipeline.
    :param warehouse: the Warehouse.
    :param sensor_task_id: the task that returned the Freight.
    """

    def __init__(
        self,
        *,
        runtime: PipelineRuntime,
        warehouse: Warehouse,
        sensor_task_id: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.runtime = runtime
        self.warehouse = warehouse
        self.sensor_task_id = sensor_task_id

    def execute(self, context: Context) -> str:
        """Return the id of the Freight's run."""
        skip_in_backfill(context)
        pulled = context["ti"].xcom_pull(task_ids=self.sensor_task_id, map_indexes=-1, default=None)
        registers = self.runtime.registers([self.warehouse.name], (), context)
        register = registers.warehouses[self.warehouse.name]
        name = pulled.get("name") if isinstance(pulled, dict) else None
        freight = register.freight(name) if isinstance(name, str) else None
        if freight is None:
            raise AirfreightError(
                f"task {self.sensor_task_id} returned no Freight of the register; its XCom may have been changed"
            )
        if register.is_by_hand(freight.name):
            raise AirflowSkipException("put together by hand: whoever wants it promotes it by name")
        run_id = register.run_of(freight.name) or self._give_run(freight)
        register.record_run(freight.name, run_id)
        mark_handled(context, self.runtime, self.warehouse, self.sensor_task_id)
        return run_id

    def _give_run(self, freight: Freight) -> str:
        dag_id = pipeline_dag_id(self.runtime.project.name, self.runtime.pipeline.name)
        conf = {"freight": freight.name, "warehouse": self.warehouse.name}
        note = f"Freight {freight.alias} of Warehouse {self.warehouse.name}"
        run_id = first = freight_run_id(freight.alias, freight.name)
        for attempt in range(2, _MOST_ATTEMPTS):
            if trigger_run(dag_id, run_id, conf, note):
                self.log.info("Run %s of %s is made", run_id, dag_id)
                return run_id
            if _is_own(read_run(dag_id, run_id), conf):
                self.log.info("Run %s of %s exists", run_id, dag_id)
                return run_id
            self.log.warning("Run %s of %s is not this Freight's own", run_id, dag_id)
            run_id = next_run_id(first, str(attempt))
        raise AirfreightError(f"{_MOST_ATTEMPTS} runs named {first} are not the Freight's own")


def _is_own(run: SeenRun | None, conf: dict[str, Any]) -> bool:
    # Nobody can choose `operator_triggered` over REST or in the UI: only a task makes such a run.
    return run is not None and run.run_type == "operator_triggered" and run.conf == conf


def skip_in_backfill(context: Context) -> None:
    """End the task as skipped in a backfill, which registers Freight of the past and starts nothing."""
    if context["dag_run"].run_type.value == "backfill":
        raise AirflowSkipException("a backfill registers Freight and promotes none")


def mark_handled(
    context: Context, runtime: PipelineRuntime, warehouse: Warehouse, sensor_task_id: str
) -> None:
    """Tell the watchers what was handled: discovery succeeded and the Freight's run exists."""
    seen = context["ti"].xcom_pull(
        task_ids=sensor_task_id, key=HANDLED, map_indexes=-1, default=None
    )
    if isinstance(seen, dict):
        AssetStateStore(context, runtime.assets.watches[warehouse.name]).set(HANDLED, seen)


class PromoteAvailableOperator(BaseOperator):
    """Asks for every Stage that promotes by itself whether its candidate arrived outside its own run.

    An approval, a lifted hold, a new policy or a new Stage makes Freight available to which no run is on its way; each
    run of the Warehouse, "refresh" and timetable included, finds it here and triggers a run for that Stage. It also
    ties the registers of the pipeline (`hooks.ties`).

    :param runtime: manifests and assets of the pipeline.
    :param warehouse: the Warehouse.
    """

    def __init__(self, *, runtime: PipelineRuntime, warehouse: Warehouse, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.runtime = runtime
        self.warehouse = warehouse

    def execute(self, context: Context) -> list[str]:
        """Return the ids of the runs that were triggered."""
        skip_in_backfill(context)
        assets = self.runtime.assets
        tie(context, assets.ties_of(self.warehouse.name), AssetStateStore(context, assets.metadata))
        registers = self.runtime.registers(assets.warehouses, assets.stage_registers, context)
        registers = registers.at_once()
        runs = [
            self._promote(stage, registers)
            for stage in self.runtime.pipeline.stages
            if self._promotes_by_itself(stage)
        ]
        return [run for run in runs if run is not None]

    def _promotes_by_itself(self, stage: Stage) -> bool:
        config = self.runtime.project.config
        return (
            not stage.is_control_flow
            and not self.runtime.problems_of(f"Stage {stage.name}")
            and stage.request(self.warehouse.origin) is not None
            and config.auto_promotes(stage.name, stage.labels)
        )

    def _promote(self, stage: Stage, registers: Registers) -> str | None:
        found = candidate(stage, self.warehouse.origin, registers, utc_now())
        if found.entry is None:
            return None
        warehouse = registers.warehouses[self.warehouse.name]
        freight = warehouse.freight(found.entry.name)
        if freight is None or refuse_automatic(freight, stage, registers, utc_now()) is not None:
            return None
        dag_id = pipeline_dag_id(self.runtime.project.name, self.runtime.pipeline.name)
        register = registers.stages[stage.name]
        if self._is_on_its_way(dag_id, freight, stage, register, warehouse.run_of(freight.name)):
            return None
        return self._trigger(dag_id, freight, stage, register)

    def _is_on_its_way(
        self,
        dag_id: str,
        freight: Freight,
        stage: Stage,
        register: StageRegister,
        own_run: str | None,
    ) -> bool:
        """Say whether a run is about to promote this Freight, or a promotion of it is open or failed last."""
        if any(row.freight == freight.name for row in register.promotions()[:1]):
            return True
        offer = register.offer(self.warehouse.origin.key)
        offered = offer.run_id if offer is not None and offer.freight == freight.name else None
        promote = stage_task_id(stage.name, PROMOTE)
        return any(
            task_is_open(dag_id, run_id, promote)
            for run_id in (own_run, offered)
            if run_id is not None
        )

    def _trigger(self, dag_id: str, freight: Freight, stage: Stage, register: StageRegister) -> str:
        run_id = next_run_id(freight_run_id(freight.alias, freight.name), str(ULID()).lower())
        # Written first: a task that dies in between leaves an offer without a run, which the next look repeats.
        register.set_offer(self.warehouse.origin.key, Offer(freight=freight.name, run_id=run_id))
        conf = {
            "freight": freight.name,
            "stages": [stage.name],
            "warehouse": self.warehouse.name,
        }
        trigger_run(dag_id, run_id, conf, f"{freight.alias} became available to {stage.name}")
        self.log.info("%s became available to %s: run %s", freight.alias, stage.name, run_id)
        return run_id
