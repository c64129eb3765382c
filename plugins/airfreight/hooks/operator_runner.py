"""Operators of Airflow as parts of a promotion: the deployment says which, manifests give arguments, which are data.

Nothing that a manifest says is rendered as Jinja, imported or called: templates were evaluated by then, and Airflow
renders the fields of a task's own operator only.
"""

from __future__ import annotations

import contextvars
import importlib
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from airflow.sdk import BaseOperator, Context
from airflow.sdk._shared.secrets_masker import redact
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    DagRunTriggerException,
    DownstreamTasksSkipped,
    TaskAwaitingInput,
    TaskDeferred,
)

from airfreight.errors import RetryableStepError, SettingsError, StepError, TerminalStepError
from airfreight.hooks.operator_context import operator_context
from airfreight.model.connections import ConnectionIds
from airfreight.model.promotion import StepStatus
from airfreight.model.waiting import Event, Happened
from airfreight.runtime.credentials import own_connection
from airfreight.steps.base import StepLog, StepResult

_LONGEST_TASK_ID = 250
_LONGEST_CAUSE = 1000
# Bytes. The register keeps it, and writes it at each change of the promotion.
_MOST_OUTPUT = 256 * 1024


class OperatorRunner:
    """Runs operators within the task of a promotion; one at a time.

    `deferred` is the deferral that the last run asked for: its trigger goes to Airflow as it is, and nowhere else.

    :param allowed: name → import path, as the deployment set it.
    :param ids: the Connections that operators may use.
    :param promotion: name of the Promotion.
    """

    def __init__(
        self,
        allowed: Mapping[str, str],
        ids: ConnectionIds,
        promotion: str,
        context: Context,
        log: StepLog,
    ) -> None:
        self._allowed = allowed
        self._ids = ids
        self._promotion = promotion
        self._context = context
        self._log = log
        self._running: BaseOperator | None = None
        self.deferred: TaskDeferred | None = None

    def run(
        self, name: str, args: Mapping[str, Any], alias: str, happened: Happened | None
    ) -> StepResult:
        """Start the operator of this name, or go on with it where what it waited for has `happened`."""
        operator = self._build(name, args, alias)
        prefix = f"{self._promotion}/{alias}/"
        context, pushed = operator_context(self._context, operator, prefix)
        self._running = operator
        try:
            return self._finished(operator, _call(operator, context, happened), pushed)
        except TaskDeferred as deferral:
            self.deferred = deferral
            return _waiting(name, deferral, _output(pushed))
        except AirflowRescheduleException as later:
            delay = later.reschedule_date - datetime.now(UTC)
            message = f"{name} looks again"
            return StepResult(StepStatus.RUNNING, _output(pushed), message, delay)
        except AirflowSkipException as skip:
            return StepResult(StepStatus.SKIPPED, _output(pushed), _cause(skip))
        except StepError:
            raise
        except (Exception, AirflowTaskTimeout, TaskAwaitingInput) as error:
            raise self._failure(name, error, pushed) from None
        finally:
            self._running = None

    def on_kill(self) -> None:
        """End what the operator that runs now has started elsewhere, as Airflow does for a task of its own."""
        operator = self._running
        if operator is not None:
            # A signal calls this: whatever is wrong, the task still has to end.
            with suppress(Exception):
                operator.on_kill()

    def _failure(self, name: str, error: BaseException, pushed: Mapping[str, Any]) -> StepError:
        kind = type(error).__name__
        match error:
            case TaskAwaitingInput() | DagRunTriggerException() | DownstreamTasksSkipped():
                text = f"{name} asks Airflow for what only a task of its own can have ({kind})"
                return TerminalStepError(text, failed=True)
            case AirflowFailException() | AirflowSensorTimeout():
                text = f"{name} failed: {_cause(error)}"
                return TerminalStepError(text, failed=True, output=_output(pushed))
            case AirflowException() | AirflowTaskTimeout():
                return RetryableStepError(f"{name} failed: {_cause(error)}")
            case _:
                # A text that is not Airflow's may hold anything; the log masks what Airflow knows to be secret.
                self._log.error("%s raised %s: %s", name, kind, _cause(error))
                return RetryableStepError(f"{name} raised {kind}; the log of the task has its text")

    def _build(self, name: str, args: Mapping[str, Any], alias: str) -> BaseOperator:
        kind = self._find(name)
        self._check_arguments(name, kind, args)
        task_id = re.sub(r"[^\w.-]", "-", f"{self._context['ti'].task_id}.{alias}")
        try:
            operator = kind(task_id=task_id[:_LONGEST_TASK_ID], **args)
        except Exception as error:
            raise TerminalStepError(
                f"args: {name} does not take them: {_cause(error)}", failed=True
            ) from None
        self._check_connections(vars(operator))
        return operator

    def _find(self, name: str) -> type[BaseOperator]:
        path = self._allowed.get(name)
        if path is None:
            allowed = (
                f"allows {', '.join(sorted(self._allowed))}" if self._allowed else "names none"
            )
            raise TerminalStepError(
                f"operator {name!r} is not allowed: the setting [airfreight] operators {allowed}",
                failed=True,
            )
        module, _, attribute = path.rpartition(".")
        try:
            kind = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise TerminalStepError(
                f"setting [airfreight] operators: {name} is {path}, which cannot be imported: {error}"
            ) from None
        if not (isinstance(kind, type) and issubclass(kind, BaseOperator)):
            raise TerminalStepError(
                f"setting [airfreight] operators: {name} is {path}, which is no operator"
            )
        return kind

    def _check_arguments(
        self, name: str, kind: type[BaseOperator], args: Mapping[str, Any]
    ) -> None:
        known = _parameters(kind)
        unknown = sorted(set(args) - known)
        if unknown:
            raise TerminalStepError(
                f"args: {name} takes no {', '.join(unknown)}; it takes {', '.join(sorted(known))}",
                failed=True,
            )
        self._check_connections(args)

    def _check_connections(self, arguments: Mapping[str, Any]) -> None:
        for place, connection_id in _connection_ids(arguments):
            try:
                own_connection(connection_id, self._ids)
            except SettingsError as error:
                raise TerminalStepError(f"args: {place}: {error}", failed=True) from None

    def _finished(
        self, operator: BaseOperator, returned: Any, pushed: dict[str, Any]
    ) -> StepResult:
        if returned is not None and operator.do_xcom_push:
            pushed = {**pushed, "return_value": returned}
        return StepResult(output=_output(pushed))


