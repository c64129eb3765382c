"""Small step kinds and a ready Promotion for the tests of the engine."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from pydantic import Field

from airfreight.expr.limits import DEFAULT_LIMITS, Limits
from airfreight.model.base import Variable
from airfreight.model.credential import Credential
from airfreight.model.freight import Freight, FreightContent
from airfreight.model.promotion import InflatedStep, Promotion, PromotionStatus
from airfreight.model.waiting import Delivery
from airfreight.runtime.engine import PromotionEngine
from airfreight.runtime.functions import Sources
from airfreight.steps.base import (
    PromotionStep,
    StepConfig,
    StepContext,
    StepResult,
    StepSettings,
)
from airfreight.steps.registry import StepRegistry
from airfreight.steps.workdir import WorkDirectory

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
IMAGE = "registry.example/web"


class AnyConfig(StepConfig, extra="allow"):
    """Takes everything."""


class TypedConfig(StepConfig):
    repo_url: str = Field(alias="repoURL")
    depth: int = 0
    token: str = Field(default="", repr=False)


class NoLogins:
    def find(self, kind: str, url: str) -> Credential | None:
        return None


class EchoStep(PromotionStep[AnyConfig]):
    """Puts out its config."""

    kind = "echo"
    config_type = AnyConfig
    uses_workdir = False

    def run(self, config: AnyConfig, context: StepContext) -> StepResult:
        return StepResult(output=config.model_extra)


class ComposeStep(EchoStep):
    kind = "compose"
    propagates_output = True


class FilesStep(EchoStep):
    kind = "files"
    uses_workdir = True


class TypedStep(PromotionStep[TypedConfig]):
    kind = "typed"
    config_type = TypedConfig

    def run(self, config: TypedConfig, context: StepContext) -> StepResult:
        return StepResult(output={"depth": config.depth})


class ScriptedStep(PromotionStep[AnyConfig]):
    """Answers with what it was given, one after the other; the last one for ever."""

    kind = "scripted"
    config_type = AnyConfig

    def __init__(
        self, *answers: StepResult | BaseException, timeout: timedelta | None = None
    ) -> None:
        self._answers = list(answers)
        self.default_timeout = timeout  # type: ignore[misc]
        self.configs: list[dict[str, Any]] = []
        self.previous: list[Mapping[str, Any] | None] = []
        self.delivered: list[Delivery | None] = []

    def run(self, config: AnyConfig, context: StepContext) -> StepResult:
        self.configs.append(dict(config.model_extra or {}))
        self.previous.append(context.previous_output)
        self.delivered.append(context.delivered)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer


@dataclass
class World:
    """An engine with a clock that only sleeping moves, and all that it told."""

    kinds: Iterable[PromotionStep[Any]] = ()
    sources: Sources = field(default_factory=Sources)
    limits: Limits = DEFAULT_LIMITS
    now: datetime = START
    slept: list[float] = field(default_factory=list)
    changes: list[PromotionStatus] = field(default_factory=list)
    groups: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        standard = (EchoStep(), ComposeStep(), FilesStep(), TypedStep())
        self.registry = StepRegistry((*standard, *self.kinds))

    def run(
        self,
        promotion: Promotion,
        status: PromotionStatus | None = None,
        delivered: Delivery | None = None,
    ) -> PromotionStatus:
        engine = PromotionEngine(
            registry=self.registry,
            context_for=lambda *step: replace(context_for(*step), redact=self.sources.redact),
            clock=lambda: self.now,
            sleep=self._sleep,
            save_progress=self.changes.append,
            on_step=lambda alias, event, message: self.groups.append((alias, event, message)),
            sources=self.sources,
            ui_base_url="https://airflow.example",
            limits=self.limits,
            longest=timedelta(days=7),
        )
        return engine.run(promotion, status or PromotionStatus(), delivered)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


def context_for(
    step: InflatedStep, promotion: Promotion, previous: Mapping[str, Any] | None
) -> StepContext:
    return StepContext(
        project=promotion.project,
        stage=promotion.stage,
        promotion=promotion.name,
        alias=step.alias,
        started_at=promotion.started_at,
        workdir=WorkDirectory(Path("/nonexistent")),
        credentials=NoLogins(),
        settings=StepSettings(),
        http=httpx.Client,
        log=logging.getLogger("airfreight.test"),
        check_fence=lambda: None,
        previous_output=previous,
    )


def freight(origin: str = "web", **artifacts: Any) -> Freight:
    document = {"origin": {"name": origin}, **artifacts}
    if not artifacts:
        document["images"] = [{"repoURL": IMAGE, "tag": "1.10", "digest": f"sha256:{'a' * 64}"}]
    content = FreightContent.model_validate(document)
    return Freight(name=content.name, alias="calm-otter", content=content, discovered_at=START)


def steps(*documents: Mapping[str, Any]) -> tuple[InflatedStep, ...]:
    return tuple(_steps(documents))


def _steps(documents: Iterable[Mapping[str, Any]]) -> Iterator[InflatedStep]:
    for position, document in enumerate(documents, start=1):
        yield InflatedStep.model_validate({"alias": f"step-{position}", "uses": "echo", **document})


def promotion(
    *documents: Mapping[str, Any],
    variables: Mapping[str, str] | None = None,
    collection: Iterable[Freight] = (),
) -> Promotion:
    target = freight()
    others = {f.content.origin.key: f for f in collection}
    return Promotion(
        name="dev.01j.abcdefg",
        project="shop",
        stage="dev",
        freight=target.name,
        freight_collection={**others, target.content.origin.key: target},
        steps=steps(*documents),
        vars=tuple(Variable(name=name, value=value) for name, value in (variables or {}).items()),
        actor="alice",
        started_at=START,
    )


def statuses(status: PromotionStatus) -> list[str]:
    return [execution.status.value for execution in status.executions]
