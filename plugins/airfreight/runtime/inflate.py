"""A Stage's template with every PromotionTask put in its place (`kargo.md` §2.2)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence

from airfreight.errors import RefusedError
from airfreight.model.base import Variable
from airfreight.model.promotion import InflatedStep
from airfreight.model.stage import PromotionTask, Stage, Step, TaskReference

FindTask = Callable[[TaskReference], PromotionTask | None]


def inflate(stage: Stage, tasks: FindTask) -> tuple[tuple[InflatedStep, ...], tuple[Variable, ...]]:
    """Return the steps and vars of a Promotion to `stage`.

    Where vars share a name the later one wins: the Stage's, the template's, a task's default unless one of those is
    set, the referencing step's, the task step's own. Raises RefusedError where the Stage promotes nothing, a task is
    not there or refers to a task itself, a variable has no value, or two steps share an alias.
    """
    template = stage.promotion_template
    if template is None:
        raise RefusedError(f"Stage {stage.name} has no promotionTemplate: it only forwards Freight")
    shared = (*stage.vars, *template.vars)
    steps: list[InflatedStep] = []
    for position, step in enumerate(template.steps, start=1):
        if step.task is None:
            steps.append(_plain(step, step.as_ or f"step-{position}"))
            continue
        alias = step.as_ or f"task-{position}"
        task = tasks(step.task)
        if task is None:
            raise RefusedError(
                f"Stage {stage.name}, step {alias}: there is no {step.task.kind} {step.task.name!r}"
            )
        steps.extend(_of_task(stage.name, alias, task, step.vars, shared))
    _refuse_shared_aliases(stage.name, steps)
    return tuple(steps), shared


def _plain(step: Step, alias: str) -> InflatedStep:
    return InflatedStep(
        uses=step.uses,
        alias=alias,
        if_=step.if_,
        continue_on_error=step.continue_on_error,
        retry=step.retry,
        vars=step.vars,
        config=step.config,
    )


def _of_task(
    stage: str,
    task_alias: str,
    task: PromotionTask,
    given: Sequence[Variable],
    shared: Sequence[Variable],
) -> Iterator[InflatedStep]:
    place = f"Stage {stage}, step {task_alias}"
    defaults = _defaults(place, task, given, shared)
    for position, step in enumerate(task.steps, start=1):
        if step.task is not None:
            raise RefusedError(f"{place}: step {position} of {task.name!r} refers to a task itself")
        plain = _plain(step, f"{task_alias}::{step.as_ or f'step-{position}'}")
        merged = (*defaults, *given, *step.vars)
        yield plain.model_copy(update={"task_alias": task_alias, "vars": merged})


def _defaults(
    place: str, task: PromotionTask, given: Sequence[Variable], shared: Sequence[Variable]
) -> tuple[Variable, ...]:
    """Return the task's vars that nothing on the Promotion replaces."""
    # The last entry of a name is the one that counts, also where it is empty.
    set_above = {name for name, value in _last_values(shared).items() if value}
    set_here = {name for name, value in _last_values(given).items() if value}
    for variable in task.vars:
        if not variable.value and variable.name not in set_above | set_here:
            raise RefusedError(
                f"{place}: missing value for variable {variable.name!r} of {task.name!r};"
                " set it in the vars of this step, of the template or of the Stage"
            )
    return tuple(variable for variable in task.vars if variable.name not in set_above)


def _last_values(variables: Sequence[Variable]) -> dict[str, str]:
    return {variable.name: variable.value for variable in variables}


def _refuse_shared_aliases(stage: str, steps: Sequence[InflatedStep]) -> None:
    seen: set[str] = set()
    for step in steps:
        if step.alias in seen:
            raise RefusedError(
                f"Stage {stage}: two steps have the alias {step.alias!r}; give one another 'as'"
            )
        seen.add(step.alias)


def steps_digest(steps: Sequence[InflatedStep], variables: Sequence[Variable]) -> str:
    """Return the SHA-256 (64 hex digits) of what a person approves: the canonical JSON of steps and vars."""
    document = {
        "steps": [step.model_dump(mode="json", by_alias=True) for step in steps],
        "vars": [variable.model_dump(mode="json", by_alias=True) for variable in variables],
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
