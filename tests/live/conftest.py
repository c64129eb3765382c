"""One Airflow for all live tests; each has a project of its own."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.ports import free_port
from demo.stack import Stack
from tests.git_http import GitHttpServer
from tests.live.barrier import BarrierServer
from tests.live.world import World
from tests.registry_server import DebianRegistry

REPO = Path(__file__).resolve().parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/live" in str(item.path):
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    # PostgreSQL runs as another user where we are root: pytest's own folders are closed to it.
    folder = Path(tempfile.mkdtemp(prefix="airfreight-live-"))
    folder.chmod(0o755)
    for name in ("dags", "git"):
        (folder / name).mkdir()
    cluster = REPO / "include" / "pipelines" / "_cluster"
    shutil.copytree(cluster, folder / "include" / "pipelines" / "_cluster")
    login = {"conn_type": "http", "login": "robot", "password": "t0ken-of-the-robot"}
    env = {
        "AIRFLOW_CONN_AIRFREIGHT_SHARED_GIT": json.dumps(login),
        "AIRFLOW__AIRFREIGHT__ALLOW_CREDENTIALS_OVER_HTTP": "True",
        "AIRFLOW__AIRFREIGHT__ALLOW_LOOPBACK": "True",
        "AIRFLOW__AIRFREIGHT__GATE_LOOK_INTERVAL": "10",
        "AIRFLOW__AIRFREIGHT__WORKSPACE_FOLDER": str(folder / "workspace"),
    }
    with (
        DebianRegistry() as registry,
        GitHttpServer(folder / "git", login["login"], login["password"]) as git,
        BarrierServer() as barrier,
        Stack(
            folder / "airflow",
            folder / "dags",
            REPO / "plugins",
            api_port=free_port(),
            extra_env=env,
        ) as stack,
    ):
        stack.wait_until_healthy(120)
        with stack.api() as rest:
            yield World(stack, registry, git, barrier, folder, rest)
    if not os.environ.get("AIRFREIGHT_KEEP_LIVE"):
        shutil.rmtree(folder, ignore_errors=True)
