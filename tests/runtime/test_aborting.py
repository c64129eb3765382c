from __future__ import annotations

import pytest

from airfreight.errors import RefusedError
from airfreight.model.promotion import PromotionPhase
from airfreight.runtime.aborting import abort_asked, end_aborted, request_abort
from airfreight.runtime.fence import Fence
from airfreight.runtime.records import AbortRequest, Claim, RunRecord
from airfreight.runtime.stage_register import StageRegister
from tests.runtime.memory import Pipeline, at, record

ASKED = AbortRequest(actor="alice", reason="wrong day", requested_at=at(2))


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline()


@pytest.fixture
def register(pipeline: Pipeline) -> StageRegister:
    """Return the register of a Stage to which run-1 promotes."""
    register = pipeline.stage("dev")
    begun = record(pipeline.find("1.0.0"))
    register.begin(begun, RunRecord(nonce="n", promotion=begun.promotion.name, max_tries=0))
    register.set_claim(
        Claim(dag_id="shop.pipeline.web", run_id="run-1", promotion=begun.promotion.name)
    )
    return register


def phase(register: StageRegister) -> PromotionPhase:
    found = register.promotion("dev.01.x")
    assert found is not None
    assert register.promotions()[0].phase is found.status.phase
    return found.status.phase


def test_an_abort_ends_the_promotion_with_who_and_why_and_shuts_its_process_out(register):
    fence = Fence(register, "its own")
    fence.enter()
    assert request_abort(register, "run-1", ASKED) == "dev.01.x"
    assert phase(register) is PromotionPhase.ABORTED
    assert register.promotions()[0].message == "aborted by alice: wrong day"
    with pytest.raises(RefusedError):
        fence.check()


def test_an_abort_of_what_has_not_begun_is_remembered_and_touches_nobody_else(register):
    fence = Fence(register, "that of run-1")
    fence.enter()
    assert request_abort(register, "run-2", ASKED) is None
    fence.check()
    assert phase(register) is PromotionPhase.RUNNING
    assert abort_asked(register, "run-2", since=at(1)) == ASKED


def test_a_decision_made_after_the_abort_is_not_touched_by_it(register):
    request_abort(register, "run-2", ASKED)
    assert abort_asked(register, "run-2", since=at(3)) is None


def test_what_has_ended_cannot_be_aborted(register):
    end_aborted(register, "run-1", "its end", at(1))
    with pytest.raises(RefusedError, match=r"Promotion dev\.01\.x has ended: Aborted"):
        request_abort(register, "run-1", ASKED)
    assert register.abort("run-1") is None


def test_what_ended_otherwise_stays_as_it_ended(pipeline, register):
    ended = record(pipeline.find("1.0.0"), phase=PromotionPhase.SUCCEEDED)
    register.save(ended)
    end_aborted(register, "run-1", "too late", at(3))
    assert phase(register) is PromotionPhase.SUCCEEDED
    end_aborted(register, "no such run", "nothing there", at(3))


def test_a_process_that_was_told_to_end_does_nothing_more(register):
    fence = Fence(register, "its own")
    fence.enter()
    fence.stopped.set()
    with pytest.raises(RefusedError, match="this task was ended while it promoted"):
        fence.check()


def test_a_process_that_was_taken_for_dead_is_not_the_one_to_end_its_successors_promotion(register):
    """Guard: `is_lost`, which `PromoteOperator._why_stopped` asks before it writes that the Promotion was ended."""
    fence = Fence(register, "its own")
    fence.enter()
    assert not fence.is_lost
    Fence(register, "its successor's").enter()
    fence.stopped.set()
    assert fence.is_lost
    with pytest.raises(RefusedError, match="this one was taken for dead"):
        fence.check()
