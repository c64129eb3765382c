from __future__ import annotations

from datetime import timedelta

import pytest

from airfreight.model.promotion import PromotionPhase
from airfreight.runtime.records import ClosedGate, Holding, Offer, OpenRequest
from airfreight.runtime.stage_register import StageRegister
from tests.runtime.memory import HOUR, WEB, MemoryStore, Pipeline, at, record


@pytest.fixture
def register() -> StageRegister:
    return StageRegister(MemoryStore())


def holding(number: int, freight: str = "", hour: float | None = None) -> Holding:
    return Holding(
        items={WEB.key: freight or f"freight-{number}"},
        since=at(number if hour is None else hour),
        promotion=f"dev.{number:02}.x",
        dag_id="shop.pipeline.web",
        run_id=f"run-{number}",
    )


def test_an_empty_register_knows_nothing(register):
    known = [
        register.current(),
        register.claim(),
        register.run("r"),
        register.promotion("p"),
        register.hold(WEB.key),
        register.request(WEB.key),
        register.offer(WEB.key),
        register.closed("r"),
    ]
    assert known == [None] * 8
    assert (register.history(), register.promotions()) == ((), ())


def test_the_history_is_newest_first_and_keeps_10(register):
    for number in range(13):
        register.arrive(holding(number))
    assert [row.promotion for row in register.history()] == [
        f"dev.{number:02}.x" for number in range(12, 2, -1)
    ]


def test_an_arrival_counts_once(register):
    for number in (1, 2, 2):
        register.arrive(holding(number))
    assert [row.promotion for row in register.history()] == ["dev.02.x", "dev.01.x"]


@pytest.mark.parametrize("repeated", [0, 5, 11], ids=["beyond the history", "within", "newest"])
def test_a_repeated_arrival_changes_nothing(register, repeated):
    for number in range(12):
        register.arrive(holding(number))
    before = register.current(), register.history()
    register.arrive(holding(repeated))
    assert (register.current(), register.history()) == before


def test_an_arrival_that_died_before_the_history_was_written_is_finished_when_repeated():
    store = MemoryStore()
    register = StageRegister(store)
    register.mark_verified("freight-1", at(1))
    register.arrive(holding(1))

    def die(key: str) -> None:
        assert key != "history"

    store.before_set = die
    with pytest.raises(AssertionError):
        register.arrive(holding(2))
    store.before_set = lambda key: None
    register.arrive(holding(2))
    assert [row.promotion for row in register.history()] == ["dev.02.x", "dev.01.x"]
    verified = register.verified("freight-1")
    assert verified is not None
    assert verified.longest_soak == HOUR


def test_leaving_a_stage_records_the_residence_of_verified_freight(register):
    register.mark_verified("freight-1", at(0))
    register.arrive(holding(1))
    register.arrive(holding(2, hour=4))
    verified = register.verified("freight-1")
    assert verified is not None
    assert verified.longest_soak == 3 * HOUR


def test_leaving_a_stage_unverified_records_nothing(register):
    register.arrive(holding(1))
    register.arrive(holding(2))
    register.mark_verified("freight-1", at(3))
    verified = register.verified("freight-1")
    assert verified is not None
    assert verified.longest_soak == timedelta(0)


def test_the_longest_of_several_stays_is_kept(register):
    register.mark_verified("a", at(0))
    stays = ((1, "a", 0), (2, "b", 5), (3, "a", 6), (4, "b", 8))
    for number, freight, hour in stays:
        register.arrive(holding(number, freight, hour))
    verified = register.verified("a")
    assert verified is not None
    assert verified.longest_soak == 5 * HOUR


def test_a_stay_goes_on_through_promotions_of_the_same_freight(register):
    register.mark_verified("a", at(0))
    for number, freight, hour in ((1, "a", 0), (2, "a", 5), (3, "a", 6), (4, "b", 8)):
        register.arrive(holding(number, freight, hour))
    verified = register.verified("a")
    assert verified is not None
    assert verified.longest_soak == 8 * HOUR


def test_the_index_keeps_the_last_20_promotions_newest_first():
    pipeline = Pipeline()
    freight, register = pipeline.find("1.0.0"), pipeline.stage("dev")
    for number in range(23):
        register.save(record(freight, f"dev.{number:02}.x"))
    names = [row.name for row in register.promotions()]
    assert names == [f"dev.{number:02}.x" for number in range(22, 2, -1)]
    assert [register.promotion(f"dev.{number:02}.x") is None for number in range(4)] == [
        True,
        True,
        True,
        False,
    ]


def test_the_index_follows_a_promotion_without_moving_it():
    pipeline = Pipeline()
    freight, register = pipeline.find("1.0.0"), pipeline.stage("dev")
    for number in (1, 2):
        register.save(record(freight, f"dev.0{number}.x"))
    register.save(record(freight, "dev.01.x", PromotionPhase.FAILED))
    rows = [(row.name, row.phase.value) for row in register.promotions()]
    assert rows == [("dev.02.x", "Running"), ("dev.01.x", "Failed")]


def test_a_closed_gate_and_an_offer_read_back_as_written(register):
    closed = ClosedGate(freight="f", reason="rejected by bob", rejected=True, at=at(1), max_tries=3)
    register.close("r1", closed)
    register.set_offer(WEB.key, Offer(freight="f", run_id="r2"))
    assert register.closed("r1") == closed
    assert register.closed("r2") is None
    assert register.offer(WEB.key) == Offer(freight="f", run_id="r2")


def test_freight_is_in_use_where_the_stage_holds_promotes_or_asks_about_it(register):
    pipeline = Pipeline()
    ended, running, asking = (pipeline.find(version) for version in ("1.0.0", "1.1.0", "1.2.0"))
    register.arrive(holding(1, "held"))
    register.save(record(ended, "dev.01.x", PromotionPhase.SUCCEEDED))
    register.save(record(running, "dev.02.x"))
    register.ask(
        WEB.key,
        OpenRequest(freight=asking.name, alias=asking.alias, discovered_at=at(0), run_id="run"),
    )
    assert register.freight_in_use(WEB.key) == {"held", running.name, asking.name}
