"""The whole path of one artifact, from the registry to prod and back, in a live Airflow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.live.manifests import OVERLAY
from tests.live.scenarios import add_guestbook, discover_ten_times
from tests.live.world import World, eventually, run_id_of, timed

PROJECT = "path"
WAREHOUSE = f"{PROJECT}.warehouse.guestbook"
PIPELINE = f"{PROJECT}.pipeline.guestbook"
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def path(world: World) -> World:
    add_guestbook(world, PROJECT)
    world.unpause(PIPELINE)
    world.unpause(WAREHOUSE)
    return world


def overlay(world: World, stage: str) -> str:
    # The fixture gives text without its last newline.
    return world.git.read("path", "main", f"overlays/{stage}/image.yaml") + "\n"


def test_an_image_travels_to_prod_once_a_person_approves(path: World) -> None:
    path.registry.push_image("path/guestbook", "latest", created=NOW - timedelta(days=9))
    path.registry.push_image("path/guestbook", "1.0.0", created=NOW - timedelta(days=5))
    with timed("pushed → dev"):
        freight = path.wait_for_freight(PROJECT, 1)
        run = run_id_of(freight)
        path.wait_for_state(PIPELINE, run, "dev.verify", "success")
    assert overlay(path, "dev") == OVERLAY.replace('"0.0.0"', "1.0.0")
    with timed("dev → prod asks"):
        path.wait_for_state(PIPELINE, run, "prod.gate", "awaiting_input")
    assert overlay(path, "staging") == OVERLAY.replace('"0.0.0"', "1.0.0")
    assert overlay(path, "prod") == OVERLAY

    request = path.request(PIPELINE, run, "prod.gate")
    assert freight["alias"] in request["subject"]
    assert "1.0.0" in request["body"]
    assert "verified in staging" in request["body"]

    assert path.answer(PIPELINE, run, "prod.gate", "Approve", "go").status_code == 200
    assert path.wait_for_run(PIPELINE, run) == "success"
    assert overlay(path, "prod") == OVERLAY.replace('"0.0.0"', "1.0.0")
    messages = [message for _, message in path.git.log("path")]
    assert messages[:3] == ["Update image tag to 1.0.0"] * 3
    assert path.holds(PROJECT, "prod") == freight["alias"]


def test_a_tag_that_does_not_meet_the_constraint_wakes_nothing(path: World) -> None:
    before = len(path.runs(WAREHOUSE))
    path.registry.push_image("path/guestbook", "2.0.0", created=NOW)
    with pytest.raises(AssertionError, match="not within"):
        eventually(lambda: len(path.runs(WAREHOUSE)) > before, 8)


def test_a_run_that_finds_nothing_new_skips_its_tasks(path: World) -> None:
    run = path.trigger(WAREHOUSE)
    assert path.wait_for_run(WAREHOUSE, run) == "success"
    states = path.states(WAREHOUSE, run)
    assert states["discover"] == states["trigger"] == "skipped"
    assert len(path.runs(PIPELINE)) == 1


def test_ten_runs_that_find_the_same_freight_make_one_pipeline_run(path: World) -> None:
    discover_ten_times(path, PROJECT)


def test_a_newer_freight_supersedes_the_request_of_an_older_one(path: World) -> None:
    older = run_id_of(path.freight(PROJECT)[-1])
    path.wait_for_state(PIPELINE, older, "prod.gate", "awaiting_input")
    path.registry.push_image("path/guestbook", "1.0.2", created=NOW - timedelta(days=2))
    newer = path.wait_for_freight(PROJECT, 3)
    path.wait_for_state(PIPELINE, run_id_of(newer), "prod.gate", "awaiting_input")
    path.wait_for_state(PIPELINE, older, "prod.gate", "skipped")
    assert path.wait_for_run(PIPELINE, older) == "success"
    said = f"superseded by {newer['alias']}"
    assert said in path.log(PIPELINE, older, "prod.gate")
    closed = path.register(f"airfreight://{PROJECT}/stages/prod/register")[f"closed/{older}"]
    assert said in closed["reason"]


def test_a_rejected_request_ends_the_run_as_failed_and_names_who_and_why(path: World) -> None:
    run = run_id_of(path.freight(PROJECT)[-1])
    path.answer(PIPELINE, run, "prod.gate", "Reject", "not on a Friday", user="alice")
    assert path.wait_for_run(PIPELINE, run) == "failed"
    states = path.states(PIPELINE, run)
    assert states["prod.promote"] == states["prod.verify"] == "skipped"
    assert "rejected by alice: not on a Friday" in path.log(PIPELINE, run, "outcome")
    assert overlay(path, "prod") == OVERLAY.replace('"0.0.0"', "1.0.0")


def test_a_rollback_of_staging_holds_it_until_the_candidate_is_promoted(path: World) -> None:
    first, newest = path.freight(PROJECT)[0], path.freight(PROJECT)[-1]
    run = path.trigger(PIPELINE, {"freight": first["alias"], "stages": ["staging"]})
    assert path.wait_for_run(PIPELINE, run) == "success"
    assert overlay(path, "staging") == OVERLAY.replace('"0.0.0"', "1.0.0")
    hold = path.register(f"airfreight://{PROJECT}/stages/staging/register")[
        "hold/Warehouse/guestbook"
    ]
    assert hold["freight"] == first["name"]
    assert hold["actor"] == "admin"

    path.registry.push_image("path/guestbook", "1.0.3", created=NOW - timedelta(days=1))
    held = path.wait_for_freight(PROJECT, 4)
    path.wait_for_state(PIPELINE, run_id_of(held), "staging.gate", "skipped")
    assert overlay(path, "dev") == OVERLAY.replace('"0.0.0"', "1.0.3")
    assert overlay(path, "staging") == OVERLAY.replace('"0.0.0"', "1.0.0")

    run = path.trigger(PIPELINE, {"freight": held["name"][:10], "stages": ["staging"]})
    assert path.wait_for_run(PIPELINE, run) == "success"
    staging = path.register(f"airfreight://{PROJECT}/stages/staging/register")
    assert "hold/Warehouse/guestbook" not in staging
    assert overlay(path, "staging") == OVERLAY.replace('"0.0.0"', "1.0.3")
    assert newest["name"] != held["name"]


def test_a_rollback_of_prod_goes_through_its_gate(path: World) -> None:
    target = path.freight(PROJECT)[1]
    run = path.trigger(PIPELINE, {"freight": target["alias"], "stages": ["prod"]})
    assert path.answer(PIPELINE, run, "prod.gate", "Approve").status_code == 200
    assert path.wait_for_run(PIPELINE, run) == "success"
    assert overlay(path, "prod") == OVERLAY.replace('"0.0.0"', "1.0.1")
    assert path.holds(PROJECT, "prod") == target["alias"]


@pytest.mark.parametrize(
    ("conf", "refusal"),
    [
        pytest.param({"freight": "no-such"}, "no Freight is named 'no-such'", id="unknown freight"),
        pytest.param({}, "conf needs freight", id="nothing"),
        pytest.param(
            {"freight": "FIRST", "stages": ["prdo"]},
            "there is no Stage 'prdo' in this pipeline; did you mean 'prod'?",
            id="unknown stage",
        ),
        pytest.param(
            {"freight": "FIRST", "images": [{"repoURL": "evil", "tag": "1"}]},
            "conf holds 'images'; it may hold freight, stages, approve",
            id="made-up artifacts",
        ),
    ],
)
def test_a_crafted_conf_is_refused_before_anything_starts(
    path: World, conf: dict[str, object], refusal: str
) -> None:
    first = path.freight(PROJECT)[0]["alias"]
    asked = {key: first if value == "FIRST" else value for key, value in conf.items()}
    run = path.trigger(PIPELINE, asked)
    assert path.wait_for_run(PIPELINE, run) == "failed"
    assert refusal in path.log(PIPELINE, run, "freight")
    states = path.states(PIPELINE, run)
    assert {states[f"{stage}.promote"] for stage in ("dev", "staging", "prod")} == {"skipped"}


def test_freight_that_a_stage_may_not_have_is_refused(path: World) -> None:
    path.registry.push_image("path/guestbook", "1.0.4", created=NOW)
    freight = path.wait_for_freight(PROJECT, 5)
    run = path.trigger(PIPELINE, {"freight": freight["alias"], "stages": ["prod"]})
    assert path.wait_for_run(PIPELINE, run) == "failed"
    assert "is not available to Stage prod: not verified in staging" in path.log(
        PIPELINE, run, "freight"
    )
