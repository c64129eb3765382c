"""The promotion engine: runs a Promotion's steps in order, by Kargo's rules (`kargo.md` §2.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from airfreight.errors import ExpressionError
from airfreight.expr.limits import DEFAULT_LIMITS, Limits
from airfreight.model.promotion import (
    SEVERITY,
    InflatedStep,
    Promotion,
    PromotionPhase,
    PromotionStatus,
    StepExecution,
    StepStatus,
)
from airfreight.model.waiting import Delivery, Person
from airfreight.runtime.attempt import Attempt, Verdict, attempt_step, judge, within_size
from airfreight.runtime.environment import StepEvaluation
from airfreight.runtime.functions import Sources, has_failed
from airfreight.steps.base import PromotionStep, StepContext
from airfreight.steps.registry import StepRegistry

ContextFor = Callable[[InflatedStep, Promotion, Mapping[str, Any] | None], StepContext]
OnStep = Callable[[str, Literal["start", "end"], str], object]
"""Called with a step's alias, what happens, and at the end the step's status and message."""

_PATIENCE = timedelta(seconds=30)  # a worker's slot is too dear to be slept in for longer
_WAITING_NO_MORE: dict[str, Any] = {"retry_after": None, "waits_for": None}


class PromotionEngine:
    """Runs Promotions; holds no state of its own between two runs.

    `context_for` gets the step's earlier output as its third argument. `save_progress` gets the status before each run
    of a step and each wait of some seconds, so that what it saves is never behind what was done by more than one run;
    what `run` returns is the caller's to save. `sources` and `ui_base_url` (empty where it is not known) are what
    expressions read from outside the Promotion; no message shows a password that they read. `limits` are those of each
    expression and template. `longest` is what a Promotion may take, its waits included: the step that waits then ends
    as Errored.
    """

    def __init__(
        self,
        *,
        registry: StepRegistry,
        context_for: ContextFor,
        clock: Callable[[], datetime],
        sleep: Callable[[float], object],
        save_progress: Callable[[PromotionStatus], object],
        on_step: OnStep,
        sources: Sources,
        ui_base_url: str,
        limits: Limits = DEFAULT_LIMITS,
        longest: timedelta,
    ) -> None:
        self._registry = registry
        self._context_for = context_for
        self._clock = clock
        self._sleep = sleep
        self._save_progress = save_progress
        self._on_step = on_step
        self._sources = sources
        self._ui_base_url = ui_base_url
        self._limits = limits
        self._longest = longest

    def run(
        self, promotion: Promotion, status: PromotionStatus, delivered: Delivery | None = None
    ) -> PromotionStatus:
        """Go on from `status` until the Promotion ends or a step waits.

        Where a step waits, the phase is Running and `retry_after` says when to call again; else the phase is terminal.
        A terminal `status` comes back as it is. `delivered` is what `waits_for` of `status` names; where nothing is
        waited for any more (the work directory was lost) it is dropped, and the step that needs it asks again.
        """
        if status.phase.is_terminal:
            return status
        patience = _PATIENCE
        if status.waits_for is None:
            delivered = None
        going_on = {
            "phase": PromotionPhase.RUNNING,
            "started_at": status.started_at or self._clock(),
            **_WAITING_NO_MORE,
        }
        status = status.model_copy(update=going_on)
        while status.current_step < len(promotion.steps):
            errors = _error_count(status)
            status = self._run_step(promotion, status, delivered)
            delivered = None
            wait = status.retry_after
            if wait is None:
                continue
            if _error_count(status) == errors or wait > patience:
                return status
            patience -= wait
            # So that a death in between keeps the count.
            self._save_progress(status)
            self._sleep(wait.total_seconds())
            status = status.model_copy(update=_WAITING_NO_MORE)
        return self._finished(status)

    def _bounded(self, promotion: Promotion, status: PromotionStatus) -> PromotionStatus:
        """Return `status` with a wait that ends in time, or with its step ended where the Promotion took too long."""
        if status.retry_after is None:
            return status
        left = promotion.started_at + self._longest - self._clock()
        if left > timedelta(0):
            wait = min(status.retry_after, left)
            status = _update_execution(status, next_try_at=self._clock() + wait)
            return status.model_copy(update={"retry_after": wait})
        step = promotion.steps[status.current_step]
        reason = f"the promotion took longer than {self._longest}"
        verdict = Verdict(StepStatus.ERRORED, f"{reason}: {status.message}", _error_count(status))
        return self._ended(step, status.model_copy(update=_WAITING_NO_MORE), verdict)

    def _run_step(
        self, promotion: Promotion, status: PromotionStatus, delivered: Delivery | None
    ) -> PromotionStatus:
        """Run the current step once, or find that it does not run."""
        step = promotion.steps[status.current_step]
        self._on_step(step.alias, "start", step.uses)
        after = self._bounded(promotion, self._step(step, promotion, status, delivered))
        self._on_step(step.alias, "end", _standing(after.executions[status.current_step]))
        return after

    def _step(
        self,
        step: InflatedStep,
        promotion: Promotion,
        status: PromotionStatus,
        delivered: Delivery | None,
    ) -> PromotionStatus:
        kind = self._registry.find(step.uses)
        if kind is None:
            unknown = self._registry.explain_unknown(step.uses)
            return self._ended(step, status, Verdict(StepStatus.ERRORED, unknown))
        if len(status.executions) <= status.current_step:
            refusal = self.refuse_start(step, promotion, status)
            if refusal is not None:
                return self._ended(step, status, refusal)
            started = _execution(step, started_at=self._clock())
            status = _replace_execution(status, started)
        status = _tried_again(status)
        self._save_progress(status)
        try:
            config = self._evaluation(step, promotion, status).config()
        except ExpressionError as error:
            errors = _error_count(status)
            verdict = Verdict(StepStatus.ERRORED, f"config cannot be evaluated: {error}", errors)
            return self._ended(step, status, verdict)
        if delivered is not None:
            deliveries = status.executions[status.current_step].deliveries + 1
            status = _update_execution(status, deliveries=deliveries)
        context = self._context_for(step, promotion, status.state.get(step.alias))
        context = replace(context, delivered=delivered)
        attempt = attempt_step(kind, config, context)
        if kind.uses_workdir:
            attempt = within_size(attempt, context)
        return self._judged(step, kind, status, attempt)

    def refuse_start(
        self, step: InflatedStep, promotion: Promotion, status: PromotionStatus
    ) -> Verdict | None:
        """Return why the current step does not start, or None where it does: asked once, before its first run."""
        if not step.if_:
            if has_failed(status.executions):
                return Verdict(StepStatus.SKIPPED, "skipped: an earlier step failed")
            return None
        try:
            answer = self._evaluation(step, promotion, status).condition()
        except ExpressionError as error:
            return Verdict(StepStatus.ERRORED, f"if cannot be evaluated: {error}")
        if not isinstance(answer, bool):
            kind = type(answer).__name__
            text = f"if must yield true or false, not {kind}; write it as ${{{{ … }}}}"
            return Verdict(StepStatus.ERRORED, text)
        return None if answer else Verdict(StepStatus.SKIPPED, "skipped: if is false")

    def redact(self, text: str) -> str:
        """Return `text` without the passwords that expressions read."""
        return self._sources.redact(text)

    def _judged(
        self,
        step: InflatedStep,
        kind: PromotionStep[Any],
        status: PromotionStatus,
        attempt: Attempt,
    ) -> PromotionStatus:
        state = {**status.state, **_outputs(step, kind, status.state, attempt)}
        status = status.model_copy(update={"state": state})
        execution = status.executions[status.current_step]
        verdict = judge(step, kind, execution, attempt, self._clock())
        if verdict.retry_after is None:
            return self._ended(step, status, verdict)
        message = self._sources.redact(verdict.message)
        status = _update_execution(status, message=message, error_count=verdict.error_count)
        wait = verdict.waits_for
        if isinstance(wait, Person):
            wait = wait.redacted(self._sources.redact)
        waiting = {"message": message, "retry_after": verdict.retry_after, "waits_for": wait}
        return status.model_copy(update=waiting)

    def _ended(
        self, step: InflatedStep, status: PromotionStatus, verdict: Verdict
    ) -> PromotionStatus:
        started = len(status.executions) > status.current_step
        execution = status.executions[status.current_step] if started else _execution(step)
        ended = {
            "status": verdict.status,
            "message": self._sources.redact(verdict.message),
            "error_count": verdict.error_count,
            "finished_at": self._clock(),
            "health_check": verdict.health_check,
        }
        status = _replace_execution(status, execution.model_copy(update=ended))
        following = {"current_step": status.current_step + 1, "message": ""}
        return status.model_copy(update=following)

    def _finished(self, status: PromotionStatus) -> PromotionStatus:
        worst = _worst(status.executions)
        phase = PromotionPhase.SUCCEEDED
        if worst is not None and worst.status not in (StepStatus.SUCCEEDED, StepStatus.SKIPPED):
            phase = PromotionPhase(worst.status.value)
        message = worst.message if worst is not None else ""
        ended = {"phase": phase, "message": message, "finished_at": self._clock()}
        return status.model_copy(update=ended)

    def _evaluation(
        self, step: InflatedStep, promotion: Promotion, status: PromotionStatus
    ) -> StepEvaluation:
        return StepEvaluation(
            promotion, step, status, self._sources, self._ui_base_url, self._limits
        )


def restart(status: PromotionStatus) -> PromotionStatus:
    """Return what remains of `status` where the work directory was lost: step 0 again, outputs kept.

    A terminal status comes back as it is.
    """
    if status.phase.is_terminal:
        return status
    return PromotionStatus(
        phase=PromotionPhase.RUNNING, state=status.state, started_at=status.started_at
    )


def abort(status: PromotionStatus, clock: Callable[[], datetime], reason: str) -> PromotionStatus:
    """Return `status` ended as Aborted, with the step that runs or waits; a terminal one as it is."""
    return _cut_short(status, PromotionPhase.ABORTED, clock(), reason)


def give_up(status: PromotionStatus, clock: Callable[[], datetime], reason: str) -> PromotionStatus:
    """Return `status` ended as Errored, for a reason outside its steps; a terminal one as it is."""
    return _cut_short(status, PromotionPhase.ERRORED, clock(), reason)


def _cut_short(
    status: PromotionStatus, phase: PromotionPhase, now: datetime, reason: str
) -> PromotionStatus:
    if status.phase.is_terminal:
        return status
    ended = {"message": reason, "finished_at": now}
    cut = {**ended, "status": StepStatus(phase.value), "next_try_at": None}
    executions = tuple(
        execution.model_copy(update=cut) if execution.status is StepStatus.RUNNING else execution
        for execution in status.executions
    )
    update = {**ended, "phase": phase, "executions": executions}
    return status.model_copy(update=update | _WAITING_NO_MORE)


def needs_workdir(promotion: Promotion, status: PromotionStatus, registry: StepRegistry) -> bool:
    """Say whether the current step or a later one uses the work directory."""
    left = (registry.find(step.uses) for step in promotion.steps[status.current_step :])
    return any(kind is not None and kind.uses_workdir for kind in left)


def _execution(step: InflatedStep, started_at: datetime | None = None) -> StepExecution:
    return StepExecution(
        alias=step.alias,
        uses=step.uses,
        started_at=started_at,
        continue_on_error=step.continue_on_error,
    )


def _replace_execution(status: PromotionStatus, execution: StepExecution) -> PromotionStatus:
    executions = (*status.executions[: status.current_step], execution)
    return status.model_copy(update={"executions": executions})


def _update_execution(status: PromotionStatus, **update: Any) -> PromotionStatus:
    execution = status.executions[status.current_step]
    return _replace_execution(status, execution.model_copy(update=update))


def _tried_again(status: PromotionStatus) -> PromotionStatus:
    attempts = status.executions[status.current_step].attempts + 1
    return _update_execution(status, attempts=attempts, next_try_at=None)


def _standing(execution: StepExecution) -> str:
    """Say how a step ended or, of one that waits, its last answer, its attempt and when it runs again."""
    text = f"{execution.status}: {execution.message}" if execution.message else execution.status
    if execution.next_try_at is None:
        return text
    moment = execution.next_try_at.strftime("%Y-%m-%d %H:%M:%SZ")
    return f"{text} (attempt {execution.attempts}, next try at {moment})"


def _outputs(
    step: InflatedStep, kind: PromotionStep[Any], state: Mapping[str, Any], attempt: Attempt
) -> dict[str, Any]:
    """Return what the run changes in the Promotion's state.

    A run that raised without an output keeps what an earlier one put out (Kargo forgets it): a pushed branch must be
    found again.
    """
    if attempt.error is not None and attempt.output is None:
        return {step.alias: state.get(step.alias)}
    output = attempt.output
    changed: dict[str, Any] = {step.alias: output}
    if kind.propagates_output and step.task_alias and output:
        changed[step.task_alias] = {**(state.get(step.task_alias) or {}), **output}
    return changed


def _error_count(status: PromotionStatus) -> int:
    started = len(status.executions) > status.current_step
    return status.executions[status.current_step].error_count if started else 0


def _worst(executions: tuple[StepExecution, ...]) -> StepExecution | None:
    counted = [execution for execution in executions if not execution.continue_on_error]
    return max(counted, key=lambda execution: SEVERITY.index(execution.status), default=None)
