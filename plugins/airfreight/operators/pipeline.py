"""What every task of a project's DAGs shares: the loaded manifests, the assets, the facts of the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, AssetAlias, Context
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException

from airfreight.errors import Problem, RefusedError
from airfreight.hooks.runs import ENDED, task_states
from airfreight.hooks.state_store import AssetStateStore
from airfreight.manifests.project import LoadedProject, Pipeline
from airfreight.model.freight import Freight
from airfreight.model.naming import (
    FORWARD,
    FREIGHT,
    GATE,
    PROMOTE,
    VERIFY,
    stage_task_id,
    tying_alias,
)
from airfreight.model.stage import Stage
from airfreight.runtime.availability import Registers
from airfreight.runtime.gate import RunFacts
from airfreight.runtime.objects import ProjectObjects
from airfreight.runtime.stage_register import StageRegister
from airfreight.runtime.warehouse_register import WarehouseRegister

# Resolving a Freight takes its task a second or two.
_FREIGHT_LOOK = timedelta(seconds=3)

# How often a task looks whether an upstream has moved; no worker is held in between.
UPSTREAM_LOOK = timedelta(seconds=10)


@dataclass(frozen=True)
class Subject:
    """What a task of a Stage works on: the run's Freight, and the registers that decide about it."""

    stage: Stage
    freight: Freight
    registers: Registers

    @property
    def register(self) -> StageRegister:
        """The Stage's own register."""
        return self.registers.stages[self.stage.name]

    def at_once(self) -> Subject:
        """Return the same for a decision that takes a moment: its registers read each key once."""
        return Subject(self.stage, self.freight, self.registers.at_once())


@dataclass(frozen=True)
class PipelineAssets:
    """The assets of a pipeline by the names of its Warehouses and Stages; `aliases` by asset URI.

    `stages` announce arrivals, `stage_registers` keep what is true. `metadata` is the project's: pipelines share it.
    """

    warehouses: Mapping[str, Asset]
    watches: Mapping[str, Asset]
    stages: Mapping[str, Asset]
    stage_registers: Mapping[str, Asset]
    aliases: Mapping[str, AssetAlias]
    metadata: Asset

    @property
    def kept(self) -> tuple[Asset, ...]:
        """The assets with state of Stages and of the project; what a Warehouse knows is tied by what it discovers."""
        return (*self.stage_registers.values(), self.metadata)

    def ties_of(self, warehouse: str) -> list[tuple[Asset, AssetAlias]]:
        """Return the kept assets, each with the alias by which the DAG of this Warehouse ties it.

        An alias of its own: two tasks that make the same pair of asset and alias at once fail.
        """
        return [(asset, AssetAlias(tying_alias(asset.uri, warehouse))) for asset in self.kept]

    def alias_of(self, asset: Asset) -> AssetAlias:
        """Return the alias that ties `asset`."""
        return self.aliases[asset.uri]


