from __future__ import annotations

from collections.abc import Collection

import pytest

from airfreight.model.promotion import PromotionPhase
from airfreight.runtime.claim import MadeDecision, goes_first, is_spent, take
from airfreight.runtime.records import Claim, RunRecord
from tests.runtime.memory import START, Pipeline, at, decision, record

DAG = "shop.pipeline.web"


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline()


def made(pipeline: Pipeline, run_id: str, hour: float, nonce: str = "") -> MadeDecision:
    freight = pipeline.find("1.0.0")
    return MadeDecision(decision(freight, nonce=nonce or f"n-{run_id}"), DAG, run_id, at(hour))


def ahead(pipeline, mine, others=(), ended: Collection[str] = ()) -> tuple[str, ...]:
    return goes_first(mine, others, pipeline.stage("dev"), lambda dag_id, run_id: run_id in ended)


def first(pipeline, mine, others=(), ended: Collection[str] = ()) -> str | None:
    return next(iter(ahead(pipeline, mine, others, ended)), None)


def hold_claim(pipeline: Pipeline, run_id: str, promotion: str = "dev.01.x") -> None:
    pipeline.stage("dev").set_claim(Claim(dag_id=DAG, run_id=run_id, promotion=promotion))


def spend(pipeline: Pipeline, mine: MadeDecision, promotion: str = "dev.01.x") -> None:
    run = RunRecord(nonce=mine.decision.nonce, promotion=promotion, max_tries=3)
    begun = record(pipeline.find("1.0.0"), promotion, run_id=mine.run_id)
    pipeline.stage("dev").begin(begun, run)


def test_nobody_waits_where_nobody_is_before(pipeline):
    assert first(pipeline, made(pipeline, "r2", 2)) is None


def test_a_promotion_waits_while_the_claimant_has_not_ended(pipeline):
    hold_claim(pipeline, "r9")
    assert first(pipeline, made(pipeline, "r2", 2)) == "r9"


def test_the_claim_of_a_run_that_has_ended_is_void(pipeline):
    hold_claim(pipeline, "r1")
    assert first(pipeline, made(pipeline, "r2", 2), ended={"r1"}) is None


def test_the_claimant_does_not_wait_for_itself(pipeline):
    hold_claim(pipeline, "r2")
    assert first(pipeline, made(pipeline, "r2", 2)) is None


ORDER = {
    "an older decision goes first": (1.0, "r1"),
    "a younger one does not": (3.0, None),
}


@pytest.mark.parametrize(("hour", "expected"), ORDER.values(), ids=ORDER)
def test_decisions_are_carried_out_in_their_order(pipeline, hour, expected):
    other = made(pipeline, "r1", hour)
    assert first(pipeline, made(pipeline, "r2", 2), [other]) == expected


def test_nobody_waits_for_a_decision_that_was_carried_out(pipeline):
    other = made(pipeline, "r1", 1)
    spend(pipeline, other)
    assert first(pipeline, made(pipeline, "r2", 2), [other]) is None


def test_nobody_waits_for_a_decision_whose_run_has_ended(pipeline):
    other = made(pipeline, "r1", 1)
    assert first(pipeline, made(pipeline, "r2", 2), [other], ended={"r1"}) is None


def test_an_earlier_decision_of_the_same_run_is_no_reason_to_wait(pipeline):
    mine = made(pipeline, "r2", 2)
    assert first(pipeline, mine, [made(pipeline, "r2", 1, "earlier"), mine]) is None


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_later_decision_of_a_run_stands_for_its_earlier_ones(pipeline, newest_first):
    """Their gate was cleared, promoted again, and may be parked for weeks after another clear."""
    earlier, later = made(pipeline, "r1", 1, "a"), made(pipeline, "r1", 2, "b")
    spend(pipeline, later)
    others = [later, earlier] if newest_first else [earlier, later]
    assert first(pipeline, made(pipeline, "r2", 3), others) is None


def test_of_several_any_one_that_goes_first_is_enough_to_wait(pipeline):
    others = [made(pipeline, "r1", 1), made(pipeline, "r0", 0)]
    assert first(pipeline, made(pipeline, "r2", 2), others, ended={"r0"}) == "r1"


