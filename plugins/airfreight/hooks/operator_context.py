"""The context in which an operator runs within a promotion's task: that of the task, with a name of its own."""

from __future__ import annotations

from typing import Any, cast

from airflow.sdk import BaseOperator, Context


class _TaskInstance:
    """The promotion's task instance under the operator's task id; what is pushed is remembered.

    Operators find again by this id what they left outside, such as a pod: two steps must not take each other's.
    """

    def __init__(self, real: Any, task_id: str, pushed: dict[str, Any]) -> None:
        self._real = real
        self._pushed = pushed
        self.task_id = task_id

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def xcom_push(self, key: str, value: Any) -> None:
        """Push, and remember."""
        self._real.xcom_push(key=key, value=value)
        self._pushed[key] = value


class _TaskStateStore:
    """The part of the task's state store that is one step's."""

    def __init__(self, real: Any, prefix: str) -> None:
        self._real = real
        self._prefix = prefix

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of the step's key."""
        return self._real.get(f"{self._prefix}{key}", default)

    def set(self, key: str, value: Any, **options: Any) -> None:
        """Set the step's key."""
        self._real.set(f"{self._prefix}{key}", value, **options)

    def delete(self, key: str) -> None:
        """Delete the step's key."""
        self._real.delete(f"{self._prefix}{key}")


def operator_context(
    context: Context, operator: BaseOperator, prefix: str
) -> tuple[Context, dict[str, Any]]:
    """Return the context for `operator`, and the mapping in which what it pushes will be."""
    pushed: dict[str, Any] = {}
    instance = _TaskInstance(context["ti"], operator.task_id, pushed)
    own: dict[str, Any] = {**context, "ti": instance, "task_instance": instance, "task": operator}
    store = own.get("task_state_store")
    if store is not None:
        own["task_state_store"] = _TaskStateStore(store, prefix)
    return cast("Context", own), pushed
