"""The one place where ids are spelled: DAGs, task groups, tasks, assets, runs, register keys.

Ids stay under 200 characters: Airflow accepts 250 for a run id and then fails the run on its log path.
"""

from __future__ import annotations

import re

LONGEST_ID = 200

GATE = "gate"
PROMOTE = "promote"
VERIFY = "verify"
FORWARD = "forward"
FREIGHT = "freight"
OUTCOME = "outcome"

_SCHEME = "airfreight"


def warehouse_dag_id(project: str, warehouse: str) -> str:
    """Return the id of the DAG that watches a Warehouse."""
    return f"{project}.warehouse.{warehouse}"


def pipeline_dag_id(project: str, pipeline: str) -> str:
    """Return the id of the DAG that promotes a pipeline's Freight."""
    return f"{project}.pipeline.{pipeline}"


def stage_group_id(stage: str) -> str:
    """Return a Stage's task group id: Airflow takes no dots there, Kubernetes names may hold them.

    A Stage that is called as one of the pipeline's own tasks gets a ``_`` behind, with which no name ends.
    """
    group = re.sub(r"[^\w-]", "_", stage)
    return f"{group}_" if group in (FREIGHT, OUTCOME) else group


def stage_task_id(stage: str, task: str) -> str:
    """Return the full id of a task within a Stage's group."""
    return f"{stage_group_id(stage)}.{task}"


def freight_run_id(alias: str, name: str) -> str:
    """Return the run id of a Freight's own run of its pipeline DAG."""
    return f"{alias}-{name[:12]}"


def next_run_id(run_id: str, suffix: str) -> str:
    """Return the id of a further run for the Freight whose own run has, or should have had, `run_id`."""
    return f"{run_id}-{suffix}"


def warehouse_asset(project: str, warehouse: str) -> str:
    """Return the URI of the asset whose state store is a Warehouse's register."""
    return f"{_SCHEME}://{project}/warehouses/{warehouse}"


def watch_asset(project: str, warehouse: str) -> str:
    """Return the URI of the asset that the watcher of a Warehouse emits; apart from the register's, whose emission
    would wake its own DAG."""
    return f"{warehouse_asset(project, warehouse)}/watch"


def stage_asset(project: str, stage: str) -> str:
    """Return the URI of the asset that announces what arrives in a Stage, for other DAGs to be scheduled on."""
    return f"{_SCHEME}://{project}/stages/{stage}"


def stage_register_asset(project: str, stage: str) -> str:
    """Return the URI of the asset whose state store is a Stage's register; its events are decisions and arrivals.

    It is not the asset that announces arrivals: what ties a register (`hooks.ties`) is an event.
    """
    return f"{stage_asset(project, stage)}/register"


def metadata_asset(project: str) -> str:
    """Return the URI of the asset whose state store holds the metadata of a project's Stages and Freight."""
    return f"{_SCHEME}://{project}/metadata"


def asset_alias(uri: str) -> str:
    """Return the name of the AssetAlias that ties an asset, so that a changed DAG does not orphan its state."""
    return uri.removeprefix(f"{_SCHEME}://").replace("/", ".")


def tying_alias(uri: str, warehouse: str) -> str:
    """Return the name of the AssetAlias by which the DAG of one Warehouse ties an asset."""
    return f"{asset_alias(uri)}.of.{warehouse}"


def promotion_name(stage: str, ulid: str, freight: str) -> str:
    """Return a Promotion's name as Kargo makes it: ``<stage>.<ulid>.<first 7 of the freight>``, lower case."""
    return f"{stage[:218]}.{ulid}.{freight[:7]}".lower()


PROMOTION_NAME = r"[^/]+\.[0-9a-z]{26}\.[0-9a-f]{7}"
"""What every Promotion's name matches."""
