"""`airfreight plan`: what a promotion would do, up to its first effect outside; nothing is pushed."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airfreight.cli.api import AirflowApi
from airfreight.cli.commands.validate import chosen_projects
from airfreight.cli.declared import find_declared
from airfreight.cli.directory import Directory, read_directory
from airfreight.cli.plan_text import changes, heading, outcome
from airfreight.cli.register import (
    SnapshotStore,
    metadata_store,
    read_warehouse,
    reading,
    resolve_freight,
    stage_register,
)
from airfreight.cli.tables import printable
from airfreight.cli.world import Exit, World
from airfreight.hooks.step_context import engine_maker, workspace
from airfreight.manifests.project import LoadedProject, load_project
from airfreight.model.freight import Freight
from airfreight.model.promotion import Promotion
from airfreight.model.stage import Stage
from airfreight.runtime.availability import Availability, Registers, available
from airfreight.runtime.checkouts import CheckoutChange, Checkouts
from airfreight.runtime.fence import Fence
from airfreight.runtime.inflate import inflate, steps_digest
from airfreight.runtime.objects import ProjectObjects
from airfreight.runtime.planning import Plan, PlanRegistry, plan_promotion
from airfreight.runtime.promoting import make_promotion
from airfreight.runtime.records import Decision
from airfreight.runtime.stage_register import StageRegister
from airfreight.steps.base import NoOperators, no_notifier
from airfreight.steps.installed import step_registry
from airfreight.steps.registry import StepRegistry


@dataclass(frozen=True)
class _Subject:
    """A Promotion that nobody decided on, and what the registers say of it; `held` is what it would replace."""

    project: LoadedProject
    promotion: Promotion
    registers: Registers
    objects: ProjectObjects
    held: str
    answer: Availability


@dataclass(frozen=True)
class _Log:
    """Keeps what a reader of the log should look into; the plan itself says the rest."""

    lines: list[str] = field(default_factory=list)

    def debug(self, message: str, /, *args: Any) -> None:
        """Nobody at a desk asked for these."""

    info = debug

    def warning(self, message: str, /, *args: Any) -> None:
        self.lines.append(message % args)

    error = warning


def run(
    args: argparse.Namespace,
    world: World,
    api: AirflowApi,
    project_names: Callable[[Path], list[str]],
) -> Exit:
    """Run the steps in a throw-away work directory and print what they changed there."""
    chosen_projects(args.pipelines, [args.project], project_names)
    registry = step_registry()
    project = load_project(args.pipelines, args.project, registry)
    stages = {stage.name: stage for stage in project.stages}
    stage = find_declared(project, "Stage", args.stage, stages)
    username = args.username or world.environ.get("AIRFREIGHT_USERNAME", "")
    subject = _subject(args, api, project, stage, username)
    for line in heading(subject.promotion, subject.held, subject.answer):
        world.say(line)
    world.say("")
    plan, checkouts = _planned(subject, registry, world)
    for line in outcome(plan):
        world.say(line)
    for checkout in checkouts:
        for line in changes(checkout):
            world.say(line)
    return Exit.FAILED if plan.failure else Exit.OK


def _subject(
    args: argparse.Namespace, api: AirflowApi, project: LoadedProject, stage: Stage, actor: str
) -> _Subject:
    assets, now = api.assets(), datetime.now(UTC)
    directory = read_directory(assets).within(project.name)
    inflated = inflate(stage, project.find_task)
    with reading(f"project {project.name}"):
        sources = _sources(directory, stage)
        freight = resolve_freight(api, sources, args.freight, args.freight_alias)
        registers = _registers(api, sources, stage)
        decision = Decision(
            decision="by hand",
            stage=stage.name,
            freight=freight.name,
            actor=actor,
            nonce="plan",
            digest=steps_digest(*inflated),
            decided_at=now,
        )
        promotion = make_promotion(decision, freight, stage, inflated, project.name, registers, now)
        metadata = metadata_store(api, assets, project.name)
        stages = {one.name for one in project.stages}
        return _Subject(
            project=project,
            promotion=promotion,
            registers=registers,
            objects=ProjectObjects(metadata, stages, registers.warehouses),
            held=_held(freight, stage, registers),
            answer=available(freight.name, freight.content.origin, stage, registers, now),
        )


def _sources(directory: Directory, stage: Stage) -> Directory:
    """Return the Warehouses that the Stage requests Freight of, and of the Stages those whose registers say whether."""
    upstreams = {name for request in stage.requested_freight for name in request.sources.stages}
    return Directory(
        tuple(directory.warehouse(request.origin.name) for request in stage.requested_freight),
        tuple(place for place in directory.stages if place.name in {stage.name, *upstreams}),
    )


def _registers(api: AirflowApi, sources: Directory, stage: Stage) -> Registers:
    """Return the registers; that of a Stage which Airflow has not loaded yet is empty."""
    stages = {place.name: stage_register(api, place) for place in sources.stages}
    return Registers(
        {place.name: read_warehouse(api, place).register for place in sources.warehouses},
        {stage.name: StageRegister(SnapshotStore({})), **stages},
    )


def _held(freight: Freight, stage: Stage, registers: Registers) -> str:
    """Return the alias of what the Stage holds of the Freight's origin, or an empty text."""
    origin = freight.content.origin
    current = registers.stages[stage.name].current()
    name = current.items.get(origin.key) if current is not None else None
    known = registers.warehouses[origin.name].freight(name) if name is not None else None
    return known.alias if known is not None else (name or "")[:12]


def _planned(
    subject: _Subject, registry: StepRegistry, world: World
) -> tuple[Plan, tuple[CheckoutChange, ...]]:
    log, checkouts, promotion = _Log(), Checkouts(), subject.promotion
    # Never entered: it shuts out nobody, and a plan asks another one.
    fence = Fence(subject.registers.stages[promotion.stage], "plan")
    planned = PlanRegistry(registry, checkouts.note)
    engine_for = engine_maker(
        subject.project,
        planned,
        lambda: datetime.now(UTC),
        log,
        fence,
        subject.objects,
        NoOperators(),
        no_notifier,
    )
    folder = workspace()
    workdir = folder.create(promotion.name)
    try:
        engine = engine_for(workdir, lambda _: None)
        plan = plan_promotion(engine, promotion)
        changed = checkouts.changes(workdir.root, engine.redact)
    finally:
        folder.remove(workdir)
    for line in log.lines:
        world.warn(printable(engine.redact(line)))
    return plan, changed
