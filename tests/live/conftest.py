"""One Airflow for all live tests; each has a project of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.world import World, running_world


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/live" in str(item.path):
            item.add_marker(pytest.mark.live)
    # What the whole suite may have left behind is looked for when it is through.
    items.sort(key=lambda item: item.path.name == "test_secrets.py")


@pytest.fixture(scope="session")
def airflow() -> Iterator[World]:
    with running_world() as world:
        yield world


@pytest.fixture(scope="module")
def world(airflow: World) -> Iterator[World]:
    yield airflow
    airflow.retire_projects()
