"""A plan: a Promotion's steps run as the engine runs them, up to the first that has an effect outside.

The engine's own rule ends it: such a step waits instead of doing its work.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from airfreight.errors import TerminalStepError
from airfreight.manifests.steps import texts_in
from airfreight.model.promotion import (
    InflatedStep,
    Promotion,
    PromotionPhase,
    PromotionStatus,
    StepExecution,
    StepStatus,
)
from airfreight.runtime.engine import PromotionEngine
from airfreight.runtime.functions import has_failed
from airfreight.steps.base import PromotionStep, StepContext, StepResult
from airfreight.steps.registry import StepRegistry

# Longer than the engine sleeps for.
_ASK_AGAIN = timedelta(hours=1)

AfterRun = Callable[[StepContext], object]
"""Called with the context of each run of a step that did not raise."""


@dataclass(frozen=True)
class PlannedStep:
    """What became of a step; `result` is its status, or says why it has none."""

    alias: str
    uses: str
    result: str
    message: str = ""


@dataclass(frozen=True)
class Plan:
    """How far the steps went: to `stop`, or to their end. `failure` is the first step that would fail the promotion."""

    steps: tuple[PlannedStep, ...]
    stop: PlannedStep | None
    failure: PlannedStep | None


class PlanRegistry(StepRegistry):
    """The kinds of another registry, each as a plan runs it."""

    def __init__(self, registry: StepRegistry, after_run: AfterRun) -> None:
        super().__init__(())
        self._registry = registry
        self._after_run = after_run

    @property
    def kinds(self) -> tuple[str, ...]:
        """All names, sorted."""
        return self._registry.kinds

    def find(self, kind: str) -> PromotionStep[Any] | None:
        """Return the step kind, or None where the name is not registered."""
        found = self._registry.find(kind)
        return None if found is None else _planned(found, self._after_run)

    def explain_unknown(self, kind: str) -> str:
        """Say what the other registry says."""
        return self._registry.explain_unknown(kind)


def _planned(step: PromotionStep[Any], after_run: AfterRun) -> PromotionStep[Any]:
    class Planned(PromotionStep[Any]):
        kind = step.kind
        config_type = step.config_type
        default_timeout = step.default_timeout
        default_error_threshold = step.default_error_threshold
        propagates_output = step.propagates_output

        def run(self, config: Any, context: StepContext) -> StepResult:
            effect = step.effect_of(config)
            if effect:
                said = f"it {effect}"
                return StepResult(StepStatus.RUNNING, message=said, retry_after=_ASK_AGAIN)
            ours = replace(context, planning=True, check_fence=_refuse_effect)
            result = step.run(config, ours)
            after_run(ours)
            return result

    return Planned()


def _refuse_effect() -> None:
    """Stand for the fence, which steps ask before what they do outside: the second lock."""
    raise TerminalStepError("a plan does nothing outside of its work directory")


def plan_promotion(engine: PromotionEngine, promotion: Promotion) -> Plan:
    """Run the steps; `engine` has to have a `PlanRegistry`."""
    status = engine.run(promotion, PromotionStatus())
    done = [_done(execution) for execution in status.executions]
    stop = None
    if status.phase is PromotionPhase.RUNNING:
        stop = done[-1] = replace(done[-1], result="stops here")
    failed = (one for one, e in zip(done, status.executions, strict=True) if _is_failure(e))
    later = _later(engine, promotion, status) if stop is not None else ()
    return Plan((*done, *later), stop, next(failed, None))


def _is_failure(execution: StepExecution) -> bool:
    """Say whether the step fails the promotion; one that waits to be tried again has not got through either."""
    tried_again = execution.status is StepStatus.RUNNING and execution.error_count > 0
    return tried_again or has_failed([execution])


def _done(execution: StepExecution) -> PlannedStep:
    return PlannedStep(execution.alias, execution.uses, execution.status.value, execution.message)


def _later(
    engine: PromotionEngine, promotion: Promotion, status: PromotionStatus
) -> Iterator[PlannedStep]:
    """Say of each step behind the stop whether it would be skipped, or what it wants of one that did not run."""
    missing = [promotion.steps[status.current_step]]
    for position in range(status.current_step + 1, len(promotion.steps)):
        step = promotion.steps[position]
        there = status.model_copy(update={"current_step": position})
        yield _unplanned(engine, promotion, there, missing)
        missing.append(step)


def _unplanned(
    engine: PromotionEngine,
    promotion: Promotion,
    status: PromotionStatus,
    missing: list[InflatedStep],
) -> PlannedStep:
    step = promotion.steps[status.current_step]
    texts = [text for _, text in texts_in(step.config)]
    shared = [step.if_, *(variable.value for variable in step.vars)]
    asked = _first_read(shared, missing, step.task_alias)
    if asked is None:
        refusal = engine.refuse_start(step, promotion, status)
        if refusal is not None:
            return PlannedStep(step.alias, step.uses, refusal.status.value, refusal.message)
    wanted = asked or _first_read(texts, missing, step.task_alias)
    message = f"uses what {wanted.alias} puts out" if wanted is not None else "comes after the stop"
    return PlannedStep(step.alias, step.uses, "not planned", message)


def _first_read(
    texts: list[str], missing: list[InflatedStep], task_alias: str
) -> InflatedStep | None:
    """Return the first of the steps without an output whose output or status a template asks for."""
    for step in missing:
        names = {step.alias, step.task_alias}
        if task_alias and step.task_alias == task_alias:
            names.add(step.alias.removeprefix(f"{task_alias}::"))
        known = "|".join(re.escape(name) for name in names if name)
        reads = re.compile(
            rf"\b(?:outputs|stepMetas)\s*(?:\??\.\s*|(?:\?\.)?\s*\[\s*[\"'`])(?:{known})(?![\w-])"
            rf"|\bstatus\(\s*[\"'`](?:{known})[\"'`]"
        )
        if any(reads.search(text) for text in texts):
            return step
    return None
