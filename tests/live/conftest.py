"""One Airflow for all live tests and every process of xdist; each module has projects of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.live.airflow import Place, running_airflow, running_world, world_in
from tests.live.world import FINISHED, World, eventually

# Seconds for one test, so that one that hangs ends the run; each wait in it ends much sooner.
LONGEST = 1200

# These kill schedulers, delete what is finished, or look at all that is left: nothing else may run then. They are the
# last, in this order. To end a triggerer harms nobody: another goes on with what it watched.
ALONE = ("test_survival", "test_clean", "test_secrets")

# One counts polls, the other starts a second triggerer, which polls as well: never at the same time.
APART = ("test_side_by_side", "test_watchers")

# These take minutes and begin first.
LONG = (
    "test_side_by_side",
    "test_watchers",
    "test_lock",
    "test_path",
    "test_story",
    "test_changes",
    "test_backfill",
    "test_availability",
    "test_pipelines",
    "test_sources",
    "test_taken_over",
    "test_ways_round",
    "test_waits",
)

_SHARED = pytest.StashKey[Place]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Start the Airflow before the first process of xdist, and tell each of them where it is."""
    config: pytest.Config = node.config
    if _SHARED not in config.stash:
        running = ExitStack()
        config.add_cleanup(running.close)
        config.stash[_SHARED] = running.enter_context(running_airflow())
    node.workerinput["airflow"] = asdict(config.stash[_SHARED])


class ByModule(LoadScopeScheduling):
    """Gives a process whole modules, and those of ALONE and of APART to one process each."""

    def _split_scope(self, nodeid: str) -> str:
        module = Path(nodeid.partition("::")[0]).stem
        together = (names[0] for names in (ALONE, APART) if module in names)
        return next(together, module)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return ByModule(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/live" in item.path.as_posix():
            item.add_marker(pytest.mark.live)
            item.add_marker(pytest.mark.timeout(LONGEST, func_only=True))
    items.sort(key=_position)


def _position(item: pytest.Item) -> int:
    name = item.path.stem
    if name in ALONE:
        return ALONE.index(name) + 1
    return LONG.index(name) - len(LONG) if name in LONG else 0


@pytest.fixture(scope="session")
def airflow(request: pytest.FixtureRequest) -> Iterator[World]:
    told: dict[str, Any] = getattr(request.config, "workerinput", {})
    shared = "airflow" in told
    with (
        world_in(Place(**told["airflow"]), told["workerid"]) if shared else running_world() as world
    ):
        yield world


@pytest.fixture(scope="module")
def world(airflow: World, request: pytest.FixtureRequest) -> Iterator[World]:
    finished = airflow.folder / FINISHED
    if request.path.stem in ALONE:
        live = [item for item in request.session.items if item.get_closest_marker("live")]
        others = {item.path.stem for item in live} - {*ALONE}
        eventually(lambda: all((finished / name).exists() for name in others), LONGEST)
    try:
        yield airflow
    finally:
        airflow.retire_projects()
        (finished / request.path.stem).touch()
