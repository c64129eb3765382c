"""What the guestbook pipeline has reached, read from Airflow's REST API and the GitOps repository."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from dulwich.repo import Repo

from demo.git_server import PASSWORD, USER
from demo.gitops import REPOSITORY
from demo.images import push_image
from demo.progress import NotReachedError

WAREHOUSE_DAG = "guestbook.warehouse.guestbook"
PIPELINE_DAG = "guestbook.pipeline.guestbook"
IMAGE = "guestbook"
FIRST_TAG = "1.0.0"

_FREIGHT_RUN = re.compile(r"(?P<alias>.+)-[0-9a-f]{12}")
_ENDED_BADLY = {"failed", "upstream_failed", "removed"}


def airflow_env() -> Mapping[str, str]:
    """What the guestbook needs of Airflow: the login of the Git server, and leave to use loopback without TLS."""
    login = {"conn_type": "http", "login": USER, "password": PASSWORD, "host": "127.0.0.1"}
    return {
        "AIRFLOW_CONN_AIRFREIGHT_GUESTBOOK_GIT": json.dumps(login),
        "AIRFLOW__AIRFREIGHT__ALLOW_CREDENTIALS_OVER_HTTP": "True",
        "AIRFLOW__AIRFREIGHT__ALLOW_LOOPBACK": "True",
        # A person who tries the demo should see a superseded request close, not wait an hour for it.
        "AIRFLOW__AIRFREIGHT__GATE_LOOK_INTERVAL": "30",
    }


def push_first_image(registry_url: str) -> None:
    """Push the first tag unless an earlier start has done so: a tag that moved would be new Freight."""
    manifest = f"{registry_url}/v2/{IMAGE}/manifests/{FIRST_TAG}"
    if httpx.head(manifest, trust_env=False).status_code == 404:
        push_image(registry_url, IMAGE, FIRST_TAG, created=datetime.now(UTC))


class Guestbook:
    """Questions about the newest Freight; each answer is a detail to print, or None for "not yet"."""

    def __init__(self, api: httpx.Client, repositories: Path) -> None:
        self._api = api
        self._repository = repositories / REPOSITORY
        self._run_id = ""

    def dags_loaded(self) -> str | None:
        """Both DAGs are known to Airflow; NotReachedError where a DAG file does not load."""
        dags = (WAREHOUSE_DAG, PIPELINE_DAG)
        if all(self._get(f"/dags/{dag}") is not None for dag in dags):
            return ", ".join(dags)
        errors = (self._get("/importErrors") or {}).get("import_errors", [])
        if errors:
            last = errors[0]["stack_trace"].strip().splitlines()[-1]
            raise NotReachedError(f"{errors[0]['filename']} does not load: {last}")
        return None

    def unpause(self) -> None:
        """Switch both DAGs on; nothing is triggered, the Warehouse's watcher has to find the image."""
        for dag in (WAREHOUSE_DAG, PIPELINE_DAG):
            self._api.patch(f"/api/v2/dags/{dag}", json={"is_paused": False}).raise_for_status()

    def discovered(self) -> str | None:
        """The alias of the newest Freight that has a run."""
        query = f"/dags/{PIPELINE_DAG}/dagRuns?order_by=-run_after&limit=20"
        for run in (self._get(query) or {}).get("dag_runs", []):
            if found := _FREIGHT_RUN.fullmatch(run["dag_run_id"]):
                self._run_id = run["dag_run_id"]
                return found["alias"]
        return None

    def promoted(self, stage: str) -> str | None:
        """The commit that promoted the Stage; NotReachedError where its promotion failed."""
        if self._state(f"{stage}.promote") != "success":
            return None
        return f"commit {self._last_commit(stage)}"

    def waits_for_approval(self, stage: str) -> str | None:
        """The Stage's gate waits for a person, or has been answered before."""
        state = self._state(f"{stage}.gate")
        if state == "awaiting_input":
            return "see Required Actions"
        return f"decided before: {state}" if state in {"success", "skipped"} else None

    def _state(self, task: str) -> str | None:
        path = f"/dags/{PIPELINE_DAG}/dagRuns/{self._run_id}/taskInstances/{task}"
        state: str | None = (self._get(path) or {}).get("state")
        if state in _ENDED_BADLY:
            raise NotReachedError(f"{task} of {self._run_id}: {state}; its log says why")
        return state

    def _last_commit(self, stage: str) -> str:
        path = f"overlays/{stage}/image.yaml".encode()
        with Repo(self._repository) as repository:
            for entry in repository.get_walker(paths=[path], max_entries=1):
                return entry.commit.id.decode()[:12]
        return "unknown"

    def _get(self, path: str) -> dict[str, Any] | None:
        """The document at the path, or None while there is none or the server is not able to say."""
        try:
            answer = self._api.get(f"/api/v2{path}")
        except httpx.TransportError:
            return None
        return answer.json() if answer.is_success else None
