"""`airfreight step`: one step on a folder, as in a promotion but without logins; needs no Airflow."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from airfreight.cli.environment import read_environment
from airfreight.cli.tables import printable
from airfreight.cli.world import Exit, World
from airfreight.errors import ExpressionError, ManifestError, RefusedError, SettingsError
from airfreight.expr.gotext import json_text
from airfreight.expr.limits import DEFAULT_LIMITS, Meter
from airfreight.expr.templates import evaluate_config
from airfreight.manifests.nodes import read_documents
from airfreight.model.freight import Freight, FreightContent
from airfreight.model.promotion import StepStatus
from airfreight.runtime.attempt import Attempt, attempt_step
from airfreight.runtime.functions import Scope, functions
from airfreight.steps.base import PromotionStep, StepContext
from airfreight.steps.installed import step_registry
from airfreight.steps.trial import trial_context

_ALIAS = "step-1"
_VARIABLES = ("ctx", "vars", "outputs", "task", "freight")
_EXITS = {
    StepStatus.SUCCEEDED: Exit.OK,
    StepStatus.SKIPPED: Exit.OK,
    StepStatus.RUNNING: Exit.WAITING,
}


class _Log:
    """The step's log: lines for people, none of which is part of the answer."""

    def __init__(self, world: World) -> None:
        self._world = world

    def debug(self, message: str, /, *args: Any) -> None:
        """Nobody at a desk asked for these."""

    def info(self, message: str, /, *args: Any) -> None:
        self._world.warn(printable(message % args))

    warning = info
    error = info


@dataclass(frozen=True)
class _Environment:
    """What templates see, and the Freight by its origin."""

    variables: Mapping[str, Any]
    freight: Mapping[str, Freight]


def run(args: argparse.Namespace, world: World, lines: Iterable[str]) -> Exit:
    """Run the step once and print its status, message and output; `lines` are read for ``--config -``."""
    registry = step_registry()
    kind = registry.find(args.kind)
    if kind is None:
        raise SettingsError(registry.explain_unknown(args.kind))
    if not os.path.isdir(args.workdir):  # pathlib's raises for a long name
        raise SettingsError(f"--workdir: {args.workdir} is no folder")
    config = _read_config(args.config, lines)
    now = datetime.now(UTC)
    environment = _environment(read_environment(args.env), now)
    try:
        attempt = _attempt(kind, config, environment, _context(args, world, environment, now))
        world.say(_written(attempt))
    except RecursionError:
        raise SettingsError("the config is nested too deep") from None
    return _EXITS.get(attempt.status, Exit.FAILED)


def _read_config(name: str, lines: Iterable[str]) -> dict[str, Any]:
    try:
        content = "".join(lines).encode() if name == "-" else Path(name).read_bytes()
        config = _parsed(content, "standard input" if name == "-" else name)
    except (OSError, UnicodeError, ManifestError) as error:
        raise SettingsError(f"cannot read the config: {error}") from None
    if not isinstance(config, dict):
        raise SettingsError("the config must be a mapping: what stands under `config` in a step")
    return config


def _parsed(content: bytes, name: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        # Most JSON is YAML, but not all: escapes differ. So it has its own reader, and YAML's finds the faults.
        documents = read_documents(content, name)
    if len(documents) > 1:
        raise SettingsError(f"{name} holds {len(documents)} documents; expected one config")
    return documents[0].data if documents else {}


def _environment(given: Mapping[str, Any], now: datetime) -> _Environment:
    for name, value in given.items():
        if name not in _VARIABLES:
            raise SettingsError(f"--env: {name!r} is none of {', '.join(_VARIABLES)}")
        if not isinstance(value, list if name == "freight" else dict):
            expected = "a list of Freight" if name == "freight" else "an object"
            raise SettingsError(f"--env: {name} must be {expected}")
    freight = [_freight(document, now) for document in given.get("freight", [])]
    variables = {"vars": {}, "outputs": {}, **given, "ctx": _ctx(given.get("ctx", {}), freight)}
    variables.pop("freight", None)
    return _Environment(variables, {item.content.origin.key: item for item in freight})


def _freight(document: Any, now: datetime) -> Freight:
    try:
        name = FreightContent.model_validate(document).name
        known = {"name": name, "alias": "", "discoveredAt": now}
        return Freight.model_validate({**known, **document})
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in fault["loc"]) or "freight"
        raise SettingsError(f"--env: freight: {field}: {fault['msg']}") from None
    except RefusedError as error:
        raise SettingsError(f"--env: freight: {error}") from None


def _ctx(given: Mapping[str, Any], freight: list[Freight]) -> dict[str, Any]:
    """Return `ctx` as a Promotion has it; the first Freight is the one that is promoted."""
    usual: dict[str, Any] = {
        "project": "project",
        "stage": "stage",
        "promotion": "promotion",
        "uiBaseUrl": "",
        "meta": {"promotion": {"actor": "", "rollback": False}, "step": {"alias": _ALIAS}},
    }
    if freight:
        origin = {"name": freight[0].content.origin.name}
        usual["targetFreight"] = {
            "name": freight[0].name,
            "alias": freight[0].alias,
            "origin": origin,
        }
    return {**usual, **given}


def _attempt(
    kind: PromotionStep[Any],
    config: dict[str, Any],
    environment: _Environment,
    context: StepContext,
) -> Attempt:
    known = functions(Scope(freight=environment.freight), "step")
    try:
        evaluated = evaluate_config(config, environment.variables, known)
    except ExpressionError as error:
        return Attempt(StepStatus.ERRORED, error=f"config cannot be evaluated: {error}")
    return attempt_step(kind, evaluated, context)


def _context(
    args: argparse.Namespace, world: World, environment: _Environment, now: datetime
) -> StepContext:
    ctx = environment.variables["ctx"]
    return replace(
        trial_context(args.workdir, allow_loopback=args.allow_loopback),
        project=str(ctx["project"]),
        stage=str(ctx["stage"]),
        promotion=str(ctx["promotion"]),
        alias=_ALIAS,
        started_at=now,
        log=_Log(world),
        freight=environment.freight,
    )


def _written(attempt: Attempt) -> str:
    told: dict[str, Any] = {
        "status": attempt.status.value,
        "message": attempt.message if attempt.error is None else attempt.error,
        "output": attempt.output,
    }
    if attempt.retry_after is not None:
        told["retryAfter"] = attempt.retry_after.total_seconds()
    return json_text(told, Meter(DEFAULT_LIMITS), indent=2)