@dataclass(frozen=True)
class PipelineRuntime:
    """Manifests and assets of one pipeline, as they are when the task's process has parsed its DAG."""

    project: LoadedProject
    pipeline: Pipeline
    assets: PipelineAssets

    def stage(self, name: str) -> Stage:
        """Return a Stage of the pipeline by name."""
        return next(stage for stage in self.pipeline.stages if stage.name == name)

    def sources_of(self, stage: Stage) -> tuple[set[str], set[str]]:
        """Return the names of the Warehouses and of the Stages whose registers a decision on `stage` reads."""
        warehouses = {request.origin.name for request in stage.requested_freight}
        upstreams = {name for request in stage.requested_freight for name in request.sources.stages}
        return warehouses & self.assets.warehouses.keys(), {stage.name} | (
            upstreams & self.assets.stage_registers.keys()
        )

    def inlets_of(self, stage: Stage) -> list[Asset]:
        """Return the assets whose state stores the tasks of `stage` read or write."""
        warehouses, stages = self.sources_of(stage)
        return [
            *(self.assets.warehouses[name] for name in sorted(warehouses)),
            *(self.assets.stage_registers[name] for name in sorted(stages)),
        ]

    def subject(self, stage_name: str, context: Context) -> Subject:
        """Return what a task of this Stage works on; ends the task where the run's Freight is refused."""
        stage = self.stage(stage_name)
        registers = self.registers(*self.sources_of(stage), context)
        try:
            return Subject(stage, freight_of_run(context, registers), registers)
        except RefusedError as error:
            raise AirflowFailException(f"refused: {error}") from error

    def registers(
        self, warehouses: Iterable[str], stages: Iterable[str], context: Context
    ) -> Registers:
        """Return these registers; their assets have to be inlets of the running task."""
        return Registers(
            warehouses={
                name: WarehouseRegister(AssetStateStore(context, self.assets.warehouses[name]))
                for name in warehouses
            },
            stages={
                name: StageRegister(AssetStateStore(context, self.assets.stage_registers[name]))
                for name in stages
            },
        )

    def objects(self, registers: Registers, context: Context) -> ProjectObjects:
        """Return what a promotion may change of the project's objects; `registers` are its Stage's."""
        stages = {stage.name for pipeline in self.project.pipelines for stage in pipeline.stages}
        store = AssetStateStore(context, self.assets.metadata)
        return ProjectObjects(store, stages, registers.warehouses)

    def problems_of(self, subject: str) -> tuple[Problem, ...]:
        """Return the errors that disable ``Stage <name>`` or ``Warehouse <name>``."""
        return self.project.disabled.get(subject, ())

    def refuse_disabled(self, subject: str) -> None:
        """End the task where the manifests of `subject` are wrong, with every located error."""
        problems = self.problems_of(subject)
        if problems:
            listed = "\n".join(str(problem) for problem in problems)
            raise AirflowFailException(f"{subject} is disabled by its manifests:\n{listed}")


def stage_task_ids(stage: Stage) -> list[str]:
    """Return the ids of all tasks of a Stage's group, in their order."""
    tasks = (FORWARD,) if stage.is_control_flow else (GATE, PROMOTE, VERIFY)
    return [stage_task_id(stage.name, task) for task in tasks]


def upstreams_have_ended(runtime: PipelineRuntime, stage: Stage, facts: RunFacts) -> bool:
    """Say whether nothing in this run can make its Freight available to `stage` any more."""
    names = {name for request in stage.requested_freight for name in request.sources.stages}
    known = names & runtime.assets.stage_registers.keys()
    last = [stage_task_ids(runtime.stage(name))[-1] for name in sorted(known)]
    states = task_states(facts.dag_id, facts.run_id, last) if last else {}
    return all(state in ENDED for state in states.values())


def run_facts(context: Context) -> RunFacts:
    """Return what the run itself says: its type cannot be chosen by whoever triggers it over REST or in the UI."""
    run = context["dag_run"]
    return RunFacts(
        dag_id=run.dag_id,
        run_id=run.run_id,
        by_hand=run.run_type.value != "operator_triggered",
        actor=run.triggering_user_name or "somebody",
    )


def chosen_stages(conf: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the Stages that the run is for; None means all."""
    stages = conf.get("stages")
    return tuple(stages) if stages else None


def freight_of_run(context: Context, registers: Registers) -> Freight:
    """Return the Freight of this run out of the register.

    The XCom of task `freight` says which; as anybody who may edit the DAG can write an XCom, it counts only where it is
    what the run's `conf`, which nobody can edit, asks for. Raises RefusedError otherwise.

    A task that looks from the run's start on may be here before `freight` has ended: it comes back.
    """
    pulled = context["ti"].xcom_pull(task_ids=FREIGHT, map_indexes=-1, default=None)
    if pulled is None:
        _wait_for_freight(context)
    if not isinstance(pulled, dict) or not isinstance(pulled.get("name"), str):
        raise RefusedError("task freight gave no Freight; it has to succeed first")
    asked = str((context["dag_run"].conf or {}).get("freight") or "")
    origin = pulled.get("origin")
    freight = registers.freight(
        pulled["name"], origin.get("name") if isinstance(origin, dict) else None
    )
    if not asked or not (freight.name.startswith(asked) or freight.alias == asked):
        raise RefusedError(f"the XCom of task freight was changed: the run asks for {asked!r}")
    return freight


def _wait_for_freight(context: Context) -> None:
    run = context["dag_run"]
    state = task_states(run.dag_id, run.run_id, [FREIGHT]).get(FREIGHT)
    if state not in ENDED:
        raise AirflowRescheduleException(utc_now() + _FREIGHT_LOOK)


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)
