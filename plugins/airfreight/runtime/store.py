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


class ReadOnce:
    """A store that asks `store` for each key once: what a decision looks at stays as it was, and costs one read.

    Only for a decision that takes a moment. What another process may write meanwhile, and what the decision hangs on
    to the end (a fence, an abort, a claim), has to be asked of `store` itself.
    """

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._seen: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        """Return the value that `key` had when it was first asked for, or that was written here since."""
        if key not in self._seen:
            self._seen[key] = self._store.get(key)
        return self._seen[key]

    def set(self, key: str, value: Any) -> None:
        """Write or overwrite `key`."""
        self._store.set(key, value)
        self._seen[key] = value

    def delete(self, key: str) -> None:
        """Remove `key`; nothing happens where there is none."""
        self._store.delete(key)
        self._seen[key] = None
