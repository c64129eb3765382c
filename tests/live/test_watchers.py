"""Two hundred Warehouses on twenty repositories of one registry."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tests.live.manifests import project, warehouse
from tests.live.world import World, eventually

PROJECTS = [f"watch{number}" for number in range(4)]
REPOSITORIES = [f"watch/app{number}" for number in range(20)]
MAJORS = range(1, 11)
INTERVAL = 10


def name_of(repository: str, major: int) -> str:
    return f"{repository.removeprefix('watch/')}-v{major}"


def dag_of(repository: str, major: int) -> str:
    owner = PROJECTS[REPOSITORIES.index(repository) % len(PROJECTS)]
    return f"{owner}.warehouse.{name_of(repository, major)}"


def manifests(owner: str) -> str:
    """Return the Warehouses of every fourth repository: ten on each, of one major version each."""
    text = project(owner)
    for repository in REPOSITORIES[PROJECTS.index(owner) :: len(PROJECTS)]:
        for major in MAJORS:
            name = name_of(repository, major)
            plain = warehouse(name, repository, f"^{major}.0.0").replace("2s", f"{INTERVAL}s")
            annotated = f"{{name: {name}, annotations: {{airfreight/schedule: none}}}}"
            text += plain.replace(f"{{name: {name}}}", annotated)
    return text


def woken(world: World) -> list[str]:
    """Return the DAGs of all runs of these Warehouses, one entry a run."""
    runs = world.get("/dags/~/dagRuns", limit=100, dag_id_prefix_pattern="watch")["dag_runs"]
    return sorted(run["dag_id"] for run in runs if ".warehouse." in run["dag_id"])


def push(world: World, repository: str, tag: str) -> None:
    world.registry.push_image(repository, tag, created=datetime.now(UTC))


@pytest.fixture(scope="module")
def watching(world: World) -> World:
    for repository in REPOSITORIES:
        push(world, repository, "0.0.1")
    for owner in PROJECTS:
        world.add_project(owner, manifests(owner))
    for repository in REPOSITORIES:
        for major in MAJORS:
            world.unpause(dag_of(repository, major))
    eventually(lambda: all(world.registry.polls(name) for name in REPOSITORIES))
    return world


def test_warehouses_of_one_repository_share_one_poll_an_interval(watching: World) -> None:
    """Guard: `WarehouseTrigger.shared_stream_key`; without it each repository is polled by ten."""
    before = {name: watching.registry.polls(name) for name in REPOSITORIES}
    time.sleep(3 * INTERVAL)
    polls = {name: watching.registry.polls(name) - count for name, count in before.items()}
    print(f"polls of 20 repositories in {3 * INTERVAL} s: {sorted(polls.values())}")
    assert set(polls.values()) <= {2, 3, 4}
    assert woken(watching) == []


def test_a_change_wakes_only_the_warehouses_whose_rule_it_meets(watching: World) -> None:
    """Guard: each watcher's own selection in `filter_shared_stream`."""
    for repository, tag in ((REPOSITORIES[3], "4.0.0"), (REPOSITORIES[8], "9.1.0")):
        push(watching, repository, tag)
    expected = sorted([dag_of(REPOSITORIES[3], 4), dag_of(REPOSITORIES[8], 9)])
    eventually(lambda: woken(watching) == expected, explain=lambda: str(woken(watching)))


def test_what_a_killed_triggerer_and_a_paused_warehouse_missed_is_found_once(
    watching: World,
) -> None:
    """Guard: what was handled is in the state store (`HANDLED`), not in the triggerer."""
    paused = dag_of(REPOSITORIES[5], 2)
    watching.pause(paused)
    before = woken(watching)
    watching.stack.kill("triggerer")
    push(watching, REPOSITORIES[5], "2.0.0")
    push(watching, REPOSITORIES[6], "3.0.0")
    watching.stack.restart("triggerer")
    expected = sorted([*before, dag_of(REPOSITORIES[6], 3)])
    eventually(lambda: woken(watching) == expected, explain=lambda: str(woken(watching)))
    watching.unpause(paused)
    expected = sorted([*expected, paused])
    eventually(lambda: woken(watching) == expected, explain=lambda: str(woken(watching)))
    time.sleep(2 * INTERVAL)
    assert woken(watching) == expected
