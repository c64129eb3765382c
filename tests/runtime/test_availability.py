from __future__ import annotations

from datetime import timedelta

import pytest

from airfreight.errors import RefusedError
from airfreight.model.freight import Freight
from airfreight.runtime.availability import (
    Availability,
    available,
    candidate,
    refuse_automatic,
)
from airfreight.runtime.records import Hold
from tests.runtime.memory import API, HOUR, START, WEB, Pipeline, at, content, sources, stage

SOAKED = sources("dev", requiredSoakTime="24h")


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline()


def ask(pipeline: Pipeline, wanted, freight: Freight, hour: float = 0) -> Availability:
    registers = pipeline.registers
    return available(freight.name, freight.content.origin, wanted, registers, at(hour))


def test_freight_of_an_origin_that_is_not_requested_is_not_available_even_if_approved(pipeline):
    freight = pipeline.find("1.0.0", origin=API)
    pipeline.stage("dev").approve(freight.name, "alice", START)
    answer = ask(pipeline, stage("dev"), freight)
    assert answer == Availability(False, "Stage dev does not request Warehouse/api")


def test_a_direct_source_has_everything_at_once(pipeline):
    assert ask(pipeline, stage("dev"), pipeline.find("1.0.0")).available


def test_an_approval_passes_verification_and_soak(pipeline):
    freight = pipeline.find("1.0.0")
    pipeline.stage("prod").approve(freight.name, "alice", START)
    answer = ask(pipeline, stage("prod", SOAKED), freight)
    assert answer == Availability(True, "approved by alice")


def test_an_approval_counts_for_its_stage_only(pipeline):
    freight = pipeline.find("1.0.0")
    pipeline.stage("qa").approve(freight.name, "alice", START)
    assert not ask(pipeline, stage("prod", sources("dev")), freight).available


def test_the_first_approval_stays(pipeline):
    register = pipeline.stage("prod")
    register.approve("f", "alice", at(0))
    register.approve("f", "bob", at(1))
    approved = register.approved("f")
    assert approved is not None
    assert (approved.approved_by, approved.approved_at) == ("alice", at(0))


def test_what_an_upstream_holds_unverified_is_not_available(pipeline):
    freight = pipeline.find("1.0.0")
    pipeline.put("dev", freight)
    answer = ask(pipeline, stage("prod", sources("dev")), freight, hour=100)
    assert answer == Availability(False, "not verified in dev")


def test_what_an_upstream_verified_stays_available_after_it_left(pipeline):
    old = pipeline.find("1.0.0")
    pipeline.verify("dev", old)
    pipeline.verify("dev", pipeline.find("1.1.0", 1), hour=1)
    assert ask(pipeline, stage("prod", sources("dev")), old, hour=2).available


def test_a_stage_without_sources_gets_nothing(pipeline):
    """Kargo's admission calls `All` of no upstreams available to everything."""
    wanted = stage("prod", sources(availabilityStrategy="All"))
    assert not ask(pipeline, wanted, pipeline.find("1.0.0")).available


def test_an_upstream_that_does_not_exist_makes_nothing_available(pipeline):
    answer = ask(pipeline, stage("prod", sources("gone")), pipeline.find("1.0.0"))
    assert answer == Availability(False, "there is no Stage gone")


SOAK = {
    "too early": (23.9, False),
    "at the moment itself": (24, True),
    "later": (30, True),
}


@pytest.mark.parametrize(("hour", "is_available"), SOAK.values(), ids=SOAK)
def test_soak_is_the_time_of_residence_since_the_promotion(pipeline, hour, is_available):
    freight = pipeline.find("1.0.0")
    pipeline.verify("dev", freight)
    answer = ask(pipeline, stage("prod", SOAKED), freight, hour)
    assert answer.available is is_available
    assert answer.ready_at == (None if is_available else at(24))


def test_soak_counts_for_verified_freight_only(pipeline):
    freight = pipeline.find("1.0.0")
    pipeline.put("dev", freight)
    answer = ask(pipeline, stage("prod", SOAKED), freight, hour=48)
    assert answer == Availability(False, "not verified in dev")


def test_a_soak_that_was_long_enough_counts_after_the_freight_left(pipeline):
    freight = pipeline.find("1.0.0")
    pipeline.verify("dev", freight)
    pipeline.verify("dev", pipeline.find("1.1.0", 25), hour=25)
    assert ask(pipeline, stage("prod", SOAKED), freight, hour=26).available


def test_freight_that_left_too_early_waits_for_nothing(pipeline):
    freight = pipeline.find("1.0.0")
    pipeline.verify("dev", freight)
    pipeline.verify("dev", pipeline.find("1.1.0", 23), hour=23)
    answer = ask(pipeline, stage("prod", SOAKED), freight, hour=48)
    assert not answer.available
    assert answer.ready_at is None
    assert "left dev" in answer.reason


def test_two_short_stays_are_not_added_up(pipeline):
    freight, other = pipeline.find("1.0.0"), pipeline.find("1.1.0", 1)
    pipeline.verify("dev", freight, hour=0)
    pipeline.verify("dev", other, hour=20)
    pipeline.verify("dev", freight, hour=21)
    assert ask(pipeline, stage("prod", SOAKED), freight, hour=41).ready_at == at(45)


