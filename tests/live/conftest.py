"""One Airflow for all live tests; each module has a project of its own.

A second Airflow beside it does not help: one keeps two cores busy.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.world import World, running_world

# Seconds for one test, so that one that hangs ends the run; each wait in it ends much sooner.
LONGEST = 1200

# What a process's tests may have left behind is looked for when they are through.
LAST = "test_secrets"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/live" in item.path.as_posix():
            item.add_marker(pytest.mark.live)
            item.add_marker(pytest.mark.timeout(LONGEST))
    items.sort(key=lambda item: item.path.stem == LAST)


@pytest.fixture(scope="session")
def airflow() -> Iterator[World]:
    with running_world() as world:
        yield world


@pytest.fixture(scope="module")
def world(airflow: World) -> Iterator[World]:
    yield airflow
    airflow.retire_projects()
