"""The Airflow of the live tests: one, started once, that every process which tests works with.

Each process has its own registry, Git server and so on, and its own projects.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet

from demo.ports import free_port
from demo.stack import Stack
from tests.argocd_server import TOKEN, kubeconfig, serving
from tests.chart_repository import ChartRepository
from tests.git_http import GitHttpServer
from tests.live.barrier import BarrierServer
from tests.live.connections import SECRETS, SHARED_CHARTS, SHARED_GIT, connections
from tests.live.leaks import watched_arguments
from tests.live.world import FINISHED, LEAKING, REPO, World
from tests.registry_server import DebianRegistry

# What the step airflow may run here.
_OPERATORS = {
    "bash": "airflow.providers.standard.operators.bash.BashOperator",
    "file": "airflow.providers.standard.sensors.filesystem.FileSensor",
    "pod": "airflow.providers.cncf.kubernetes.operators.pod.KubernetesPodOperator",
    "sql-check": "airflow.providers.common.sql.operators.sql.SQLCheckOperator",
}
# By what a MessageChannel may send here.
_NOTIFIERS = {"mail": "airflow.providers.smtp.notifications.smtp.SmtpNotifier"}


@dataclass(frozen=True)
class Place:
    """Where the Airflow is: its folder, the port of its API, the settings of its components."""

    folder: str
    port: int
    env: dict[str, str]

    @classmethod
    def new(cls, extra_env: Mapping[str, str]) -> Place:
        """Make the folder. `extra_env` wins over what is set here."""
        # PostgreSQL runs as another user where we are root: a folder that only we can enter is closed to it.
        folder = Path(tempfile.mkdtemp(prefix="airfreight-live-"))
        folder.chmod(0o755)
        for name in ("dags", "git", FINISHED):
            (folder / name).mkdir()
        cluster = Path("include", "pipelines", "_cluster")
        shutil.copytree(REPO / cluster, folder / cluster)
        return cls(str(folder), free_port(), connections() | _settings(folder) | dict(extra_env))

    def stack(self) -> Stack:
        folder = Path(self.folder)
        plugins = REPO / "plugins"
        return Stack(
            folder / "airflow",
            folder / "dags",
            plugins,
            api_port=self.port,
            extra_env=self.env,
        )


def _settings(folder: Path) -> dict[str, str]:
    return {
        "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
        # What has changed is parsed soon, the rest seldom: each parse takes a second of a core, each look a tenth.
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "3",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "3",
        # The database neither moves nor restarts; to ask each connection first is a tenth of what is asked of it.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_PRE_PING": "False",
        "AIRFLOW__AIRFREIGHT__OPERATORS": json.dumps(_OPERATORS),
        "AIRFLOW__AIRFREIGHT__NOTIFIERS": json.dumps(_NOTIFIERS),
        "AIRFLOW__AIRFREIGHT__ROLES": json.dumps({"leads": ["alice"]}),
        "AIRFLOW__AIRFREIGHT__ALLOW_CREDENTIALS_OVER_HTTP": "True",
        "AIRFLOW__AIRFREIGHT__ALLOW_LOOPBACK": "True",
        "AIRFLOW__AIRFREIGHT__GATE_LOOK_INTERVAL": "120",
        # So that what Airflow forgets when a DAG is away is forgotten while a test looks.
        "AIRFLOW__SCHEDULER__PARSING_CLEANUP_INTERVAL": "5",
        "AIRFLOW__AIRFREIGHT__WORKSPACE_FOLDER": str(folder / "workspace"),
    }


@contextmanager
def running_airflow(extra_env: Mapping[str, str] | None = None) -> Iterator[Place]:
    """Start an Airflow and stop it after the block. With AIRFREIGHT_KEEP_LIVE set its folder stays, logs and all."""
    place = Place.new(extra_env or {})
    leaking = Path(place.folder) / LEAKING
    with watched_arguments(SECRETS, leaking), place.stack() as stack:
        stack.wait_until_healthy(300)
        yield place
    if not os.environ.get("AIRFREIGHT_KEEP_LIVE"):
        shutil.rmtree(place.folder, ignore_errors=True)


@contextmanager
def world_in(place: Place, name: str = "main") -> Iterator[World]:
    """Give this process its own servers around the Airflow; `name` tells it from the other processes."""
    folder = Path(place.folder)
    git = GitHttpServer(folder / "git" / name, SHARED_GIT["login"], SHARED_GIT["password"])
    charts = ChartRepository(
        folder / "charts" / name, SHARED_CHARTS["login"], SHARED_CHARTS["password"]
    )
    stack = place.stack()
    stack.join()
    with ExitStack() as servers:
        enter = servers.enter_context
        argocd = enter(serving())
        world = World(
            stack,
            enter(DebianRegistry()),
            enter(git),
            enter(BarrierServer()),
            enter(charts),
            argocd,
            folder,
            enter(stack.api()),
            name,
        )
        connect_argocd(world)
        yield world


def connect_argocd(world: World) -> None:
    """Make the Connections to this process's Argo CD: its own API, and the Kubernetes API of its cluster."""
    server = {"conn_type": "http", "host": world.argocd.url, "password": TOKEN}
    world.connect(world.own("airfreight_shared_argocd"), server, {})
    cluster = {"kube_config": kubeconfig(world.argocd.url, token=TOKEN)}
    world.connect(world.own("airfreight_shared_cluster"), {"conn_type": "kubernetes"}, cluster)


@contextmanager
def running_world(extra_env: Mapping[str, str] | None = None) -> Iterator[World]:
    """Start an Airflow for this process alone, with all around it, and stop it after the block."""
    with running_airflow(extra_env) as place, world_in(place) as world:
        yield world
