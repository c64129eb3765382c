"""One run of one step, and what it means for the step (`kargo.md` §2.1)."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.manifests.nodes import brief
from airfreight.manifests.shapes import field_at
from airfreight.model.expectations import expectation
from airfreight.model.promotion import InflatedStep, StepExecution, StepStatus
from airfreight.model.waiting import Event, Person
from airfreight.runtime.workspace import size_of
from airfreight.steps.base import PromotionStep, StepContext, StepResult, read_config

_SHORTEST_POLL = timedelta(seconds=10)
_DEFAULT_POLL = timedelta(minutes=5)
_LONGEST_BACK_OFF = timedelta(minutes=5)

_MOST_FAULTS = 10  # of one config
_TOLD = ("missing", "extra_forbidden", "literal_error")  # faults that need no value, or tell it


@dataclass(frozen=True)
class Attempt:
    """How a run ended.

    `error` None: the step said so itself. Else it is the error's text, which `terminal` ones say as it is.
    """

    status: StepStatus
    message: str = ""
    output: dict[str, Any] | None = None
    retry_after: timedelta | None = None
    error: str | None = None
    terminal: bool = False
    health_check: dict[str, Any] | None = None
    waits_for: Person | Event | None = None


@dataclass(frozen=True)
class Verdict:
    """Where the step stands now. `retry_after` None: it has ended as `status`; `waits_for` is what may come before."""

    status: StepStatus
    message: str = ""
    error_count: int = 0
    retry_after: timedelta | None = None
    health_check: dict[str, Any] | None = None
    waits_for: Person | Event | None = None


def attempt_step(
    kind: PromotionStep[Any], config: Mapping[str, Any], context: StepContext
) -> Attempt:
    """Type `config` and run the step once; whatever it raises becomes an Attempt.

    What is wrong with `config` is told with the value, without the passwords that the context knows.
    """
    try:
        typed = read_config(kind, config)
        return _reported(kind.run(typed, context))
    except ValidationError as error:
        faults = _faults(error, kind, context.redact)
        return _terminal(StepStatus.FAILED, f"invalid {kind.kind} config: {faults}")
    except TerminalStepError as error:
        output = None if error.output is None else dict(error.output)
        if error.failed:
            return replace(_terminal(StepStatus.FAILED, str(error)), output=output)
        ended = _terminal(StepStatus.ERRORED, f"an unrecoverable error occurred: {error}")
        return replace(ended, output=output)
    except RetryableStepError as error:
        status = StepStatus.FAILED if error.failed else StepStatus.ERRORED
        return Attempt(status, error=str(error))
    except (Exception, SystemExit) as error:
        return _unexpected(error, kind, context)


def _reported(result: StepResult) -> Attempt:
    """Return what the step itself says of its run."""
    status = StepStatus(result.status)
    output, check = _copied(result.output), _copied(result.health_check)
    if status is StepStatus.ERRORED:
        text = result.message or "the step ended as Errored"
        return Attempt(status, output=output, error=text)
    return Attempt(
        status,
        result.message,
        output,
        result.retry_after,
        health_check=check,
        waits_for=result.waits_for,
    )


def _copied(mapping: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return `mapping` as the register will have it; raises TerminalStepError where that cannot be."""
    if mapping is None:
        return None
    try:
        copied: dict[str, Any] = json.loads(json.dumps(dict(mapping), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise TerminalStepError(f"the step put out what JSON cannot hold: {error}") from None
    return copied


def within_size(attempt: Attempt, context: StepContext) -> Attempt:
    """Return `attempt`, or a terminal error where its step left the work directory larger than is allowed."""
    most = context.settings.max_workspace_size
    if attempt.error is not None or (size := size_of(context.workdir)) <= most:
        return attempt
    text = (
        f"the work directory holds {size:,} bytes after this step, more than the {most:,} of the setting"
        " max_workspace_size; clone less (blobless, sparse), write less, or raise the setting"
    )
    return replace(_terminal(StepStatus.ERRORED, text), output=attempt.output)


def _terminal(status: StepStatus, text: str) -> Attempt:
    return Attempt(status, error=text, terminal=True)


def _faults(error: ValidationError, kind: PromotionStep[Any], redact: Callable[[str], str]) -> str:
    faults = [_fault(details, kind, redact) for details in error.errors(include_url=False)]
    more = f"; and {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
    return "; ".join(faults[:_MOST_FAULTS]) + more


def _fault(details: ErrorDetails, kind: PromotionStep[Any], redact: Callable[[str], str]) -> str:
    """Name a field, what was expected of it and what it was evaluated to, unless it is one that nobody shows."""
    place = details["loc"] or ("config",)
    text, _ = expectation(details)
    field = field_at(kind.config_type, details["loc"])
    if details["type"] not in _TOLD and (field is None or field.repr):
        text += _shown(details["input"])
    # Cut after it is redacted: half a password would not be known.
    return f"{'.'.join(str(part) for part in place)}: {brief(redact(text))}"


def _shown(value: Any) -> str:
    """Return a single value as JSON; of a mapping or list the fault's place and text say enough."""
    is_single = value is None or isinstance(value, str | int | float)
    return f": {json.dumps(value, ensure_ascii=False)}" if is_single else ""


def _unexpected(error: BaseException, kind: PromotionStep[Any], context: StepContext) -> Attempt:
    # The text of a foreign exception may hold a secret: its type and place are enough to find the fault.
    name = type(error).__name__
    frame = traceback.extract_tb(error.__traceback__)[-1]
    context.log.error(
        "step %s (%s) raised %s at %s:%s",
        context.alias,
        kind.kind,
        name,
        frame.filename,
        frame.lineno,
    )
    return _terminal(
        StepStatus.ERRORED,
        f'an unrecoverable error occurred: step "{context.alias}" ({kind.kind}) raised {name};'
        " this is a fault of the step, its place is in the log",
    )


def judge(
    step: InflatedStep,
    kind: PromotionStep[Any],
    execution: StepExecution,
    attempt: Attempt,
    now: datetime,
) -> Verdict:
    """Say whether the step has ended, waits, or is tried again; a time-out shows only in what has not ended."""
    verdict = _judge_run(step, kind, execution.error_count, attempt)
    timeout = kind.default_timeout if step.retry.timeout is None else step.retry.timeout
    if verdict.retry_after is None or not timeout or execution.started_at is None:
        return verdict
    left = execution.started_at + timeout - now
    if left <= timedelta(0):
        text = f'step "{step.alias}" timed out after {timeout}'
        last = f": {verdict.message}" if verdict.message else ""
        return Verdict(StepStatus.ERRORED, text + last, verdict.error_count)
    return replace(verdict, retry_after=min(verdict.retry_after, left))


def _judge_run(
    step: InflatedStep, kind: PromotionStep[Any], errors: int, attempt: Attempt
) -> Verdict:
    if attempt.error is not None:
        return _judge_error(step, kind, errors + 1, attempt)
    # Failed without an error is no end: a step that answers so asks to be polled until its time-out.
    if attempt.status in (StepStatus.RUNNING, StepStatus.FAILED):
        usual = _DEFAULT_POLL if attempt.waits_for is None else timedelta.max
        poll = max(attempt.retry_after or usual, _SHORTEST_POLL)
        running = Verdict(StepStatus.RUNNING, attempt.message, errors, poll)
        return replace(running, waits_for=attempt.waits_for)
    succeeded = attempt.status is StepStatus.SUCCEEDED
    check = attempt.health_check if succeeded else None
    return Verdict(attempt.status, attempt.message, errors, health_check=check)


def _judge_error(
    step: InflatedStep, kind: PromotionStep[Any], errors: int, attempt: Attempt
) -> Verdict:
    if attempt.terminal:
        return Verdict(attempt.status, attempt.error or "", errors)
    threshold = step.retry.error_threshold or kind.default_error_threshold
    if errors >= threshold:
        met = f'step "{step.alias}" met error threshold of {threshold}: {attempt.error}'
        return Verdict(attempt.status, met, errors)
    # 2**9 s is past the longest back-off already; a threshold may be any number.
    back_off = min(timedelta(seconds=2 ** min(errors - 1, 9)), _LONGEST_BACK_OFF)
    return Verdict(StepStatus.RUNNING, f"{attempt.error}; step will be retried", errors, back_off)
