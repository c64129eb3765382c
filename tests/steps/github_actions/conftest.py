from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.steps.github_actions.actions_server import Actions, ActionsServer
from tests.steps.pull_requests.conftest import TOKEN, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    root = tmp_path / "work"
    root.mkdir()
    return Bench(root)


@pytest.fixture
def actions() -> Iterator[Actions]:
    served = Actions(TOKEN)
    with ActionsServer(served) as server:
        served.url = server.url
        yield served


@pytest.fixture(autouse=True)
def no_token_in_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG, logger="tests.steps.pull_requests")
    yield
    assert TOKEN not in caplog.text
