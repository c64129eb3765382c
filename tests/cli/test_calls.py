"""What the command reads of a register: keys, or all of it only where every Freight is shown."""

from __future__ import annotations

import json

import pytest

from airfreight.model.audit import AuditEvent
from airfreight.model.freight import FreightOrigin
from airfreight.model.promotion import PromotionPhase, StepExecution
from airfreight.runtime.records import Hold
from tests.cli.rest import Rest
from tests.runtime.many import passed
from tests.runtime.memory import START, record


@pytest.mark.parametrize("kind", ["stages", "promotions", "events"])
def test_a_listing_makes_as_many_calls_for_a_large_register_as_for_a_small_one(kind):
    small, large = Rest(passed(10)[0]), Rest(passed(300)[0])
    small.get(kind)
    large.get(kind)
    assert len(small.calls) < 20
    assert len(large.calls) == len(small.calls)


def test_the_stages_read_key_by_key_show_freight_and_hold():
    pipeline, freight = passed(10)
    hold = Hold(freight=freight.name, promotion="p", actor="alice", created_at=START)
    pipeline.stage("qa").set_hold(FreightOrigin(name="web").key, hold)
    rows = {row["stage"]: row for row in json.loads(Rest(pipeline).get("stages", "-o", "json"))}
    assert [held["alias"] for held in rows["dev"]["freight"]] == [freight.alias]
    assert rows["qa"]["freight"] == []
    assert rows["qa"]["holds"]["Warehouse/web"]["actor"] == "alice"


def test_the_events_of_stages_are_listed_and_chosen_by_type():
    pipeline, _ = passed(10)
    for step, kind in (("a", "approved"), ("b", "deployed")):
        event = AuditEvent(
            promotion="p", step=step, at=START, type=kind, actor="alice", message=f"{kind} it"
        )
        pipeline.stage("qa").record_event(event.model_copy(update={"data": {"ticket": "OPS-7"}}))
    rows = json.loads(Rest(pipeline).get("events", "--type", "deployed", "-o", "json"))
    assert [(row["stage"], row["message"], row["data"]) for row in rows] == [
        ("qa", "deployed it", {"ticket": "OPS-7"})
    ]
    table = Rest(pipeline).get("events", "--stage", "qa").splitlines()
    assert [line.split()[-4:] for line in table[1:]] == [
        ["alice", "deployed", "it", "p"],
        ["alice", "approved", "it", "p"],
    ]
    assert len(Rest(pipeline).get("events", "--stage", "dev").splitlines()) == 1


def test_a_stage_shows_what_its_promotion_left_for_its_health():
    pipeline, freight = passed(10)
    check = {"uses": "argocd-update", "config": {"apps": [{"name": "web", "namespace": "argocd"}]}}
    steps = (StepExecution(alias="a"), StepExecution(alias="b", health_check=check))
    made = record(freight, name="qa.01.x", phase=PromotionPhase.SUCCEEDED)
    status = made.status.model_copy(update={"executions": steps})
    pipeline.stage("qa").save(made.model_copy(update={"status": status}))
    pipeline.put("qa", freight, hour=1, promotion="qa.01.x")
    rows = {row["stage"]: row for row in json.loads(Rest(pipeline).get("stages", "-o", "json"))}
    assert rows["qa"]["healthChecks"] == [check]
    assert rows["prod"]["healthChecks"] == []


def test_every_freight_is_listed_whatever_the_size_of_a_page():
    assert len(json.loads(Rest(passed(300)[0]).get("freight", "-o", "json"))) == 300