def _call(operator: BaseOperator, context: Context, happened: Happened | None) -> Any:
    """Run the operator as Airflow's own task runner does, without rendering its fields."""
    inside = contextvars.copy_context()
    inside.run(ExecutorSafeguard.tracker.set, operator)
    if happened is None:
        return inside.run(operator.execute, context)
    arguments = dict(happened.arguments)
    return inside.run(operator.resume_execution, happened.method, arguments, context)


def _parameters(kind: type[BaseOperator]) -> set[str]:
    """Return the arguments of the operator's own; those of every task (retries, callbacks, pools) are not for steps."""
    own = [
        base for base in kind.__mro__ if issubclass(base, BaseOperator) and base is not BaseOperator
    ]
    found: set[str] = set()
    for base in own:
        if "__init__" in vars(base):
            parameters = inspect.signature(base.__init__).parameters.values()
            named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            found |= {parameter.name for parameter in parameters if parameter.kind in named}
    return found - {"self"}


def _connection_ids(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield every Connection that arguments name, and where."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            here = f"{place}.{key}" if place else str(key)
            if str(key).endswith("conn_id") and isinstance(item, str):
                yield here, item
            yield from _connection_ids(item, here)
    elif isinstance(value, list):
        for item in value:
            yield from _connection_ids(item, place)


def _waiting(name: str, deferral: TaskDeferred, output: dict[str, Any] | None) -> StepResult:
    kind = type(deferral.trigger)
    timeout = deferral.timeout
    if isinstance(timeout, int | float):
        timeout = timedelta(seconds=timeout)
    return StepResult(
        StepStatus.RUNNING,
        output,
        f"{name} waits for its {kind.__name__}",
        timeout,
        waits_for=Event(source=f"{kind.__module__}.{kind.__qualname__}"),
    )


def _output(pushed: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what was pushed as JSON has it; raises TerminalStepError where it is none, or too much."""
    for key, value in pushed.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            raise TerminalStepError(
                f"{key} of the operator's XCom is no JSON, which outputs have to be"
            ) from None
    text = json.dumps(pushed)
    if len(text) > _MOST_OUTPUT:
        raise TerminalStepError(
            f"the operator's XCom has {len(text)} bytes; an output may have {_MOST_OUTPUT}: write it elsewhere"
        )
    return cast("dict[str, Any]", json.loads(text)) or None


def _cause(error: BaseException) -> str:
    """Return the error's text without what Airflow knows to be secret."""
    text = str(redact(str(error) or type(error).__name__))
    return text if len(text) <= _LONGEST_CAUSE else f"{text[:_LONGEST_CAUSE]}…"
