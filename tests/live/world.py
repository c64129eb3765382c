"""A live Airflow with a real registry and a real Git server, and what tests ask of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from demo.stack import Stack
from tests.argocd_server import ArgocdServer
from tests.chart_repository import ChartRepository
from tests.git_http import GitHttpServer
from tests.live.barrier import BarrierServer
from tests.registry_server import DebianRegistry

REPO = Path(__file__).resolve().parents[2]
T = TypeVar("T")

# Seconds. A busy machine takes several times as long as a quiet one; only what never happens takes all of it.
PATIENCE = 300.0

# The folder with a file for each module whose tests are through, of every process.
FINISHED = "finished"

# The file with the names of processes whose arguments hold a secret.
LEAKING = "leaking-processes"

DAG_FILE = '''"""The Airflow DAGs of project {name}."""

from airfreight import load

load("{name}")
'''


@dataclass
class World:
    """The parts of a live test; `name` tells this process from others that use the Airflow. Times are in seconds."""

    stack: Stack
    registry: DebianRegistry
    git: GitHttpServer
    barrier: BarrierServer
    charts: ChartRepository
    argocd: ArgocdServer
    folder: Path
    rest: httpx.Client
    name: str
    added: list[str] = field(default_factory=list)

    def add_project(self, name: str, manifests: str) -> None:
        """Write a project's manifests and its DAG file; ``@REGISTRY@``, ``@GIT@``, ``@BARRIER@`` are filled in."""
        self._write(name, manifests)
        self.add_dag_file(name, DAG_FILE.format(name=name))

    def add_dag_file(self, name: str, text: str) -> None:
        """Write a file of Airflow DAGs."""
        self._dag_file(name).write_text(text)
        self.added.append(name)

    def retire_projects(self) -> None:
        """Take the DAG files that were added here away: what is watched and parsed slows all that follows."""
        while self.added:
            self._dag_file(self.added.pop()).unlink(missing_ok=True)

    def write_manifests(self, name: str, manifests: str) -> None:
        """Write the manifests of a project that is there, and have them parsed."""
        self._write(name, manifests)
        self.parse_soon(name)

    def _write(self, name: str, manifests: str) -> None:
        folder = self.folder / "include" / "pipelines" / name
        folder.mkdir(parents=True, exist_ok=True)
        text = manifests.replace("@REGISTRY@", self.registry.host)
        text = text.replace("@GIT@", self.git.url("x").removesuffix("x.git")).replace(
            "@BARRIER@", self.barrier.url
        )
        (folder / "project.yaml").write_text(text)

    def parse_soon(self, name: str) -> None:
        """Have a project's DAG file parsed within seconds: Airflow does where it changed since its last parse.

        A parse that is under way ends before the time that the file shows, and another follows.
        """
        soon = time.time() + 3
        os.utime(self._dag_file(name), (soon, soon))

    def _dag_file(self, name: str) -> Path:
        return self.folder / "dags" / f"{name}.py"

    @property
    def leaking_processes(self) -> list[str]:
        """The names of processes that were seen with a secret among their arguments."""
        return (self.folder / LEAKING).read_text().splitlines()

    # --- Airflow over REST -------------------------------------------------------------------

    def get(self, path: str, **params: Any) -> Any:
        answer = self.rest.get(f"/api/v2{path}", params=params)
        answer.raise_for_status()
        return answer.json()

    def unpause(self, dag_id: str) -> None:
        """Wait for the DAG to be parsed and switch it on; only the parse after that starts a Warehouse's watchers."""
        body, path = {"is_paused": False}, f"/api/v2/dags/{dag_id}"
        eventually(lambda: self.rest.patch(path, json=body).status_code == 200)
        project, _, warehouse = dag_id.partition(".warehouse.")
        if warehouse:
            self.parse_soon(project)

    def pause(self, dag_id: str) -> None:
        self.rest.patch(f"/api/v2/dags/{dag_id}", json={"is_paused": True}).raise_for_status()

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Trigger a run by hand, as a person does, and return its id."""
        body = {"logical_date": None, "conf": conf or {}}
        answer = self.rest.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["dag_run_id"])

    def task_ids(self, dag_id: str) -> list[str]:
        """Return the tasks of the DAG as it was parsed last."""
        return [task["task_id"] for task in self.get(f"/dags/{dag_id}/tasks")["tasks"]]

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        found = self.get(f"/dags/{dag_id}/dagRuns", limit=100)["dag_runs"]
        return sorted(found, key=lambda run: run["run_after"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        answer = self.rest.get(f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}")
        return str(answer.json()["state"]) if answer.status_code == 200 else "missing"

    def states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances"
        answer = self.rest.get(path, params={"limit": 500})
        if answer.status_code == 404:
            return {}
        found = answer.json()
        return {ti["task_id"]: ti["state"] for ti in found["task_instances"]}

    def state(self, dag_id: str, run_id: str, task: str) -> str | None:
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task}"
        answer = self.rest.get(path)
        return answer.json()["state"] if answer.status_code == 200 else None

    def wait_for_run(self, dag_id: str, run_id: str, timeout: float = PATIENCE) -> str:
        """Wait for the run to end and return its state."""

        def ended() -> str | None:
            state = self.run_state(dag_id, run_id)
            return state if state in ("success", "failed") else None

        return eventually(ended, timeout, lambda: str(self.states(dag_id, run_id)))

    def wait_for_state(
        self, dag_id: str, run_id: str, task: str, state: str, timeout: float = PATIENCE
    ) -> None:
        eventually(
            lambda: self.state(dag_id, run_id, task) == state,
            timeout,
            lambda: f"{task} is {self.states(dag_id, run_id)}",
        )

    def mark(self, dag_id: str, run_id: str, *tasks: str, state: str = "success") -> None:
        """Mark tasks as a person does in the UI."""
        for task in tasks:
            path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task}"
            self.rest.patch(path, json={"new_state": state}).raise_for_status()

    def clear(self, dag_id: str, run_id: str, *tasks: str, downstream: bool = False) -> None:
        """Clear tasks as a person does in the UI."""
        body = {
            "dry_run": False,
            "only_failed": False,
            "dag_run_id": run_id,
            "task_ids": list(tasks),
            "include_downstream": downstream,
        }
        path = f"/api/v2/dags/{dag_id}/clearTaskInstances"
        self.rest.post(path, json=body).raise_for_status()

    def write_xcom(self, dag_id: str, run_id: str, task: str, value: Any) -> None:
        """Write a task's return value over REST, whether it has one or not."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task}/xcomEntries"
        made = self.rest.post(path, json={"key": "return_value", "value": value})
        if made.status_code == 409:
            made = self.rest.patch(f"{path}/return_value", json={"value": value})
        made.raise_for_status()

    def own(self, conn_id: str) -> str:
        """Return the id of this process's Connection of that kind."""
        return f"{conn_id}_{self.name}"

    def connect(self, conn_id: str, login: Mapping[str, str], extra: Mapping[str, str]) -> None:
        """Make a Connection as an operator of the deployment does."""
        body = {"connection_id": conn_id, **login, "extra": json.dumps(extra)}
        self.rest.post("/api/v2/connections", json=body).raise_for_status()

    def asset_id(self, uri: str) -> int:
        assets = self.get("/assets", uri_pattern=uri, limit=100)["assets"]
        return int(next(asset["id"] for asset in assets if asset["uri"] == uri))

    def log(self, dag_id: str, run_id: str, task: str, attempt: int = 1) -> str:
        answer = self.rest.get(
            f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task}/logs/{attempt}"
        )
        return answer.text

    def answer(
        self,
        dag_id: str,
        run_id: str,
        task: str,
        choice: str,
        message: str = "",
        user: str = "admin",
    ) -> httpx.Response:
        """Answer a request in Required Actions, and again where the gate was just looking and asks anew.

        Airflow may lose an answer in the seconds around a task's parking; the gate's retry then asks again.
        """
        for _ in range(4):
            self.wait_for_state(dag_id, run_id, task, "awaiting_input")
            time.sleep(3)
            answered = self._respond(dag_id, run_id, task, choice, message, user)
            if answered.status_code == 403 or self._has_taken(dag_id, run_id, task):
                return answered
        raise AssertionError(f"{task} of {run_id} took no answer: {answered.text}")

    def _has_taken(self, dag_id: str, run_id: str, task: str) -> bool:
        def ended() -> str | None:
            state = self.state(dag_id, run_id, task)
            return state if state in ("success", "failed", "skipped") else None

        try:
            return bool(eventually(ended, 30))
        except AssertionError:
            return False

    def _respond(
        self, dag_id: str, run_id: str, task: str, choice: str, message: str, user: str
    ) -> httpx.Response:
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task}/-1/hitlDetails"
        body = {"chosen_options": [choice], "params_input": {"message": message}}
        with self.stack.api(user) as client:
            return client.patch(path, json=body)

    def request(self, dag_id: str, run_id: str, task: str) -> dict[str, Any]:
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task}/-1/hitlDetails"
        return dict(self.get(path))

    # --- The register ------------------------------------------------------------------------

    def register(self, uri: str) -> dict[str, Any]:
        """Return every key of an asset's state store."""
        assets = self.get("/assets", uri_pattern=uri, limit=100)["assets"]
        asset = next((a for a in assets if a["uri"] == uri), None)
        return {} if asset is None else self._keys(asset)

    def _keys(self, asset: dict[str, Any]) -> dict[str, Any]:
        rows = self.get(f"/assets/{asset['id']}/state-store", limit=1000)["asset_state_store"]
        return {row["key"]: row["value"] for row in rows}

    def holds(self, project: str, stage: str) -> str | None:
        """Return the alias of the Freight that a Stage holds."""
        current = self.register(f"airfreight://{project}/stages/{stage}/register").get("current")
        if current is None:
            return None
        name = next(iter(current["items"].values()))
        return next((f["alias"] for f in self.freight(project) if f["name"] == name), None)

    def freight(self, project: str) -> list[dict[str, Any]]:
        """Return the index of every Warehouse of the project, in the order of discovery."""
        assets = self.get("/assets", uri_pattern=f"airfreight://{project}/warehouses/", limit=100)
        entries = []
        for asset in assets["assets"]:
            if not asset["uri"].endswith("/watch"):
                entries += self._keys(asset).get("index", [])
        return sorted(entries, key=lambda entry: str(entry["discoveredAt"]))

    def wait_for_freight(
        self, project: str, count: int, timeout: float = PATIENCE
    ) -> dict[str, Any]:
        """Wait until the project has `count` Freight, and return the one discovered last."""
        found = eventually(
            lambda: rows if len(rows := self.freight(project)) >= count else None,
            timeout,
            lambda: str(self.freight(project)),
        )
        return found[-1]


