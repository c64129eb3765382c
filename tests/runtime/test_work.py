from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from airfreight.errors import RefusedError
from airfreight.model.promotion import Promotion, PromotionPhase, PromotionStatus
from airfreight.model.waiting import Delivery, Event, Happened
from airfreight.runtime.engine import PromotionEngine
from airfreight.runtime.fence import Fence
from airfreight.runtime.functions import Sources
from airfreight.runtime.records import PromotionRecord
from airfreight.runtime.stage_register import StageRegister
from airfreight.runtime.work import PromotionWork
from airfreight.runtime.workspace import Workspace
from airfreight.steps.base import StepConfig, StepContext, StepResult
from airfreight.steps.registry import StepRegistry
from airfreight.steps.workdir import WorkDirectory
from tests.runtime.memory import MemoryStore
from tests.runtime.step_kinds import START, AnyConfig, EchoStep, context_for, promotion


class Site:
    """A worker's folder, a place to keep work directories, a register, and steps that use them."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "work"
        self.kept = folder / "kept" / "dev.tar"
        self.register = StageRegister(MemoryStore())
        self.workdir: WorkDirectory | None = None
        self.calls: list[str] = []
        self.waits = True
        self.on_call: Callable[[str], object] = lambda call: None
        self.uses_workdir = True
        self.waits_for: Event | None = None
        self.delivered: list[Delivery | None] = []

    def work(self, record: PromotionRecord, delivered: Delivery | None = None) -> PromotionRecord:
        fence = Fence(self.register, "mine")
        fence.enter()
        steps = StepRegistry((_Write(self), _Wait(self)))

        def engine(
            workdir: WorkDirectory, on_change: Callable[[PromotionStatus], object]
        ) -> PromotionEngine:
            self.workdir = workdir
            return PromotionEngine(
                registry=steps,
                context_for=context_for,
                clock=lambda: START,
                sleep=lambda seconds: None,
                on_change=on_change,
                on_step=lambda alias, event, message: None,
                sources=Sources(),
                ui_base_url="",
                longest=timedelta(days=7),
            )

        return PromotionWork(
            record=record,
            fence=fence,
            workspace=Workspace(self.workspace),
            kept=lambda: self.kept,
            steps=steps,
            engine_for=engine,
        ).run(delivered)

    def files(self) -> list[str]:
        assert self.workdir is not None
        return sorted(path.name for path in self.workdir.root.iterdir())


class _Write(EchoStep):
    """Makes a file in the work directory."""

    kind = "write"
    uses_workdir = True

    def __init__(self, site: Site) -> None:
        self._site = site

    def run(self, config: StepConfig, context: StepContext) -> StepResult:
        self._site.calls.append("write")
        self._site.on_call("write")
        assert self._site.workdir is not None
        (self._site.workdir.root / "made").touch()
        return StepResult(output={"made": True})


class _Wait(EchoStep):
    """Waits while the site says so."""

    kind = "wait"

    def __init__(self, site: Site) -> None:
        self._site = site
        self.uses_workdir = site.uses_workdir  # type: ignore[misc]

    def run(self, config: AnyConfig, context: StepContext) -> StepResult:
        self._site.calls.append("wait")
        self._site.on_call("wait")
        self._site.delivered.append(context.delivered)
        if self._site.waits:
            return StepResult(
                status="Running", retry_after=timedelta(minutes=5), waits_for=self._site.waits_for
            )
        return StepResult(output={"files": self._site.files()})


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def begun() -> PromotionRecord:
    made: Promotion = promotion({"uses": "write"}, {"uses": "wait"})
    status = PromotionStatus(phase=PromotionPhase.RUNNING, started_at=START)
    return PromotionRecord(promotion=made, status=status, dag_id="d", run_id="r")


def test_a_promotion_that_ends_leaves_its_result_in_the_register_and_no_folder(site):
    site.waits = False
    outcome = site.work(begun())
    assert outcome.status.phase is PromotionPhase.SUCCEEDED
    assert site.register.promotion(outcome.promotion.name) == outcome
    assert list(site.workspace.iterdir()) == []
    assert not site.kept.exists()


def test_a_work_directory_that_a_step_still_needs_is_kept_while_it_waits(site):
    outcome = site.work(begun())
    assert outcome.status.retry_after == timedelta(minutes=5)
    assert site.register.promotion(outcome.promotion.name) == outcome
    assert site.kept.exists()
    assert list(site.workspace.iterdir()) == []


def test_a_promotion_resumes_at_the_step_that_waited_with_its_files(site):
    waiting = site.work(begun())
    site.waits = False
    outcome = site.work(waiting)
    assert site.calls == ["write", "wait", "wait"]
    assert outcome.status.state["step-2"] == {"files": ["made"]}
    assert not site.kept.exists()


def test_a_work_directory_that_no_later_step_needs_is_not_kept(site):
    site.uses_workdir = False
    waiting = site.work(begun())
    assert not site.kept.exists()
    site.waits = False
    assert site.work(waiting).status.state["step-2"] == {"files": []}
    assert site.calls == ["write", "wait", "wait"]


def test_a_promotion_whose_work_directory_is_lost_begins_again_with_its_outputs(site):
    waiting = site.work(begun())
    site.kept.unlink()
    site.waits = False
    outcome = site.work(waiting)
    assert site.calls == ["write", "wait", "write", "wait"]
    assert outcome.status.phase is PromotionPhase.SUCCEEDED


@pytest.mark.parametrize("lost", [False, True])
def test_an_event_reaches_its_step_unless_the_work_directory_is_lost(site, lost):
    site.waits_for = Event(source="a trigger")
    waiting = site.work(begun())
    if lost:
        site.kept.unlink()
    happened = Happened("resume", {})
    site.work(waiting, happened)
    assert site.delivered == [None, None if lost else happened]


def test_a_promotion_whose_worker_died_begins_again_with_its_outputs(site):
    waiting = site.work(begun())
    status = waiting.status.model_copy(update={"retry_after": None})
    site.waits = False
    outcome = site.work(waiting.model_copy(update={"status": status}))
    assert site.calls == ["write", "wait", "write", "wait"]
    assert outcome.status.state["step-1"] == {"made": True}


@pytest.mark.parametrize("at_step", ["write", "wait"])
def test_a_process_that_another_took_over_does_and_writes_nothing_more(site, at_step):
    """Guard: `Fence.check` in `PromotionWork._save_progress`, which the engine calls before and after each step."""

    def overtaken(call: str) -> None:
        if call == at_step:
            Fence(site.register, "other").enter()
            site.register.save(newer)

    record = begun()
    ended = record.status.model_copy(update={"phase": PromotionPhase.SUCCEEDED})
    newer = record.model_copy(update={"status": ended})
    site.on_call = overtaken
    with pytest.raises(RefusedError, match="taken for dead"):
        site.work(record)
    assert site.calls[-1] == at_step
    assert site.register.promotion(record.promotion.name) == newer


def test_the_register_hears_of_every_step_before_the_promotion_ends(site):
    seen: list[int] = []
    store = MemoryStore(before_set=lambda key: seen.append(len(site.calls)))
    site.register = StageRegister(store)
    site.waits = False
    site.work(begun())
    assert {1, 2} <= set(seen)
