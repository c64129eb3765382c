"""What the registers say, as rows for programs and cells for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from airfreight.cli.directory import Place
from airfreight.cli.register import StageView, WarehouseView
from airfreight.cli.tables import Row, moment
from airfreight.errors import RefusedError
from airfreight.model.audit import AuditEvent
from airfreight.model.freight import FreightContent
from airfreight.model.promotion import StepExecution, StepStatus
from airfreight.runtime.records import Holding, IndexEntry, PromotionRecord, PromotionSummary
from airfreight.runtime.stage_register import summarise

_SHORT = 12


@dataclass(frozen=True)
class Listing:
    """`rows` and `cells` are in one order."""

    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    cells: tuple[tuple[str, ...], ...]

    def where(self, fits: Callable[[Row], bool]) -> Listing:
        """Return only the rows that fit."""
        kept = [i for i, row in enumerate(self.rows) if fits(row)]
        rows, cells = tuple(self.rows[i] for i in kept), tuple(self.cells[i] for i in kept)
        return Listing(self.headings, rows, cells)


def _listing(headings: tuple[str, ...], pairs: Iterable[tuple[Row, tuple[str, ...]]]) -> Listing:
    listed = list(pairs)
    return Listing(headings, tuple(row for row, _ in listed), tuple(cells for _, cells in listed))


def freight_listing(warehouses: Sequence[WarehouseView], stages: Sequence[StageView]) -> Listing:
    """Return every kept Freight, newest first within its Warehouse."""
    headings = (
        "alias",
        "name",
        "warehouse",
        "discovered",
        "artifacts",
        "now in",
        "verified in",
        "run",
    )
    return _listing(
        headings,
        (_freight(view, entry, stages) for view in warehouses for entry in view.register.index()),
    )


def _freight(
    view: WarehouseView, entry: IndexEntry, stages: Sequence[StageView]
) -> tuple[Row, tuple[str, ...]]:
    near = [stage for stage in stages if stage.place.project == view.place.project]
    current = [stage.place.name for stage in near if entry.name in _held(stage)]
    verified = [stage.place.name for stage in near if stage.register.verified(entry.name)]
    approved = [stage.place.name for stage in near if stage.register.approved(entry.name)]
    run = view.register.run_of(entry.name)
    document, artifacts = _content(view, entry)
    row = {
        "project": view.place.project,
        "warehouse": view.place.name,
        **document,
        "name": entry.name,
        "alias": entry.alias,
        "discoveredAt": entry.discovered_at.isoformat(),
        "currentIn": current,
        "verifiedIn": verified,
        "approvedFor": approved,
        "run": run,
    }
    cells = (
        entry.alias,
        entry.name[:_SHORT],
        view.place.name,
        moment(entry.discovered_at),
        artifacts,
        ", ".join(current),
        ", ".join(verified),
        run or "",
    )
    return row, cells


def _content(view: WarehouseView, entry: IndexEntry) -> tuple[dict[str, Any], str]:
    """Return a Freight's JSON and its artifacts in words; one that cannot be read does not hide the others."""
    try:
        freight = view.register.freight(entry.name)
    except RefusedError as error:
        return {"problem": str(error)}, str(error)
    except ValidationError:
        return {"problem": "unreadable"}, "unreadable"
    if freight is None:
        return {"problem": "its content is gone"}, "its content is gone"
    return freight.to_json(), ", ".join(artifacts_of(freight.content))


def artifacts_of(content: FreightContent) -> list[str]:
    """Return each artifact with its version, as people write it."""
    return [
        *(f"{image.repo_url}:{image.tag or image.digest[:19]}" for image in content.images),
        *(
            f"{'/'.join(p for p in (chart.repo_url, chart.name) if p)}:{chart.version}"
            for chart in content.charts
        ),
        *(f"{commit.repo_url}@{commit.tag or commit.id[:_SHORT]}" for commit in content.commits),
        *(f"{other.subscription_name}:{other.version}" for other in content.artifacts),
    ]


def _held(stage: StageView) -> dict[str, str]:
    """Return Freight name → origin of what a Stage holds."""
    current = stage.register.current()
    items = current.items if current is not None else {}
    return {name: origin for origin, name in items.items()}


def _aliases(warehouses: Iterable[WarehouseView]) -> dict[str, str]:
    return {entry.name: entry.alias for view in warehouses for entry in view.register.index()}


