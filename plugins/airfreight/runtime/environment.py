"""What a step's expressions see: `ctx`, `vars`, `outputs`, `task`, `stepMetas` (`kargo.md` §3.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airfreight.errors import ExpressionError
from airfreight.expr.functions import Function
from airfreight.expr.limits import DEFAULT_LIMITS, Limits
from airfreight.expr.templates import evaluate_config, evaluate_template
from airfreight.expr.values import Moment, Struct
from airfreight.model.base import Variable
from airfreight.model.promotion import InflatedStep, Promotion, PromotionStatus, StepExecution
from airfreight.runtime.functions import Context, Scope, Sources, functions


@dataclass(frozen=True)
class StepEvaluation:
    """Evaluates one step's expressions at one moment of its Promotion; every method may raise ExpressionError."""

    promotion: Promotion
    step: InflatedStep
    status: PromotionStatus
    sources: Sources
    ui_base_url: str
    limits: Limits = DEFAULT_LIMITS

    def condition(self) -> Any:
        """Return what the step's `if` yields; anything but a bool is the author's mistake."""
        return evaluate_template(
            self.step.if_, self.environment(), self._functions("step"), self.limits
        )

    def config(self) -> dict[str, Any]:
        """Return the step's config, every string in it evaluated, typed as Kargo types it."""
        config: dict[str, Any] = evaluate_config(
            self.step.config, self.environment(), self._functions("step"), self.limits
        )
        return config

    def environment(self) -> dict[str, Any]:
        """Return all that `if` and `config` see.

        The Promotion's vars see `ctx` and the vars before them; the step's also what went before.
        """
        above = {"ctx": self._ctx()}
        shared = self._vars(self.promotion.vars, above, {})
        before = above | self._before()
        return {**before, "vars": self._vars(self.step.vars, before, shared)}

    def _vars(
        self, variables: Iterable[Variable], env: Mapping[str, Any], values: dict[str, Any]
    ) -> dict[str, Any]:
        known = self._functions("vars")
        for variable in variables:
            try:
                seen = {**env, "vars": values}
                value = evaluate_template(variable.value, seen, known, self.limits)
            except ExpressionError as error:
                raise ExpressionError(f"variable {variable.name!r}: {error}") from error
            values = {**values, variable.name: value}
        return values

    def _functions(self, context: Context) -> dict[str, Function]:
        scope = Scope(
            freight=self.promotion.freight_collection,
            executions=self._earlier(),
            task_alias=self.step.task_alias,
            sources=self.sources,
        )
        return functions(scope, context)

    def _earlier(self) -> tuple[StepExecution, ...]:
        return self.status.executions[: self.status.current_step]

    def _ctx(self) -> dict[str, Any]:
        promotion, freight = self.promotion, self.promotion.target
        return {
            "project": promotion.project,
            "stage": promotion.stage,
            "promotion": promotion.name,
            "uiBaseUrl": self.ui_base_url,
            "targetFreight": {
                "name": freight.name,
                "alias": freight.alias,
                "origin": {"name": freight.content.origin.name},
            },
            "meta": {
                "promotion": {"actor": promotion.actor, "rollback": promotion.rollback},
                "step": {"alias": self.step.alias},
            },
        }

    def _before(self) -> dict[str, Any]:
        started = (e for e in self.status.executions if e.started_at is not None)
        seen: dict[str, Any] = {
            "outputs": self.status.state,
            "stepMetas": {execution.alias: _step_meta(execution) for execution in started},
        }
        if self.step.task_alias:
            prefix = f"{self.step.task_alias}::"
            siblings = {
                alias.removeprefix(prefix): output
                for alias, output in self.status.state.items()
                if alias.startswith(prefix)
            }
            seen["task"] = {"outputs": siblings}
        return seen


def _step_meta(execution: StepExecution) -> Struct:
    fields = {
        "Alias": execution.alias,
        "Status": execution.status.value,
        "Message": execution.message,
        "StartedAt": _moment(execution.started_at),
        "FinishedAt": _moment(execution.finished_at),
        "ErrorCount": execution.error_count,
        "ContinueOnError": execution.continue_on_error,
    }
    return Struct(
        "StepExecutionMetadata", fields, {name: name[0].lower() + name[1:] for name in fields}
    )


def _moment(moment: datetime | None) -> Moment | None:
    return Moment.of(moment) if moment is not None else None
