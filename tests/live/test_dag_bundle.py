"""The subscription kind dag-bundle asks a real Airflow about a real bundle of Git."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from airfreight.errors import ArtifactError, AuthenticationError
from airfreight.model.credential import Credential
from airfreight.model.subscription import GenericSubscription
from airfreight.sources.backoff import Backoff
from airfreight.sources.custom import subscription_registry
from airfreight.sources.generic import GenericSource
from tests.live.world import World
from tests.sources.looks import look

DAG_FILE = '''"""An Airflow DAG that lies in a bundle of its own."""

from airflow.sdk import DAG

with DAG(dag_id="bundled", schedule=None):
    pass
'''
LINK = "https://git.example.com/bundled/tree/"


def source(world: World, bundle: str) -> GenericSource:
    config = {"airflowURL": world.stack.url, "bundle": bundle}
    subscription = GenericSubscription(kind="dag-bundle", config=config)
    return GenericSource(subscription, "it", subscription_registry(), backoff=Backoff())


def parse_bundle(world: World) -> None:
    """Parse the bundle once, in a process that knows it: the other components would import its provider each time."""
    local = {"classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {}}
    git = {
        "classpath": "airflow.providers.git.bundles.git.GitDagBundle",
        "kwargs": {
            "repo_url": str(world.git.path("bundled")),
            "tracking_ref": "main",
            "view_url_template": f"{LINK}{{version}}",
        },
    }
    bundles = [{"name": "dags-folder", **local}, {"name": "etl", **git}]
    env = {
        **world.stack.env,
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(world.folder / "bundles"),
    }
    command = [sys.executable, "-m", "airflow", "dags", "reserialize", "--bundle-name", "etl"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


async def test_a_commit_that_changes_no_dag_is_a_new_version_of_its_bundle(
    world: World, tmp_path: Path
) -> None:
    """Guard: what Airflow answers, and that it moves a DAG's version at every parse."""
    first = world.git.create("bundled", {"bundled.py": DAG_FILE})
    try:
        parse_bundle(world)
        viewer = look(tmp_path, Credential("carol", "carol"))
        found = await source(world, "etl").discover(viewer, limit=20, as_of=None)
        told = found.artifacts[0].artifact.model_dump()
        assert (told["version"], found.rejected) == (first, ())
        assert told["metadata"] == {"name": "etl", "digest": first, "link": f"{LINK}{first}"}
        second = world.git.commit("bundled", {"README.md": "Words"}, "Explain")
        parse_bundle(world)
        assert await source(world, "etl").poll(viewer) == second
        with pytest.raises(AuthenticationError, match="/auth/token refused the login"):
            await source(world, "etl").poll(look(tmp_path, Credential("carol", "wrong")))
        with pytest.raises(ArtifactError, match="'gone': there is no such bundle"):
            await source(world, "gone").poll(viewer)
    finally:
        world.rest.delete("/api/v2/dags/bundled")
