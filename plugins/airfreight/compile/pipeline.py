"""One pipeline → its DAG: `freight`, a task group per Stage, `outcome`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, BaseOperator, Param, TaskGroup, TriggerRule
from airflow.sdk.definitions.param import ParamsDict

from airfreight.manifests.project import Pipeline
from airfreight.model.naming import (
    FORWARD,
    FREIGHT,
    GATE,
    OUTCOME,
    PROMOTE,
    VERIFY,
    pipeline_dag_id,
    stage_group_id,
)
from airfreight.model.stage import Stage
from airfreight.operators.forward import ForwardOperator
from airfreight.operators.freight import FreightOperator
from airfreight.operators.gate import GateOperator
from airfreight.operators.outcome import OutcomeOperator
from airfreight.operators.pipeline import PipelineRuntime, stage_task_ids
from airfreight.operators.promote import PromoteOperator
from airfreight.operators.verify import VerifyOperator

START = datetime(2024, 1, 1, tzinfo=UTC)

# Waiting runs must never keep a new Freight out: a run waits for its approval as long as people take.
_MOST_RUNS = 10_000

# A resume does not reset the count, and an answer in the second of a look costs a try: a gate waits for weeks.
_GATE_RETRIES = 100
_PROMOTE_RETRIES = 10
_RETRY_DELAY = timedelta(seconds=3)


@dataclass(frozen=True)
class _Group:
    """The first and the last task of a Stage."""

    first: BaseOperator
    last: BaseOperator


def pipeline_dag(runtime: PipelineRuntime) -> DAG:
    """Return the DAG of a pipeline."""
    pipeline, project = runtime.pipeline, runtime.project
    stage_tasks = {stage.name: stage_task_ids(stage) for stage in pipeline.stages}
    with DAG(
        dag_id=pipeline_dag_id(project.name, pipeline.name),
        schedule=None,
        start_date=START,
        catchup=False,
        max_active_runs=_MOST_RUNS,
        max_active_tasks=3 * len(pipeline.stages) + 2,
        # Freight that waited for weeks is promoted by today's manifests, as in Kargo.
        disable_bundle_versioning=True,
        tags=["airfreight", project.name],
        doc_md=f"Pipeline `{pipeline.name}` of project `{project.name}`; manifests `{project.digest[:16]}`.",
    ) as dag:
        freight = FreightOperator(
            task_id=FREIGHT,
            runtime=runtime,
            stage_tasks=stage_tasks,
            inlets=[*runtime.assets.warehouses.values(), *runtime.assets.stage_registers.values()],
            retries=3,
            retry_delay=_RETRY_DELAY,
        )
        groups = _stage_groups(runtime, freight, stage_tasks)
        outcome = OutcomeOperator(
            task_id=OUTCOME,
            runtime=runtime,
            stage_tasks=stage_tasks,
            inlets=list(runtime.assets.stage_registers.values()),
            trigger_rule=TriggerRule.ALL_DONE,
            retries=3,
            retry_delay=_RETRY_DELAY,
        )
        [freight, *(group.last for group in groups.values())] >> outcome
    # After the tasks: each would get a copy, and a copy names every Stage.
    dag.params = ParamsDict(_params(list(stage_tasks)))
    return dag


def _stage_groups(
    runtime: PipelineRuntime, freight: BaseOperator, stage_tasks: Mapping[str, list[str]]
) -> dict[str, _Group]:
    """Return every Stage's group, set behind its upstreams' or, where Freight comes straight, behind `freight`."""
    upstreams = _upstreams(runtime.pipeline)
    groups = {
        stage.name: _stage_group(
            runtime, stage, upstreams[stage.name], _behind(stage.name, upstreams, stage_tasks)
        )
        for stage in runtime.pipeline.stages
    }
    for name, group in groups.items():
        for before in [groups[upstream].last for upstream in upstreams[name]] or [freight]:
            before >> group.first
    return groups


def _params(stages: list[str]) -> dict[str, Param]:
    return {
        "freight": Param(
            None,
            type=["null", "string"],
            title="Freight",
            description="Name, alias or unique prefix of the name of the Freight to promote.",
        ),
        "stages": Param(
            [],
            type=["null", "array"],
            items={"type": "string"},
            examples=stages,
            title="Stages",
            description="Promote to exactly these Stages; none: to all that the Freight reaches.",
        ),
        "approve": Param(
            False,
            type=["null", "boolean"],
            title="Approve only",
            description="Make the Freight available to these Stages, whatever upstreams say, and promote nothing.",
        ),
        "abort": Param(
            None,
            type=["null", "string"],
            title="Abort",
            description="Id of the run whose promotion to these Stages shall end; takes no Freight.",
        ),
        "reason": Param(
            None,
            type=["null", "string"],
            title="Reason",
            description="Why the promotion is aborted.",
        ),
    }


def _upstreams(pipeline: Pipeline) -> dict[str, list[str]]:
    """Return Stage → the Stages whose last task comes before its first; none where Freight comes straight."""
    found: dict[str, list[str]] = {stage.name: [] for stage in pipeline.stages}
    straight = {
        stage.name
        for stage in pipeline.stages
        if any(request.sources.direct for request in stage.requested_freight)
    }
    for upstream, downstream in pipeline.edges:
        if downstream not in straight:
            found[downstream].append(upstream)
    return found


def _first_rule(stage: Stage, upstreams: list[str]) -> TriggerRule:
    """Return when a Stage's first task starts; it decides by the register, never by its upstreams' states.

    Of several upstreams of which one is enough the first to be through counts, so the task looks from the start on
    (`one_done` would skip it in a run for chosen Stages).
    """
    if not upstreams:
        return TriggerRule.ALL_SUCCESS
    needs_all = all(r.sources.availability_strategy == "All" for r in stage.requested_freight)
    return TriggerRule.ALL_DONE if len(upstreams) == 1 or needs_all else TriggerRule.ALWAYS


def _behind(
    stage: str, upstreams: Mapping[str, list[str]], stage_tasks: Mapping[str, list[str]]
) -> list[str]:
    """Return the tasks of the Stages, in their order, that this Freight can only reach through `stage`."""
    closed = {stage}
    behind: list[str] = []
    for later, before in upstreams.items():
        if before and closed.issuperset(before):
            closed.add(later)
            behind += stage_tasks[later]
    return behind


def _stage_group(
    runtime: PipelineRuntime, stage: Stage, upstreams: list[str], behind: list[str]
) -> _Group:
    shared: dict[str, Any] = {
        "runtime": runtime,
        "stage_name": stage.name,
        "inlets": runtime.inlets_of(stage),
        "retry_delay": _RETRY_DELAY,
    }
    rule = _first_rule(stage, upstreams)
    with TaskGroup(stage_group_id(stage.name)):
        if stage.is_control_flow:
            forward = ForwardOperator(
                task_id=FORWARD, trigger_rule=rule, behind=behind, retries=3, **shared
            )
            return _Group(forward, forward)
        promote_and_verify = stage_task_ids(stage)[1:]
        gate = GateOperator(
            task_id=GATE,
            trigger_rule=rule,
            behind=[*promote_and_verify, *behind],
            outlets=[runtime.assets.alias_of(runtime.assets.stage_registers[stage.name])],
            params={"message": Param("", type=["string", "null"], title="Message")},
            retries=_GATE_RETRIES,
            **shared,
        )
        promote = PromoteOperator(
            task_id=PROMOTE,
            behind=[*promote_and_verify[1:], *behind],
            outlets=[
                runtime.assets.alias_of(runtime.assets.stages[stage.name]),
                runtime.assets.alias_of(runtime.assets.stage_registers[stage.name]),
            ],
            max_active_tis_per_dag=1,
            retries=_PROMOTE_RETRIES,
            **{**shared, "inlets": [*shared["inlets"], runtime.assets.metadata]},
        )
        verify = VerifyOperator(task_id=VERIFY, retries=3, **shared)
        gate >> promote >> verify
    return _Group(gate, verify)
