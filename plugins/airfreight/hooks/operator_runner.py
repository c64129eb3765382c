"""Operators of Airflow as parts of a promotion: the deployment says which, manifests give arguments, which are data."""

from __future__ import annotations

import contextvars
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from airflow.sdk import BaseOperator, Context
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import (
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

from airfreight.errors import StepError, TerminalStepError
from airfreight.hooks.allowed_classes import AllowedClasses, cause, passing_failure
from airfreight.hooks.operator_context import operator_context
from airfreight.model.connections import ConnectionIds
from airfreight.model.promotion import StepStatus
from airfreight.model.waiting import Event, Happened
from airfreight.steps.base import StepLog, StepResult

_LONGEST_TASK_ID = 250
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
        self._operators = AllowedClasses[BaseOperator]("operator", BaseOperator, allowed, ids)
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
            return StepResult(StepStatus.SKIPPED, _output(pushed), cause(skip))
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
        match error:
            case TaskAwaitingInput() | DagRunTriggerException() | DownstreamTasksSkipped():
                kind = type(error).__name__
                text = f"{name} asks Airflow for what only a task of its own can have ({kind})"
                return TerminalStepError(text, failed=True)
            case AirflowFailException() | AirflowSensorTimeout():
                text = f"{name} failed: {cause(error)}"
                return TerminalStepError(text, failed=True, output=_output(pushed))
            case _:
                return passing_failure(name, error, self._log)

    def _build(self, name: str, args: Mapping[str, Any], alias: str) -> BaseOperator:
        task_id = re.sub(r"[^\w.-]", "-", f"{self._context['ti'].task_id}.{alias}")
        return self._operators.make(name, args, task_id=task_id[:_LONGEST_TASK_ID])

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
