"""Registers that outlive the DAG which names them.

A minute after no DAG names an asset any more, Airflow's scheduler deletes its state store
(`_cleanup_orphaned_asset_state_store`). A Stage that is commented out, a DAG that is deleted in the UI and parsed again
would lose their registers. An asset for which an event was once emitted through an AssetAlias is tied to it and stays;
there is no other way to tie one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from airflow.sdk import Asset, AssetAlias, Context
from airflow.sdk.execution_time.comms import AssetsByAliasResult, GetAssetsByAlias

from airfreight.hooks.runs import send
from airfreight.runtime.store import StateStore

TIED = "tied"
"""Key of the project's metadata: URIs of the assets that were seen to be tied, so that a run asks for new ones only."""


def is_tied(asset: Asset, alias: AssetAlias) -> bool:
    """Ask Airflow whether `asset` belongs to `alias`."""
    answer = send(GetAssetsByAlias(alias_name=alias.name))
    return isinstance(answer, AssetsByAliasResult) and asset.uri in {a.uri for a in answer.assets}


def tie(
    context: Context,
    assets: Iterable[tuple[Asset, AssetAlias]],
    store: StateStore,
    asks: Callable[[Asset, AssetAlias], bool] = is_tied,
) -> None:
    """Emit an event for each asset that is not tied yet; the aliases have to be outlets of the running task.

    No other task may emit by these aliases at the same time: Airflow fails a task that makes the same pair of asset and
    alias as another one just did.

    What is emitted counts when the task succeeds, so an asset is written down as tied by a later run that finds it so.
    """
    known = set(store.get(TIED) or ())
    new = [(asset, alias) for asset, alias in assets if asset.uri not in known]
    found = {asset.uri for asset, alias in new if asks(asset, alias)}
    for asset, alias in new:
        if asset.uri not in found:
            context["outlet_events"][alias].add(asset, extra={"tied": asset.uri})
    if found:
        store.set(TIED, sorted(known | found))
