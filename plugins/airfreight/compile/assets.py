"""The assets of a pipeline and the aliases that tie them."""

from __future__ import annotations

from airflow.sdk import Asset, AssetAlias

from airfreight.manifests.project import Pipeline
from airfreight.model.naming import (
    asset_alias,
    metadata_asset,
    stage_asset,
    stage_register_asset,
    warehouse_asset,
    watch_asset,
)
from airfreight.operators.pipeline import PipelineAssets


def _asset(uri: str) -> Asset:
    return Asset(name=uri, uri=uri)


def pipeline_assets(project: str, pipeline: Pipeline) -> PipelineAssets:
    """Return every asset of a pipeline; a watched one carries no watcher here."""
    warehouses = {w.name: _asset(warehouse_asset(project, w.name)) for w in pipeline.warehouses}
    watches = {w.name: _asset(watch_asset(project, w.name)) for w in pipeline.warehouses}
    stages = {s.name: _asset(stage_asset(project, s.name)) for s in pipeline.stages}
    registers = {s.name: _asset(stage_register_asset(project, s.name)) for s in pipeline.stages}
    emitted = [*warehouses.values(), *stages.values(), *registers.values()]
    return PipelineAssets(
        warehouses=warehouses,
        watches=watches,
        stages=stages,
        stage_registers=registers,
        metadata=_asset(metadata_asset(project)),
        aliases={asset.uri: AssetAlias(asset_alias(asset.uri)) for asset in emitted},
    )
