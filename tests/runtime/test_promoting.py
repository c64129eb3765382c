from __future__ import annotations

import pytest

from airfreight.errors import RefusedError
from airfreight.model.promotion import PromotionPhase
from airfreight.runtime.claim import take
from airfreight.runtime.promoting import (
    Superseded,
    arrive,
    begin,
    check_decision,
    collect_freight,
    make_promotion,
    settle_hold,
)
from airfreight.runtime.records import Claim, Hold
from tests.runtime.memory import (
    API,
    DIRECT,
    START,
    WEB,
    Pipeline,
    at,
    decision,
    record,
    sources,
    stage,
)

KINDS = ("automatic", "approved", "by hand")


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline()


def check(pipeline, made, freight, wanted=None, digest="d1"):
    return check_decision(made, freight, wanted or stage("dev"), digest, pipeline.registers, at(9))


@pytest.mark.parametrize("kind", KINDS)
def test_a_decision_that_still_holds_is_carried_out(pipeline, kind):
    freight = pipeline.find("1.0.0")
    assert check(pipeline, decision(freight, decision=kind), freight) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_decision_about_other_freight_is_refused(pipeline, kind):
    made = decision(pipeline.find("1.0.0"), decision=kind)
    with pytest.raises(RefusedError, match="another Freight or Stage"):
        check(pipeline, made, pipeline.find("1.1.0"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_decision_about_another_stage_is_refused(pipeline, kind):
    freight = pipeline.find("1.0.0")
    with pytest.raises(RefusedError, match="another Freight or Stage"):
        check(pipeline, decision(freight, "qa", decision=kind), freight)


@pytest.mark.parametrize("kind", KINDS)
def test_a_decision_about_freight_that_is_not_available_is_refused(pipeline, kind):
    freight = pipeline.find("1.0.0")
    made = decision(freight, "prod", decision=kind)
    with pytest.raises(RefusedError, match="not available to prod: not verified in dev"):
        check(pipeline, made, freight, stage("prod", sources("dev")))


def test_an_approval_of_other_steps_than_todays_is_refused(pipeline):
    freight = pipeline.find("1.0.0")
    with pytest.raises(RefusedError, match="the steps changed after the approval; clear the gate"):
        check(pipeline, decision(freight, decision="approved"), freight, digest="d2")


@pytest.mark.parametrize("kind", ["automatic", "by hand"])
def test_a_decision_that_nobody_was_shown_the_steps_for_takes_todays(pipeline, kind):
    freight = pipeline.find("1.0.0")
    assert check(pipeline, decision(freight, decision=kind), freight, digest="d2") is None


def test_an_automatic_decision_ends_as_superseded_when_newer_freight_is_available(pipeline):
    old, new = pipeline.find("1.0.0"), pipeline.find("1.1.0", 1)
    assert check(pipeline, decision(old), old) == Superseded(f"superseded by {new.alias}")


def test_an_automatic_decision_ends_as_superseded_when_a_hold_was_set(pipeline):
    freight = pipeline.find("1.0.0")
    hold = Hold(freight=freight.name, promotion="p", actor="alice", created_at=START)
    pipeline.stage("dev").set_hold(WEB.key, hold)
    assert isinstance(check(pipeline, decision(freight), freight), Superseded)


@pytest.mark.parametrize("kind", ["approved", "by hand"])
def test_what_a_person_decided_is_honoured_though_newer_freight_is_available(pipeline, kind):
    old = pipeline.find("1.0.0")
    pipeline.find("1.1.0", 1)
    assert check(pipeline, decision(old, decision=kind), old) is None


def promote(pipeline, freight, wanted=None, hour=9.5):
    made = decision(freight, decision="by hand", actor="alice")
    wanted = wanted or stage("dev")
    return make_promotion(made, freight, wanted, ((), ()), "shop", pipeline.registers, at(hour))


def test_a_promotion_is_named_after_stage_time_and_freight(pipeline):
    freight = pipeline.find("1.0.0")
    first, second = (promote(pipeline, freight, hour=hour) for hour in (1, 2))
    name, ulid, end = first.name.split(".")
    assert (name, len(ulid), end) == ("dev", 26, freight.name[:7])
    assert first.name == first.name.lower()
    assert first.name < second.name
    assert first.actor == "alice"


def test_a_promotion_starts_at_a_whole_second_since_commits_are_dated_by_it(pipeline):
    promotion = promote(pipeline, pipeline.find("1.0.0"), hour=1.00011)
    assert promotion.started_at == at(1)


ROLLBACKS = {
    "older than what is held": ("1.0.0", "1.1.0", True),
    "newer": ("1.1.0", "1.0.0", False),
    "the same": ("1.0.0", "1.0.0", False),
    "nothing is held": ("1.0.0", None, False),
}


@pytest.mark.parametrize(("target", "held", "expected"), ROLLBACKS.values(), ids=ROLLBACKS)
def test_a_promotion_of_older_freight_than_is_held_is_a_rollback(pipeline, target, held, expected):
    known = {version: pipeline.find(version, n) for n, version in enumerate(("1.0.0", "1.1.0"))}
    if held is not None:
        pipeline.verify("dev", known[held], hour=2)
    assert promote(pipeline, known[target]).rollback is expected


BOTH = stage("dev", api=DIRECT)


def test_a_promotion_takes_along_what_the_stage_holds_of_other_origins(pipeline):
    api = pipeline.find("7.0.0", origin=API)
    pipeline.verify("dev", pipeline.find("1.0.0"), api)
    new = pipeline.find("1.1.0", 1)
    assert collect_freight(new, BOTH, pipeline.registers) == {API.key: api, WEB.key: new}


def test_an_origin_of_which_nothing_is_held_is_missing_from_the_collection(pipeline):
    new = pipeline.find("1.0.0")
    assert collect_freight(new, BOTH, pipeline.registers) == {WEB.key: new}


def test_an_origin_that_is_not_requested_any_more_is_not_taken_along(pipeline):
    pipeline.verify("dev", pipeline.find("1.0.0"), pipeline.find("7.0.0", origin=API))
    new = pipeline.find("1.1.0", 1)
    assert collect_freight(new, stage("dev"), pipeline.registers) == {WEB.key: new}


def test_nothing_is_inherited_from_a_promotion_that_failed(pipeline):
    """Kargo inherits from the last terminal Promotion, also from one that failed."""
    good, bad = (pipeline.find(version, origin=API) for version in ("7.0.0", "7.1.0"))
    pipeline.verify("dev", good)
    pipeline.stage("dev").save(record(bad, "dev.02.x", PromotionPhase.FAILED))
    collection = collect_freight(pipeline.find("1.0.0"), BOTH, pipeline.registers)
    assert collection[API.key] == good


def settle(pipeline, freight, *, by_hand=True, hour=9.0, wanted=None):
    wanted = wanted or stage("dev")
    promotion = promote(pipeline, freight, wanted)
    settle_hold(promotion, wanted, pipeline.registers, at(hour), by_hand=by_hand)
    return pipeline.stage(wanted.name).hold(freight.content.origin.key)


def test_a_person_who_promotes_other_freight_than_the_candidate_sets_the_hold(pipeline):
    old = pipeline.find("1.0.0")
    pipeline.find("1.1.0", 1)
    hold = settle(pipeline, old)
    assert hold is not None
    assert (hold.freight, hold.actor, hold.created_at) == (old.name, "alice", at(9))


def test_a_person_who_promotes_where_there_is_no_candidate_sets_the_hold(pipeline):
    freight = pipeline.find("1.0.0")
    assert settle(pipeline, freight, wanted=stage("prod", sources("dev"))) is not None


def test_a_person_who_promotes_the_candidate_clears_the_hold(pipeline):
    old, new = pipeline.find("1.0.0"), pipeline.find("1.1.0", 1)
    settle(pipeline, old)
    assert settle(pipeline, new) is None


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"], ids=["other", "candidate"])
def test_an_automatic_promotion_leaves_holds_as_they_are(pipeline, version):
    known = {version: pipeline.find(version, n) for n, version in enumerate(("1.0.0", "1.1.0"))}
    before = settle(pipeline, known["1.0.0"])
    assert before is not None
    assert settle(pipeline, known[version], by_hand=False, hour=10) == before


def test_a_hold_is_of_one_origin(pipeline):
    old = pipeline.find("1.0.0")
    pipeline.find("1.1.0", 1)
    settle(pipeline, old, wanted=BOTH)
    assert pipeline.stage("dev").hold(API.key) is None


def test_a_promotion_is_written_before_it_spends_its_decision(pipeline):
    """Guard: the order of the writes in `StageRegister.begin`."""
    freight = pipeline.find("1.0.0")
    promotion = promote(pipeline, freight)
    claim = Claim(dag_id="shop.pipeline.web", run_id="r1", promotion=promotion.name)
    made = decision(freight, nonce="once")
    begun = begin(promotion, made, claim, 10, pipeline.stage("dev"))
    run = pipeline.stage("dev").run("r1")
    assert run is not None
    assert (run.nonce, run.promotion, run.max_tries) == ("once", promotion.name, 10)
    writes = pipeline.stores["dev"].writes
    assert writes.index(f"promotion/{promotion.name}") < writes.index("run/r1")
    assert pipeline.stage("dev").promotion(promotion.name) == begun
    assert begun.status.phase is PromotionPhase.RUNNING


def test_a_promote_killed_before_its_decision_is_spent_begins_another_and_aborts_the_first(
    pipeline,
):
    """Guard: the order of the writes in `StageRegister.begin`, and `take`, which aborts what was left."""

    class KilledError(Exception):
        pass

    def kill(key: str) -> None:
        if key.startswith("run/"):
            raise KilledError

    freight = pipeline.find("1.0.0")
    made = decision(freight, nonce="once")
    first, second = (promote(pipeline, freight, hour=hour) for hour in (8, 9))
    claims = [
        Claim(dag_id="shop.pipeline.web", run_id="r1", promotion=promotion.name)
        for promotion in (first, second)
    ]
    register = pipeline.stage("dev")
    take(claims[0], register, at(8))
    pipeline.stores["dev"].before_set = kill
    with pytest.raises(KilledError):
        begin(first, made, claims[0], 10, pipeline.stage("dev"))
    assert register.run("r1") is None
    pipeline.stores["dev"].before_set = lambda key: None
    assert take(claims[1], register, at(9)) == first.name
    begin(second, made, claims[1], 10, pipeline.stage("dev"))
    phases = {row.name: row.phase for row in register.promotions()}
    assert phases == {first.name: PromotionPhase.ABORTED, second.name: PromotionPhase.RUNNING}


def ended(freight, name="dev.01.x", hour=5.0, **collection):
    done = record(freight, name, PromotionPhase.SUCCEEDED, **collection)
    update = {"status": done.status.model_copy(update={"finished_at": at(hour)})}
    return done.model_copy(update=update)


def test_an_arrival_verifies_every_freight_of_the_collection(pipeline):
    web, api = pipeline.find("1.0.0"), pipeline.find("7.0.0", origin=API)
    arrive(ended(web, api=api), pipeline.registers, at(6))
    register = pipeline.stage("dev")
    current = register.current()
    assert current is not None
    assert current.items == {WEB.key: web.name, API.key: api.name}
    assert current.since == at(5)
    verified = [register.verified(one.name) for one in (web, api)]
    assert [one.verified_at for one in verified if one] == [at(5), at(5)]


def test_the_first_verification_stays(pipeline):
    freight = pipeline.find("1.0.0")
    arrive(ended(freight, "dev.01.x", 1), pipeline.registers, at(1))
    arrive(ended(freight, "dev.02.x", 4), pipeline.registers, at(4))
    verified = pipeline.stage("dev").verified(freight.name)
    assert verified is not None
    assert verified.verified_at == at(1)


def test_an_arrival_that_is_repeated_later_brings_no_old_freight_back(pipeline):
    """A task that left its DAG and came back runs again in every open run, finished or not."""
    old, new = pipeline.find("1.0.0"), pipeline.find("1.1.0", 1)
    first, second = ended(old, "dev.01.x", 1), ended(new, "dev.02.x", 2)
    for one in (first, second, first):
        arrive(one, pipeline.registers, at(9))
    current = pipeline.stage("dev").current()
    assert current is not None
    assert current.promotion == "dev.02.x"