def test_promoting_the_same_freight_again_does_not_restart_its_soak(pipeline):
    freight = pipeline.find("1.0.0")
    pipeline.verify("dev", freight, hour=0)
    pipeline.verify("dev", freight, hour=20)
    assert ask(pipeline, stage("prod", SOAKED), freight, hour=24).available


def test_a_promotion_of_another_origin_does_not_restart_the_soak(pipeline):
    web = pipeline.find("1.0.0")
    pipeline.verify("dev", web, hour=0)
    pipeline.verify("dev", web, pipeline.find("7.0.0", origin=API), hour=20)
    pipeline.verify("dev", web, pipeline.find("7.1.0", 22, API), hour=22)
    assert ask(pipeline, stage("prod", SOAKED), web, hour=24).available


TWO = ("dev", "qa")
STRATEGIES = {
    "one of, none": ("", (), False),
    "one of, first": ("", ("dev",), True),
    "one of, second": ("OneOf", ("qa",), True),
    "one of, both": ("OneOf", TWO, True),
    "all, none": ("All", (), False),
    "all, one": ("All", ("dev",), False),
    "all, both": ("All", TWO, True),
}


@pytest.mark.parametrize(("strategy", "verified", "expected"), STRATEGIES.values(), ids=STRATEGIES)
def test_the_strategy_says_how_many_upstreams_have_to_agree(pipeline, strategy, verified, expected):
    freight = pipeline.find("1.0.0")
    for name in verified:
        pipeline.verify(name, freight)
    wanted = stage("prod", sources(*TWO, availabilityStrategy=strategy))
    assert ask(pipeline, wanted, freight).available is expected


READY = {
    "one of: the earliest": ("OneOf", {"dev": 0.0, "qa": 3.0}, 24.0),
    "all: the latest": ("All", {"dev": 0.0, "qa": 3.0}, 27.0),
    "one of: the only one that soaks": ("OneOf", {"qa": 3.0}, 27.0),
    "all: never, while one has not verified": ("All", {"qa": 3.0}, None),
}


@pytest.mark.parametrize(("strategy", "arrivals", "ready"), READY.values(), ids=READY)
def test_freight_is_ready_when_enough_upstreams_have_soaked(pipeline, strategy, arrivals, ready):
    freight = pipeline.find("1.0.0")
    for name, hour in arrivals.items():
        pipeline.verify(name, freight, hour=hour)
    wanted = stage("prod", sources(*TWO, availabilityStrategy=strategy, requiredSoakTime="24h"))
    answer = ask(pipeline, wanted, freight, hour=4)
    assert answer.ready_at == (None if ready is None else at(ready))


MATCH = sources("dev", autoPromotionOptions={"selectionPolicy": "MatchUpstream"})


def test_matching_the_upstream_takes_only_what_it_holds_now(pipeline):
    old, new = pipeline.find("1.0.0"), pipeline.find("1.1.0", 1)
    pipeline.verify("dev", old)
    pipeline.verify("dev", new, hour=1)
    wanted = stage("prod", MATCH)
    assert not ask(pipeline, wanted, old, hour=2).available
    assert ask(pipeline, wanted, new, hour=2).available


def test_a_stage_that_matches_its_upstream_follows_it_to_older_freight(pipeline):
    old, new = pipeline.find("1.0.0"), pipeline.find("1.1.0", 1)
    pipeline.verify("dev", new, hour=1)
    pipeline.verify("prod", new, hour=2)
    pipeline.verify("dev", old, hour=3)
    assert refuse_automatic(old, stage("prod", MATCH), pipeline.registers, at(4)) is None


def test_the_candidate_is_the_newest_that_is_available(pipeline):
    for hour, version in enumerate(("1.0.0", "1.1.0", "1.2.0")):
        pipeline.find(version, hour)
    verified = pipeline.find("1.1.0")
    pipeline.verify("dev", verified)
    direct = candidate(stage("dev"), WEB, pipeline.registers, at(9))
    behind = candidate(stage("prod", sources("dev")), WEB, pipeline.registers, at(9))
    assert direct.entry is not None
    assert direct.entry.name == content("1.2.0").name
    assert behind.entry is not None
    assert behind.entry.name == verified.name


def test_what_a_person_put_together_is_no_candidate(pipeline):
    found = pipeline.find("1.0.0")
    warehouse = pipeline.registers.warehouses["web"]
    warehouse.register(content("0.9.0"), at(5), by_hand=True)
    newest = candidate(stage("dev"), WEB, pipeline.registers, at(9))
    assert newest.entry is not None
    assert newest.entry.name == found.name


def test_of_two_found_at_once_the_greater_name_is_the_candidate(pipeline):
    names = [pipeline.find(version).name for version in ("1.0.0", "1.1.0", "1.2.0", "1.3.0")]
    found = candidate(stage("dev"), WEB, pipeline.registers, START)
    assert found.entry is not None
    assert found.entry.name == max(names)


