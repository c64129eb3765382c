from __future__ import annotations

import pytest

from airfreight.model.freight import Freight
from airfreight.runtime.gate import Ask, Close, Decide, Look, Question, RunFacts, Wait, look
from airfreight.runtime.records import Hold, OpenRequest
from airfreight.runtime.stage_register import StageRegister
from tests.runtime.memory import START, WEB, MemoryStore, Pipeline, at, sources, stage

OWN = RunFacts(dag_id="shop.pipeline.web", run_id="run-1", by_hand=False, actor="somebody")
BY_HAND = RunFacts(dag_id="shop.pipeline.web", run_id="manual", by_hand=True, actor="alice")


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline()


def gate(pipeline: Pipeline, freight: Freight, wanted=None, hour: float = 9, **facts) -> Look:
    known = {
        "run": OWN,
        "auto_promotes": False,
        "keeps_requests": False,
        "upstreams_ended": False,
    }
    question = Question(stage=wanted or stage("dev"), freight=freight, **{**known, **facts})
    return look(question, pipeline.registers, at(hour))


def test_a_gate_waits_until_the_soak_ends(pipeline):
    freight = pipeline.find("1.0.0")
    pipeline.verify("dev", freight)
    wanted = stage("prod", sources("dev", requiredSoakTime="24h"))
    assert gate(pipeline, freight, wanted, upstreams_ended=True) == Wait(at(24), "soaking in dev")


def test_a_gate_waits_for_an_upstream_that_may_still_move(pipeline):
    answer = gate(pipeline, pipeline.find("1.0.0"), stage("prod", sources("dev")))
    assert answer == Wait(None, "not verified in dev")


@pytest.mark.parametrize("run", [OWN, BY_HAND], ids=["own run", "by hand"])
@pytest.mark.parametrize("auto", [True, False], ids=["automatic", "manual"])
def test_a_gate_closes_when_nothing_in_its_run_can_help_any_more(pipeline, run, auto):
    wanted = stage("prod", sources("dev"))
    freight = pipeline.find("1.0.0")
    answer = gate(pipeline, freight, wanted, run=run, auto_promotes=auto, upstreams_ended=True)
    assert answer == Close("not available to prod: not verified in dev")


def test_a_gate_that_waited_for_soak_closes_when_the_freight_left_the_upstream(pipeline):
    freight = pipeline.find("1.0.0")
    pipeline.verify("dev", freight)
    pipeline.verify("dev", pipeline.find("1.1.0", 2), hour=2)
    wanted = stage("prod", sources("dev", requiredSoakTime="24h"))
    answer = gate(pipeline, freight, wanted, upstreams_ended=True)
    assert isinstance(answer, Close)
    assert "left dev" in answer.reason


def test_the_candidate_of_a_stage_that_promotes_by_itself_goes_on(pipeline):
    answer = gate(pipeline, pipeline.find("1.0.0"), auto_promotes=True)
    assert answer == Decide("automatic", "", "straight from the Warehouse")


def test_superseded_freight_closes_where_the_stage_promotes_by_itself(pipeline):
    old, new = pipeline.find("1.0.0"), pipeline.find("1.1.0", 1)
    assert gate(pipeline, old, auto_promotes=True) == Close(f"superseded by {new.alias}")


def test_a_hold_closes_the_gate_of_the_candidate(pipeline):
    freight = pipeline.find("1.0.0")
    hold = Hold(freight="f" * 40, promotion="p", actor="alice", created_at=START)
    pipeline.stage("dev").set_hold(WEB.key, hold)
    answer = gate(pipeline, freight, auto_promotes=True)
    assert answer == Close("held since alice promoted ffffffffffff by hand")


def test_a_person_promotes_older_freight_to_a_stage_that_promotes_by_itself(pipeline):
    old = pipeline.find("1.0.0")
    pipeline.verify("dev", pipeline.find("1.1.0", 1), hour=1)
    answer = gate(pipeline, old, auto_promotes=True, run=BY_HAND)
    assert answer == Decide("by hand", "alice", "asked for by hand")


def test_a_run_by_hand_gets_nobody_past_availability(pipeline):
    wanted = stage("prod", sources("dev"))
    answer = gate(pipeline, pipeline.find("1.0.0"), wanted, auto_promotes=True, run=BY_HAND)
    assert isinstance(answer, Wait)


@pytest.mark.parametrize("run", [OWN, BY_HAND], ids=["own run", "by hand"])
def test_a_person_is_asked_where_the_stage_does_not_promote_by_itself(pipeline, run):
    assert gate(pipeline, pipeline.find("1.0.0"), run=run) == Ask()


def test_nobody_is_asked_for_what_the_stage_holds_already(pipeline):
    freight = pipeline.find("1.0.0")
    pipeline.verify("dev", freight)
    assert gate(pipeline, freight) == Close("dev holds it already")


def test_a_person_may_ask_for_what_the_stage_holds_already(pipeline):
    freight = pipeline.find("1.0.0")
    pipeline.verify("dev", freight)
    assert gate(pipeline, freight, run=BY_HAND) == Ask()


def test_the_older_request_closes_when_newer_freight_asks(pipeline):
    old, new = pipeline.find("1.0.0"), pipeline.find("1.1.0", 1)
    assert gate(pipeline, old) == Ask()
    assert gate(pipeline, new) == Ask()
    assert gate(pipeline, old) == Close(f"superseded by {new.alias}, which asks for dev now")
    assert gate(pipeline, new) == Ask()


def test_an_annotation_keeps_the_older_request_open(pipeline):
    old, new = pipeline.find("1.0.0"), pipeline.find("1.1.0", 1)
    gate(pipeline, new)
    assert gate(pipeline, old, keeps_requests=True) == Ask()


def test_a_run_by_hand_neither_supersedes_nor_is_superseded(pipeline):
    old, new = pipeline.find("1.0.0"), pipeline.find("1.1.0", 1)
    gate(pipeline, new, run=BY_HAND)
    assert gate(pipeline, old) == Ask()
    gate(pipeline, new)
    assert gate(pipeline, old, run=BY_HAND) == Ask()


def test_of_two_found_at_once_the_request_of_the_greater_name_stays(pipeline):
    lesser, greater = sorted(
        (pipeline.find("1.0.0"), pipeline.find("1.1.0")), key=lambda freight: freight.name
    )
    gate(pipeline, lesser)
    assert gate(pipeline, greater) == Ask()
    assert isinstance(gate(pipeline, lesser), Close)


def request(freight: Freight) -> OpenRequest:
    return OpenRequest(
        freight=freight.name,
        alias=freight.alias,
        discovered_at=freight.discovered_at,
        run_id="run",
    )


def test_two_gates_that_race_agree_at_their_next_look(pipeline):
    old, new = pipeline.find("1.0.0"), pipeline.find("1.1.0", 1)
    store = MemoryStore()
    register = StageRegister(store)

    def newer_comes_between(key: str) -> None:
        store.before_set = lambda key: None
        assert register.ask(WEB.key, request(new)).freight == new.name

    store.before_set = newer_comes_between
    assert register.ask(WEB.key, request(old)).freight == old.name
    for asking in (new, old, new, old):
        assert register.ask(WEB.key, request(asking)).freight == new.name
