"""The key-value store under the register; Airflow's asset state store in a deployment, a dict in tests."""

from __future__ import annotations

from typing import Any, Protocol


class StateStore(Protocol):
    """Keys of one Warehouse or Stage. Values are JSON, never None. There is no listing."""

    def get(self, key: str) -> Any:
        """Return the value of `key`, or None where there is none."""
        ...

    def set(self, key: str, value: Any) -> None:
        """Write or overwrite `key`."""
        ...

    def delete(self, key: str) -> None:
        """Remove `key`; nothing happens where there is none."""
        ...