def test_there_is_no_candidate_where_nothing_is_available(pipeline):
    pipeline.find("1.0.0")
    found = candidate(stage("prod", sources("dev")), WEB, pipeline.registers, START)
    assert found.entry is None
    assert found.reason == "nothing of Warehouse/web is available to prod"


def refusal(pipeline: Pipeline, freight: Freight, wanted=None) -> str | None:
    return refuse_automatic(freight, wanted or stage("dev"), pipeline.registers, at(9))


def test_the_candidate_is_promoted_by_itself(pipeline):
    pipeline.verify("dev", pipeline.find("1.0.0"))
    assert refusal(pipeline, pipeline.find("1.1.0", 1)) is None


def test_superseded_freight_is_not_promoted_by_itself(pipeline):
    old, new = pipeline.find("1.0.0"), pipeline.find("1.1.0", 1)
    assert refusal(pipeline, old) == f"superseded by {new.alias}"


def test_what_the_stage_holds_is_not_promoted_by_itself_again(pipeline):
    freight = pipeline.find("1.0.0")
    pipeline.verify("dev", freight)
    assert refusal(pipeline, freight) == "dev holds it already"


def test_a_hold_stops_every_promotion_by_itself_of_its_origin_only(pipeline):
    web, api = pipeline.find("1.0.0"), pipeline.find("7.0.0", origin=API)
    hold = Hold(freight=web.name, promotion="p", actor="alice", created_at=START)
    pipeline.stage("dev").set_hold(WEB.key, hold)
    both = stage("dev", api={"direct": True})
    reason = refusal(pipeline, web, both)
    assert reason is not None
    assert reason.startswith("held since alice promoted")
    assert refusal(pipeline, api, both) is None


def test_a_stage_goes_back_to_no_older_freight_by_itself(pipeline):
    old, held = pipeline.find("1.0.0"), pipeline.find("1.1.0", 1)
    pipeline.verify("qa", old)
    pipeline.put("prod", held, hour=2)
    wanted = stage("prod", sources("qa"))
    assert refusal(pipeline, old, wanted) == f"prod holds the newer {held.alias}"


def test_a_reference_is_looked_up_in_every_warehouse(pipeline):
    api = pipeline.find("7.0.0", origin=API)
    assert pipeline.registers.resolve(api.alias) == api


@pytest.mark.parametrize(("guess", "asked"), [("api", 0), ("web", 1), (None, 1), (["api"], 1)])
def test_freight_is_found_by_its_whole_name_wherever_it_was_thought_to_be(pipeline, guess, asked):
    api = pipeline.find("7.0.0", origin=API)
    pipeline.stores["web"].reads.clear()
    assert pipeline.registers.freight(api.name, guess) == api
    assert len(pipeline.stores["web"].reads) == asked


def test_a_name_that_no_freight_has_is_refused(pipeline):
    with pytest.raises(RefusedError, match="no Freight is named 'abcdef'"):
        pipeline.registers.freight("abcdef")


def test_a_decision_that_takes_a_moment_reads_each_key_once(pipeline):
    freight = pipeline.find("1.0.0")
    pipeline.verify("qa", freight)
    registers = pipeline.registers.at_once()
    wanted = stage("prod", sources("qa"))
    answers = []
    for _ in range(2):
        for store in pipeline.stores.values():
            store.reads.clear()
        answers.append(refuse_automatic(freight, wanted, registers, at(9)))
    assert answers == [None, None]
    assert not any(store.reads for store in pipeline.stores.values())


def test_a_reference_that_fits_nothing_is_refused(pipeline):
    with pytest.raises(RefusedError, match="no Freight is named 'abcdef'"):
        pipeline.registers.resolve("abcdef")


def test_a_prefix_that_fits_freight_of_two_warehouses_is_refused(pipeline):
    ambiguous_in(pipeline, {"web": ("abcd1",), "api": ("abcd2",)})


def test_a_prefix_that_is_ambiguous_in_one_warehouse_is_not_taken_from_the_other(pipeline):
    ambiguous_in(pipeline, {"web": ("abcd1", "abcd2"), "api": ("abcd3",)})


def ambiguous_in(pipeline: Pipeline, names: dict[str, tuple[str, ...]]) -> None:
    for warehouse, known in names.items():
        rows = [
            {"name": name, "alias": f"alias-{name}", "discoveredAt": START.isoformat()}
            for name in known
        ]
        pipeline.stores[warehouse].set("index", rows)
    with pytest.raises(RefusedError, match=r"could be .*alias-abcd2"):
        pipeline.registers.resolve("abcd")


def test_the_soak_of_freight_with_two_origins_is_recorded_when_only_one_leaves(pipeline):
    web, api = pipeline.find("1.0.0"), pipeline.find("7.0.0", origin=API)
    pipeline.verify("dev", web, api, hour=0)
    pipeline.verify("dev", web, pipeline.find("7.1.0", 5, API), hour=5)
    pipeline.verify("dev", pipeline.find("1.1.0", 8), hour=8)
    soaks = [pipeline.stage("dev").verified(one.name) for one in (web, api)]
    assert [soak.longest_soak for soak in soaks if soak] == [8 * HOUR, timedelta(hours=5)]
