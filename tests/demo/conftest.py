from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from demo.ports import free_port, wait_until_listening
from demo.world import World, running_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running_world(tmp_path / "world") as running:
        yield running


@pytest.fixture
def debian_registry(tmp_path: Path) -> Iterator[str]:
    """The URL of Debian's docker-registry, the reference that ours is compared with."""
    port = free_port()
    config = tmp_path / "registry.yml"
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/debian}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\nlog: {{level: error}}\n"
    )
    command = ["docker-registry", "serve", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_listening(port, timeout=10)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(params=["ours", "debian"])
def registry(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client of each registry in turn: what is said of one is to hold for the other."""
    if request.param == "ours":
        url = request.getfixturevalue("world").registry_url
    else:
        url = request.getfixturevalue("debian_registry")
    with httpx.Client(base_url=url, trust_env=False) as client:
        yield client
