"""One Airflow for all live tests of a process; each module has a project of its own.

With ``-n 2 --dist each`` two processes share the modules, each with an Airflow of its own, so that one half's waiting
is the other's time to work.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.world import World, running_world

# Chosen by what they take, so that both processes end at about the same time.
SECOND = frozenset(
    {
        "test_lock",
        "test_side_by_side",
        "test_watchers",
        "test_waiting",
        "test_kill",
        "test_taken_over",
    }
)

# Seconds for one test, so that one that hangs ends the run; each wait in it ends much sooner.
LONGEST = 1200

# What a process's tests may have left behind is looked for when they are through.
LAST = "test_secrets"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    live = [item for item in items if "tests/live" in item.path.as_posix()]
    for item in live:
        item.add_marker(pytest.mark.live)
        item.add_marker(pytest.mark.timeout(LONGEST))
    worker = getattr(config, "workerinput", {}).get("workerid")
    foreign = [item for item in live if worker and not _is_of(worker, item.path.stem)]
    config.hook.pytest_deselected(items=foreign)
    items[:] = [item for item in items if item not in foreign]
    items.sort(key=lambda item: item.path.stem == LAST)


def _is_of(worker: str, module: str) -> bool:
    return module == LAST or (module in SECOND) == (worker == "gw1")


@pytest.fixture(scope="session")
def airflow() -> Iterator[World]:
    with running_world() as world:
        yield world


@pytest.fixture(scope="module")
def world(airflow: World) -> Iterator[World]:
    yield airflow
    airflow.retire_projects()
