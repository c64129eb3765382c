"""Checks of steps that need no promotion: kinds, configs, aliases, whether templates compile (`kargo.md` §1.8, §3).

What is unknown only at run time (a variable that nobody sets is nil) is a warning, as Kargo accepts it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from airfreight.expr.functions import Function
from airfreight.expr.templates import check_template, holds_expression, template_names
from airfreight.manifests.configs import check_config
from airfreight.manifests.findings import Findings
from airfreight.manifests.nodes import Path
from airfreight.model.base import Variable
from airfreight.model.stage import Step
from airfreight.steps.functions import declared
from airfreight.steps.registry import StepRegistry

IN_VARS: Final = declared("vars")
IN_STEPS: Final = declared("step")

_PROMOTION_VARIABLES: Final = frozenset({"ctx", "vars", "target"})
_STEP_VARIABLES: Final = _PROMOTION_VARIABLES | {"outputs", "task", "stepMetas"}

LONGEST_TEMPLATE = 1 << 15
_MOST_ERRORS = 20  # of one text
_RESERVED_ALIAS = re.compile(r"(step|task)-\d+")


def check_steps(
    steps: Sequence[Step], path: Path, found: Findings, registry: StepRegistry, *, in_task: bool
) -> None:
    """Check all steps of a template or, `in_task`, of a task; `path` is the list's place."""
    aliases: dict[str, int] = {}
    for index, step in enumerate(steps):
        here = (*path, index)
        if step.task is not None and in_task:
            found.error((*here, "task"), "a task's step may not name a task", "write uses")
        kind = registry.find(step.uses)
        if kind is not None:
            check_config(step.config, (*here, "config"), found, kind)
        elif step.uses:
            found.error((*here, "uses"), registry.explain_unknown(step.uses))
        _check_alias(step, index, here, aliases, found)
        _check_expressions(step, here, found)


def _check_alias(
    step: Step, index: int, path: Path, aliases: dict[str, int], found: Findings
) -> None:
    if not step.as_:
        return
    if _RESERVED_ALIAS.fullmatch(step.as_):
        message = f"alias {step.as_!r} is reserved for steps without an alias"
        found.error((*path, "as"), message, "choose another name")
    first = aliases.setdefault(step.as_, index)
    if first != index:
        found.error((*path, "as"), f"alias {step.as_!r} is given twice; first at steps[{first}]")


def _check_expressions(step: Step, path: Path, found: Findings) -> None:
    check_variables(step.vars, (*path, "vars"), found, _STEP_VARIABLES)
    if step.if_:
        if not holds_expression(step.if_):
            found.error((*path, "if"), "expected an expression", "write it as ${{ … }}")
        _check_text(step.if_, (*path, "if"), found, IN_STEPS, _STEP_VARIABLES)
    for place, text in texts_in(step.config, (*path, "config")):
        _check_text(text, place, found, IN_STEPS, _STEP_VARIABLES)
    if step.uses == "git-clone" and isinstance(step.config.get("checkout"), dict):
        message = "expected a list of checkouts; one mapping is read as a list of one"
        found.warn((*path, "config", "checkout"), message, "write '- ' before its first field")


def check_variables(
    variables: Sequence[Variable],
    path: Path,
    found: Findings,
    known: Collection[str] = _PROMOTION_VARIABLES,
) -> None:
    """Check the values of a `vars` list; a value may use what stands before it."""
    for index, variable in enumerate(variables):
        _check_text(variable.value, (*path, index, "value"), found, IN_VARS, known)


def texts_in(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield every text in a config with its place, keys excepted."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts_in(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts_in(item, (*path, index))


def _check_text(
    text: str,
    path: Path,
    found: Findings,
    functions: Mapping[str, Function],
    variables: Collection[str],
) -> None:
    if not holds_expression(text):
        return
    if len(text) > LONGEST_TEMPLATE:
        message = f"a text with expressions may have {LONGEST_TEMPLATE} characters"
        found.error(path, message, "split it")
        return
    for error in check_template(text, functions)[:_MOST_ERRORS]:
        found.error(path, error.message, offset=error.offset)
    for name in sorted(template_names(text, functions) - set(variables)):
        message = f"variable {name!r} is unknown; it is nil when the step runs"
        found.warn(path, message, offset=text.find(name))
