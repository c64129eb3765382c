from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.git_http import GitHttpServer
from tests.sources.watched import Watched


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitHttpServer]:
    with GitHttpServer(tmp_path / "remote") as running:
        yield running


@pytest.fixture
def app(server: GitHttpServer, tmp_path: Path) -> Watched:
    """A repository without a commit."""
    return Watched(server, tmp_path / "work", tmp_path / "cache")
