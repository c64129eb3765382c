"""Runs last: after all live tests the logins that they used are nowhere to be found."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx

from tests.live.connections import SECRETS, SHARED_IMAGES
from tests.live.leaks import forms_of, leaks
from tests.live.manifests import PASSES, auto, project, stage, warehouse
from tests.live.world import World, run_id_of
from tests.registry_server import DebianRegistry

PROJECT = "secret"
LOGIN = """\
---
apiVersion: v1
kind: Secret
metadata:
  name: images
  labels: {kargo.akuity.io/cred-type: image}
  annotations: {airfreight/connection: airfreight_shared_images}
stringData: {repoURL: "@HOST@/secret/app"}
"""


def test_a_registry_with_a_login_is_read_and_no_login_is_left_anywhere(world: World) -> None:
    """Guards: logins travel as ids and in headers only."""
    with DebianRegistry((SHARED_IMAGES["login"], SHARED_IMAGES["password"])) as closed:
        assert httpx.get(f"http://{closed.host}/v2/", trust_env=False).status_code == 401
        closed.push_image("secret/app", "1.0.0", created=datetime.now(UTC))
        manifests = project(PROJECT, auto("dev")) + LOGIN + warehouse("app", "secret/app")
        manifests += stage("dev", ["app"], "direct: true", PASSES)
        manifests = manifests.replace("@REGISTRY@", closed.host).replace("@HOST@", closed.host)
        world.add_project(PROJECT, manifests)
        world.unpause(f"{PROJECT}.pipeline.app")
        world.unpause(f"{PROJECT}.warehouse.app")
        run = run_id_of(world.wait_for_freight(PROJECT, 1))
        assert world.wait_for_run(f"{PROJECT}.pipeline.app", run) == "success"
    assert leaks(world, SECRETS) == []
    assert world.leaking_processes == []


def test_a_secret_left_behind_would_be_found(world: World) -> None:
    left = world.folder / "left"
    for form in forms_of(SECRETS[0]):
        left.write_bytes(b"before " + form + b" after")
        assert leaks(world, SECRETS) == [f"file {left}"]
    left.unlink()
    dag_id = f"{PROJECT}.pipeline.app"
    (run,) = (run["dag_run_id"] for run in world.runs(dag_id))
    world.write_xcom(dag_id, run, "dev.gate", SECRETS[1])
    world.git.create("left", {"login.txt": SECRETS[0]})
    assert set(leaks(world, SECRETS)) >= {"table xcom", f"git {world.name}/left.git"}