def stage_listing(
    stages: Sequence[StageView],
    warehouses: Sequence[WarehouseView],
    requests: Sequence[tuple[Place, str]],
    waiting: Sequence[tuple[Place, str]],
) -> Listing:
    """Return what each Stage holds and what is under way to it.

    :param requests: Stage → name of an open request.
    :param waiting: Stage → a task that is under way, in words.
    """
    aliases = _aliases(warehouses)
    headings = ("stage", "freight", "since", "promotion", "hold", "request", "waiting")
    return _listing(
        headings,
        (
            _stage(
                view,
                aliases,
                [name for place, name in requests if place == view.place],
                [text for place, text in waiting if place == view.place],
            )
            for view in stages
        ),
    )


def _stage(
    view: StageView, aliases: dict[str, str], requests: list[str], waiting: list[str]
) -> tuple[Row, tuple[str, ...]]:
    current, holds = view.register.current(), view.holds()
    held = _held(view)
    row = {
        "project": view.place.project,
        "stage": view.place.name,
        "freight": [
            {"origin": origin, "name": name, "alias": aliases.get(name)}
            for name, origin in held.items()
        ],
        "since": _iso(current.since if current is not None else None),
        "promotion": current.promotion if current is not None else None,
        "healthChecks": _health_checks(view, current),
        "holds": {o: hold.model_dump(mode="json", by_alias=True) for o, hold in holds.items()},
        "requests": requests,
        "waiting": waiting,
    }
    cells = (
        view.place.name,
        ", ".join(_call(name, aliases) for name in held),
        moment(current.since if current is not None else None),
        current.promotion if current is not None else "",
        ", ".join(f"{_call(hold.freight, aliases)} by {hold.actor}" for hold in holds.values()),
        ", ".join(requests),
        ", ".join(waiting),
    )
    return row, cells


def _health_checks(view: StageView, current: Holding | None) -> list[dict[str, Any]]:
    """Return what the health of the Stage depends on since its Promotion; how healthy that is nobody wrote down."""
    record = view.register.promotion(current.promotion) if current is not None else None
    executions = () if record is None else record.status.executions
    return [step.health_check for step in executions if step.health_check is not None]


def promotion_listing(stages: Sequence[StageView], warehouses: Sequence[WarehouseView]) -> Listing:
    """Return the last Promotions of each Stage, newest first."""
    aliases = _aliases(warehouses)
    headings = ("name", "freight", "phase", "step", "actor", "started", "finished", "message")
    return _listing(
        headings,
        (_promotion(view, line, aliases) for view in stages for line in view.register.promotions()),
    )


def _promotion(
    view: StageView, line: PromotionSummary, aliases: dict[str, str]
) -> tuple[Row, tuple[str, ...]]:
    record = None if line.phase.is_terminal else view.register.promotion(line.name)
    # The list is written where a promotion begins, waits and ends; its own key at each step.
    line = line if record is None else summarise(record)
    step = _current_step(record)
    row = {
        "project": view.place.project,
        "stage": view.place.name,
        "name": line.name,
        "freight": line.freight,
        "alias": aliases.get(line.freight),
        "phase": line.phase.value,
        "actor": line.actor,
        "run": line.run_id,
        "startedAt": _iso(line.started_at),
        "finishedAt": _iso(line.finished_at),
        "message": line.message,
        "step": None if step is None else step.model_dump(mode="json", by_alias=True),
    }
    cells = (
        line.name,
        _call(line.freight, aliases),
        line.phase.value,
        _step_in_words(step),
        line.actor,
        moment(line.started_at),
        moment(line.finished_at),
        line.message,
    )
    return row, cells


def event_listing(stages: Sequence[StageView]) -> Listing:
    """Return the last events of each Stage, newest first."""
    headings = ("at", "stage", "type", "actor", "message", "promotion")
    return _listing(
        headings, (_event(view, event) for view in stages for event in view.register.events())
    )


def _event(view: StageView, event: AuditEvent) -> tuple[Row, tuple[str, ...]]:
    place = {"project": view.place.project, "stage": view.place.name}
    row = {**place, **event.model_dump(mode="json", by_alias=True)}
    cells = (
        moment(event.at),
        view.place.name,
        event.type,
        event.actor,
        event.message,
        event.promotion,
    )
    return row, cells


def _current_step(record: PromotionRecord | None) -> StepExecution | None:
    """Return the step that runs or waits."""
    executions = () if record is None else record.status.executions
    running = (step for step in executions if step.status is StepStatus.RUNNING)
    return next(running, None)


def _step_in_words(step: StepExecution | None) -> str:
    if step is None:
        return ""
    text = f"{step.alias} ({step.uses}), attempt {step.attempts}"
    return text if step.next_try_at is None else f"{text}, next try {moment(step.next_try_at)}"


def _call(name: str, aliases: dict[str, str]) -> str:
    return aliases.get(name) or name[:_SHORT]


def _iso(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()
