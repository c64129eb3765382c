"""One Warehouse → its DAG: a watcher, a slow timetable, a sensor and what follows from a discovery."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, CronTriggerTimetable, Param, TriggerRule
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.definitions.timetables.assets import AssetOrTimeSchedule

from airfreight.compile.pipeline import START
from airfreight.manifests.project import LoadedProject
from airfreight.manifests.warehouses import NO_SCHEDULE, POOL, SCHEDULE
from airfreight.model.naming import warehouse_dag_id
from airfreight.model.warehouse import Warehouse
from airfreight.operators.pipeline import PipelineRuntime
from airfreight.operators.warehouse import PromoteAvailableOperator, TriggerPipelineOperator
from airfreight.runtime.assembly import ARTIFACTS, PROMOTE
from airfreight.runtime.credentials import find_connection
from airfreight.sensors.freight import FreightSensor
from airfreight.sources.base import Source
from airfreight.sources.catalogue import source_of
from airfreight.triggers.warehouse import WarehouseTrigger

DISCOVER = "discover"
TRIGGER = "trigger"
PROMOTE_AVAILABLE = "promote_available"


def _shared(warehouse: Warehouse) -> dict[str, Any]:
    """Return what all tasks have. One at a time: each is the only writer of its keys."""
    pool = warehouse.annotations.get(POOL)
    return {
        "retries": 3,
        "retry_delay": timedelta(seconds=5),
        "max_active_tis_per_dag": 1,
        **({"pool": pool} if pool else {}),
    }


def daily_schedule(dag_id: str) -> str:
    """Return a daily cron expression, spread over the day by the DAG's id: many Warehouses never start at once."""
    minute = int(hashlib.sha256(dag_id.encode()).hexdigest(), 16) % (24 * 60)
    return f"{minute % 60} {minute // 60} * * *"


def _schedule(cron: str, watch: Asset) -> list[Asset] | AssetOrTimeSchedule:
    if cron == NO_SCHEDULE:
        return [watch]
    return AssetOrTimeSchedule(timetable=CronTriggerTimetable(cron, timezone="UTC"), assets=[watch])


def _watched(runtime: PipelineRuntime, warehouse: Warehouse) -> Asset:
    """Return the Warehouse's asset with its watchers, one for each repository."""
    plain = runtime.assets.watches[warehouse.name]
    if runtime.problems_of(f"Warehouse {warehouse.name}"):
        return plain
    project = runtime.project
    watchers = [
        AssetWatcher(
            name=f"{project.name}.{warehouse.name}.{position}",
            trigger=WarehouseTrigger(
                warehouse=f"{project.name}/{warehouse.name}",
                spec=warehouse.digest,
                subscription=subscription.model_dump(
                    mode="json", by_alias=True, exclude_defaults=True
                ),
                repository_conn_id=_connection(project, source_of(subscription)),
                poke_interval=warehouse.interval.total_seconds(),
            ),
        )
        for position, subscription in enumerate(warehouse.subscriptions)
    ]
    return Asset(name=plain.name, uri=plain.uri, watchers=watchers)


def _connection(project: LoadedProject, source: Source) -> str:
    kind = source.credential_kind
    if not kind:
        return ""
    return (
        find_connection(project.credentials, project.connections, kind, source.credential_url) or ""
    )


def warehouse_dag(runtime: PipelineRuntime, warehouse: Warehouse) -> DAG:
    """Return the DAG of a Warehouse."""
    project = runtime.project
    dag_id = warehouse_dag_id(project.name, warehouse.name)
    # The same object everywhere: of two assets of one name Airflow keeps the last, and with it the watchers or none.
    watch = _watched(runtime, warehouse)
    with DAG(
        dag_id=dag_id,
        schedule=_schedule(warehouse.annotations.get(SCHEDULE) or daily_schedule(dag_id), watch),
        start_date=START,
        catchup=False,
        disable_bundle_versioning=True,
        tags=["airfreight", project.name],
        doc_md=f"Warehouse `{warehouse.name}` of project `{project.name}`; manifests `{project.digest[:16]}`.",
    ) as dag:
        discover = _sensor(runtime, warehouse, watch)
        trigger = TriggerPipelineOperator(
            task_id=TRIGGER,
            runtime=runtime,
            warehouse=warehouse,
            sensor_task_id=DISCOVER,
            inlets=[runtime.assets.warehouses[warehouse.name], watch],
            **_shared(warehouse),
        )
        promote_available = PromoteAvailableOperator(
            task_id=PROMOTE_AVAILABLE,
            runtime=runtime,
            warehouse=warehouse,
            inlets=[*runtime.assets.warehouses.values(), *runtime.assets.kept],
            outlets=[alias for _, alias in runtime.assets.ties_of(warehouse.name)],
            trigger_rule=TriggerRule.NONE_FAILED,
            **_shared(warehouse),
        )
        discover >> trigger >> promote_available
    # After the tasks: each would get a copy.
    dag.params = ParamsDict(_params())
    return dag


def _params() -> dict[str, Param]:
    return {
        ARTIFACTS: Param(
            None,
            type=["null", "object"],
            title="Artifacts",
            description="Freight put together by hand: each subscription, by its name or URL, with a tag, commit or "
            "version. None: look for what is new.",
        ),
        PROMOTE: Param(
            False,
            type=["null", "boolean"],
            title="Promote",
            description="Let Stages take the Freight by themselves; otherwise somebody promotes it by name.",
        ),
    }


def _sensor(runtime: PipelineRuntime, warehouse: Warehouse, watch: Asset) -> FreightSensor:
    project, assets = runtime.project, runtime.assets
    register = assets.warehouses[warehouse.name]
    stages = tuple(
        assets.stage_registers[stage.name]
        for stage in runtime.pipeline.stages
        if stage.request(warehouse.origin) is not None
    )
    return FreightSensor(
        task_id=DISCOVER,
        warehouse=warehouse,
        connections=project.connections,
        credentials=project.credentials,
        register=register,
        watch=watch,
        stages=stages,
        problems=tuple(str(p) for p in runtime.problems_of(f"Warehouse {warehouse.name}")),
        inlets=[register, watch, *stages],
        outlets=[assets.alias_of(register)],
        **_shared(warehouse),
    )
