"""The two steps in a promotion: polls, the time-out, the error threshold, outputs from one poll to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from airfreight.model.promotion import InflatedStep, Promotion, PromotionStatus
from airfreight.runtime.engine import PromotionEngine
from airfreight.runtime.functions import Sources
from airfreight.steps.base import StepContext
from airfreight.steps.installed import step_registry
from tests.argocd_server import COMMIT
from tests.runtime.step_kinds import START, context_for, promotion, statuses
from tests.steps.argocd.conftest import Bench

UPDATE = {"uses": "argocd-update", "config": {"apps": [{"name": "web"}]}}
WAIT = {"uses": "argocd-wait", "config": {"apps": [{"name": "web"}]}}


@dataclass
class Run:
    """A Promotion of Stage dev that is polled when it asks for that."""

    bench: Bench
    promoted: Promotion
    now: datetime = START
    status: PromotionStatus = field(default_factory=PromotionStatus)

    def poll(self) -> PromotionStatus:
        self.now += self.status.retry_after or timedelta(0)
        engine = PromotionEngine(
            registry=step_registry(),
            context_for=self._context,
            clock=lambda: self.now,
            sleep=self._sleep,
            save_progress=lambda status: None,
            on_step=lambda alias, event, message: None,
            sources=Sources(),
            ui_base_url="",
            longest=timedelta(days=7),
        )
        self.status = engine.run(self.promoted, self.status)
        return self.status

    def _context(
        self, step: InflatedStep, promoted: Promotion, previous: Mapping[str, Any] | None
    ) -> StepContext:
        return replace(context_for(step, promoted, previous), argocd=self.bench.open)

    def _sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def permitted(bench: Bench) -> Bench:
    bench.server.add(metadata={"annotations": {"kargo.akuity.io/authorized-stage": "shop:dev"}})
    return bench


def test_a_promotion_syncs_waits_and_succeeds(permitted: Bench) -> None:
    run = Run(permitted, promotion(UPDATE, WAIT))
    assert run.poll().retry_after == timedelta(seconds=10)
    permitted.server.begin()
    assert statuses(run.poll()) == ["Running"]
    assert run.status.retry_after == timedelta(seconds=30)
    permitted.server.finish()
    permitted.server.change({"status": {"health": {"status": "Progressing"}}})
    assert statuses(run.poll()) == ["Succeeded", "Running"]
    assert "its health is Progressing" in run.status.message
    permitted.server.change({"status": {"health": {"status": "Healthy"}}})
    assert statuses(run.poll()) == ["Succeeded", "Succeeded"]
    assert run.status.state["step-2"]["healthStatus"] == {"argocd/web": "Healthy"}
    assert run.status.executions[0].health_check is not None


def test_a_sync_that_takes_longer_than_five_minutes_ends_the_step(permitted: Bench) -> None:
    run = Run(permitted, promotion(UPDATE))
    polls = 0
    while not run.poll().phase.is_terminal:
        polls += 1
    assert polls == 11
    assert run.now == START + timedelta(minutes=5)
    assert run.status.message.startswith('step "step-1" timed out after 0:05:00: Argo CD')
    assert len(permitted.server.begun) == 1


@pytest.mark.parametrize("threshold", [1, 3])
def test_a_failed_sync_counts_towards_the_error_threshold(permitted: Bench, threshold: int) -> None:
    retrying = {**UPDATE, "retry": {"errorThreshold": threshold}}
    run = Run(permitted, promotion(retrying))
    run.poll()
    permitted.server.finish("Failed", message="a hook failed", syncResult={"revision": COMMIT})
    status = run.poll()
    assert (status.phase, statuses(status)) == ("Errored", ["Errored"])
    assert status.message.startswith(f'step "step-1" met error threshold of {threshold}: Argo CD')
    assert status.message.endswith("failed with: a hook failed")


def test_an_application_that_degrades_between_two_polls_ends_the_promotion(
    permitted: Bench,
) -> None:
    permitted.server.change({"status": {"health": {"status": "Progressing"}}})
    run = Run(permitted, promotion({**WAIT, "retry": {"errorThreshold": 9}}))
    assert statuses(run.poll()) == ["Running"]
    permitted.server.change({"status": {"health": {"status": "Degraded"}}})
    status = run.poll()
    assert status.phase == "Errored"
    assert status.message.startswith("an unrecoverable error occurred: Argo CD Application")
