"""Airflow's asset state store as the store under the register."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, Context


class AssetStateStore:
    """Keys of one asset; the asset has to be an inlet of the running task.

    :param context: the running task's context.
    :param asset: the asset whose keys these are.
    """

    def __init__(self, context: Context, asset: Asset) -> None:
        self._accessor = context["asset_state_store"][asset]

    def get(self, key: str) -> Any:
        """Return the value of `key`, or None where there is none."""
        return self._accessor.get(key, None)

    def set(self, key: str, value: Any) -> None:
        """Write or overwrite `key`."""
        self._accessor.set(key, value)

    def delete(self, key: str) -> None:
        """Remove `key`; nothing happens where there is none."""
        self._accessor.delete(key)
