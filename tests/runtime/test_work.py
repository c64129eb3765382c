from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airfreight.errors import RefusedError, RetryableStepError
from airfreight.model.promotion import Promotion, PromotionPhase, PromotionStatus
from airfreight.model.waiting import Delivery, Event, Happened
from airfreight.runtime.engine import PromotionEngine
from airfreight.runtime.fence import Fence
from airfreight.runtime.functions import Sources
from airfreight.runtime.records import PromotionRecord
from airfreight.runtime.stage_register import StageRegister
from airfreight.runtime.work import PromotionWork
from airfreight.runtime.workspace import Workspace
from airfreight.steps.base import StepConfig, StepContext, StepResult, StepSettings
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
        self.on_sleep: Callable[[Fence], object] = lambda fence: None
        self.uses_workdir = True
        self.largest = 1000
        self.written = 1
        self.waits_for: Event | None = None
        self.delivered: list[Delivery | None] = []

    def work(self, record: PromotionRecord, delivered: Delivery | None = None) -> PromotionRecord:
        fence = Fence(self.register, "mine")
        fence.enter()
        steps = StepRegistry((_Write(self), _Wait(self)))

        def engine(
            workdir: WorkDirectory, save_progress: Callable[[PromotionStatus], object]
        ) -> PromotionEngine:
            self.workdir = workdir
            return PromotionEngine(
                registry=steps,
                context_for=self._context,
                clock=lambda: START,
                sleep=lambda seconds: self.on_sleep(fence),
                save_progress=save_progress,
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
            clock=lambda: START,
            engine_for=engine,
        ).run(delivered)

    def _context(self, *step: Any) -> StepContext:
        assert self.workdir is not None
        settings = StepSettings(max_workspace_size=self.largest)
        return replace(context_for(*step), workdir=self.workdir, settings=settings)

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
        (self._site.workdir.root / "made").write_bytes(b"x" * self._site.written)
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


@pytest.mark.parametrize(("written", "phase"), [(1000, "Succeeded"), (1001, "Errored")])
def test_a_step_that_leaves_the_work_directory_too_large_ends_for_good(site, written, phase):
    site.waits, site.written = False, written
    outcome = site.work(begun())
    assert outcome.status.phase.value == phase
    if phase == "Errored":
        assert outcome.status.message.startswith(
            "the work directory holds 1,001 bytes after this step, more than the 1,000 of the setting"
        )
        assert outcome.status.state["step-1"] == {"made": True}
        assert list(site.workspace.iterdir()) == []


def test_a_promotion_whose_work_directory_cannot_be_kept_ends_and_says_why(site):
    site.kept.parent.write_text("a file where the folder should be")
    outcome = site.work(begun())
    assert outcome.status.phase is PromotionPhase.ERRORED
    assert "cannot be kept in" in outcome.status.message
    assert [step.status.value for step in outcome.status.executions] == ["Succeeded", "Errored"]
    assert site.register.promotion(outcome.promotion.name) == outcome


def test_a_promotion_whose_kept_work_directory_is_damaged_ends_and_says_why(site):
    waiting = site.work(begun())
    site.kept.write_bytes(b"no tar at all" * 100)
    outcome = site.work(waiting)
    assert outcome.status.phase is PromotionPhase.ERRORED
    assert "cannot be restored" in outcome.status.message
    assert site.calls == ["write", "wait"]


def test_a_process_that_was_taken_over_when_its_step_began_to_wait_keeps_nothing(site):
    """Guard: `Fence.check` before `save` in `PromotionWork`: what is kept belongs to the process that goes on."""
    waiting = site.work(begun())
    kept = site.kept.read_bytes()
    lost = waiting.status.model_copy(update={"retry_after": None})
    site.calls, site.written = [], 2

    def overtake(call: str) -> None:
        if call == "wait":
            Fence(site.register, "other").enter()

    site.on_call = overtake
    with pytest.raises(RefusedError, match="taken for dead"):
        site.work(waiting.model_copy(update={"status": lost}))
    assert site.kept.read_bytes() == kept


@pytest.mark.parametrize(
    ("on_sleep", "reason"),
    [
        (lambda fence: fence.stopped.set(), "was ended while it promoted"),
        (lambda fence: Fence(fence.register, "other").enter(), "taken for dead"),
    ],
    ids=["aborted", "taken over"],
)
def test_a_retry_that_sleeps_in_the_worker_is_not_made_once_the_process_may_not_go_on(
    site, on_sleep, reason
):
    """Guard: the engine's `save_progress` before each run, which is `Fence.check`."""

    def busy(call: str) -> None:
        raise RetryableStepError("busy")

    site.on_call, site.on_sleep = busy, on_sleep
    record = begun()
    patient = promotion({"uses": "write", "retry": {"errorThreshold": 9}})
    with pytest.raises(RefusedError, match=reason):
        site.work(record.model_copy(update={"promotion": patient}))
    assert site.calls == ["write"]
    assert list(site.workspace.iterdir()) == []


@pytest.mark.parametrize("at_step", ["write", "wait"])
def test_a_process_that_another_took_over_does_and_writes_nothing_more(site, at_step):
    """Guard: `Fence.check` in `PromotionWork`, before each run of a step and before it saves how far it got."""

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
