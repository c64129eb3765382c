from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.promoting.site import Nursery
from tests.registry_server import DebianRegistry
from tests.steps.kill.world import World, open_world
from tests.steps.oci import push_image


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as running:
        yield running


@pytest.fixture(scope="module")
def registry() -> Iterator[DebianRegistry]:
    with DebianRegistry() as running:
        push_image(running, "acme/web", "1", b"a layer" * 1000)
        yield running


@pytest.fixture
def world(tmp_path: Path, nursery: Nursery, registry: DebianRegistry) -> Iterator[World]:
    with open_world(tmp_path, nursery, registry) as running:
        yield running