def test_all_who_go_first_are_told_the_claimant_before_the_others(pipeline):
    hold_claim(pipeline, "r9")
    others = [made(pipeline, "r1", 1), made(pipeline, "r0", 0), made(pipeline, "r3", 3)]
    assert ahead(pipeline, made(pipeline, "r2", 2), others) == ("r9", "r0", "r1")


def test_a_decision_is_spent_by_the_promotion_that_names_its_nonce(pipeline):
    mine = made(pipeline, "r1", 1)
    assert not is_spent(mine, pipeline.stage("dev"))
    spend(pipeline, mine)
    assert is_spent(mine, pipeline.stage("dev"))
    assert not is_spent(made(pipeline, "r1", 2, "after a clear"), pipeline.stage("dev"))


def history(pipeline: Pipeline, length: int, *unspent: int) -> list[MadeDecision]:
    """Return decisions r0, r1 …, one an hour, all spent but these."""
    decisions = [made(pipeline, f"r{number}", number) for number in range(length)]
    for number, one in enumerate(decisions):
        if number not in unspent:
            spend(pipeline, one, f"dev.{number:06}.x")
    return decisions


@pytest.mark.parametrize("length", [10, 100, 1000])
def test_a_turn_costs_the_same_few_reads_however_long_the_history_is(pipeline, length):
    *others, mine = history(pipeline, length, length - 1)
    hold_claim(pipeline, others[-1].run_id)
    store = pipeline.stores["dev"]
    store.reads.clear()
    assert ahead(pipeline, mine, [*others, mine], ended={others[-1].run_id}) == ()
    assert store.reads == ["claim", "spent"]


@pytest.mark.parametrize("waiting", [[0], [41], [97], [0, 41, 97]], ids=str)
def test_an_unspent_decision_behind_spent_ones_still_goes_first(pipeline, waiting):
    """Its run was killed and waits for its retry, or had ended and was cleared."""
    *others, mine = history(pipeline, 99, *waiting, 98)
    store = pipeline.stores["dev"]
    store.reads.clear()
    assert ahead(pipeline, mine, others) == tuple(f"r{number}" for number in waiting)
    assert store.reads == ["claim", "spent", *(f"run/r{number}" for number in waiting)]


def test_a_decision_whose_run_record_alone_was_written_is_spent(pipeline):
    """Its task died in between, or an older version of Airfreight wrote it."""
    *others, mine = history(pipeline, 5, 4)
    pipeline.stores["dev"].delete("spent")
    assert ahead(pipeline, mine, others) == ()


def test_what_was_spent_before_its_gate_was_cleared_does_not_spend_the_new_decision(pipeline):
    *others, mine = history(pipeline, 5, 4)
    again = made(pipeline, "r1", 3.5, "after a clear")
    assert ahead(pipeline, mine, [*others, again]) == ("r1",)


def taken(pipeline: Pipeline, run_id: str, promotion: str) -> str | None:
    claim = Claim(dag_id=DAG, run_id=run_id, promotion=promotion)
    left = take(claim, pipeline.stage("dev"), at(5))
    assert pipeline.stage("dev").claim() == claim
    return left


def test_the_first_claim_leaves_nothing_behind(pipeline):
    assert taken(pipeline, "r1", "dev.01.x") is None


@pytest.mark.parametrize("run_id", ["r2", "r1"], ids=["another run", "the same run, cleared"])
def test_what_the_void_claim_left_running_ends_as_aborted(pipeline, run_id):
    spend(pipeline, made(pipeline, "r1", 1))
    hold_claim(pipeline, "r1")
    assert taken(pipeline, run_id, "dev.02.x") == "dev.01.x"
    left = pipeline.stage("dev").promotion("dev.01.x")
    assert left is not None
    assert left.status.phase is PromotionPhase.ABORTED
    assert left.status.finished_at == at(5)
    assert left.status.started_at == START
    assert pipeline.stage("dev").promotions()[0].phase is PromotionPhase.ABORTED


def test_what_had_ended_under_the_void_claim_stays_as_it_ended(pipeline):
    ended = record(pipeline.find("1.0.0"), phase=PromotionPhase.FAILED)
    pipeline.stage("dev").save(ended)
    hold_claim(pipeline, "r1")
    assert taken(pipeline, "r2", "dev.02.x") is None
    assert pipeline.stage("dev").promotion("dev.01.x") == ended