class RegisterStore:
    """A StateStore over REST, as an operator of the deployment may use it."""

    def __init__(self, world: World, uri: str) -> None:
        self._rest = world.rest
        self._path = f"/api/v2/assets/{world.asset_id(uri)}/state-store"

    def get(self, key: str) -> Any:
        answer = self._rest.get(f"{self._path}/{quote(key)}")
        return None if answer.status_code == 404 else answer.raise_for_status().json()["value"]

    def set(self, key: str, value: Any) -> None:
        self._rest.put(f"{self._path}/{quote(key)}", json={"value": value}).raise_for_status()

    def delete(self, key: str) -> None:
        self._rest.delete(f"{self._path}/{quote(key)}").raise_for_status()


def run_id_of(freight: dict[str, Any]) -> str:
    return f"{freight['alias']}-{freight['name'][:12]}"


def eventually(
    probe: Callable[[], T | None],
    timeout: float = PATIENCE,
    explain: Callable[[], str] = lambda: "",
) -> T:
    """Return the first truthy answer of `probe`; AssertionError with `explain()` after `timeout` seconds.

    An Airflow that is too busy to answer in time has not said no.
    """
    deadline = time.monotonic() + timeout
    while True:
        with suppress(httpx.TimeoutException):
            answer = probe()
            if answer:
                return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s. {explain()}")
        time.sleep(1)


@contextmanager
def timed(title: str) -> Iterator[None]:
    """Print how long the block took."""
    start = time.monotonic()
    yield
    print(f"{title}: {time.monotonic() - start:.1f} s", flush=True)
