"""A Warehouse of an image, a Git repository and a chart: each change makes one Freight."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.chart_repository import write_chart
from tests.live.manifests import auto, project, stage
from tests.live.terminal import airfreight
from tests.live.world import World, eventually, run_id_of

PROJECT = "sources"
PIPELINE = f"{PROJECT}.pipeline.all"
WAREHOUSE = f"{PROJECT}.warehouse.all"
MARKED = f"{PROJECT}-"

LOGIN = """\
---
apiVersion: v1
kind: Secret
metadata:
  name: charts
  labels: {kargo.akuity.io/cred-type: helm}
  annotations: {airfreight/connection: airfreight_shared_charts}
stringData:
  repoURL: "@CHARTS@"
"""
WATCHES = """\
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Warehouse
metadata: {name: all}
spec:
  interval: 3s
  freightCreationCriteria:
    expression: imageFrom('@REGISTRY@/sources/app').Tag != '1.9.9'
  subscriptions:
  - image: {repoURL: "@REGISTRY@/sources/app", constraint: ^1.0.0}
  - name: config
    git:
      repoURL: "@GIT@sources.git"
      includePaths: [services/app]
      excludePaths: ["glob:**/*.md"]
  - chart: {repoURL: "@CHARTS@", name: sources, semverConstraint: ^2.0.0}
"""
TELLS = """\
      steps:
      - uses: http
        config:
          url: "@BARRIER@/mark/sources-${{ imageFrom('@REGISTRY@/sources/app').Tag }}-\\
            ${{ commitFrom('@GIT@sources.git').ID[:7] }}-\\
            ${{ chartFrom('@CHARTS@', 'sources').Version }}\""""


@dataclass(frozen=True)
class Shipped:
    """What dev was promoted to, in order, and what makes news."""

    world: World
    folder: Path
    first: str

    def names(self) -> list[str]:
        return [name.removeprefix(MARKED) for name in self.world.barrier.names(MARKED)]

    def commit(self, path: str, message: str) -> str:
        return self.world.git.commit(PROJECT, {path: f"{message}\n"}, message)[:7]

    def add_chart(self, version: str) -> None:
        self.world.charts.add(write_chart(self.folder / version, PROJECT, version))

    def after(self, news: Callable[[], object]) -> list[str]:
        """Return what dev was promoted to since before `news`."""
        before, known = len(self.names()), len(self.world.freight(PROJECT))
        news()
        self.world.wait_for_freight(PROJECT, known + 1)
        eventually(lambda: len(self.names()) > before, explain=lambda: str(self.names()))
        return self.names()[before:]


@pytest.fixture(scope="module")
def shipped(world: World, tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    files = {"services/app/config.yaml": "a: 1\n", "services/other/config.yaml": "b: 1\n"}
    first = world.git.create(PROJECT, files)[:7]
    world.registry.push_image("sources/app", "1.0.0", created=datetime.now(UTC))
    made = Shipped(world, tmp_path_factory.mktemp("charts"), first)
    made.add_chart("2.0.0")
    text = project(PROJECT, auto("dev")) + LOGIN + WATCHES
    text += stage("dev", ["all"], "direct: true", TELLS)
    world.add_project(PROJECT, text.replace("@CHARTS@", world.charts.url))
    world.unpause(PIPELINE)
    world.unpause(WAREHOUSE)
    world.wait_for_freight(PROJECT, 1)
    eventually(lambda: made.names())
    assert made.names() == [f"1.0.0-{first}-2.0.0"]
    return made


def test_each_source_alone_makes_a_freight_with_the_newest_of_the_others(shipped: Shipped) -> None:
    """Guard: each subscription has a watcher of its own, with a mark of its own."""
    world, first = shipped.world, shipped.first

    def push() -> str:
        return world.registry.push_image("sources/app", "1.1.0", created=datetime.now(UTC))

    assert shipped.after(push) == [f"1.1.0-{first}-2.0.0"]
    assert shipped.after(lambda: shipped.add_chart("2.1.0")) == [f"1.1.0-{first}-2.1.0"]
    shipped.commit("services/other/config.yaml", "of no concern")
    shipped.commit("services/app/README.md", "excluded")
    commit = []
    news = shipped.after(lambda: commit.append(shipped.commit("services/app/config.yaml", "c: 2")))
    assert news == [f"1.1.0-{commit[0]}-2.1.0"]


def test_a_tag_that_moves_is_new_freight(shipped: Shipped) -> None:
    """Guard: `ImageSource.mark` holds the digest."""
    digests = set()

    def move() -> None:
        digests.add(
            shipped.world.registry.push_image(
                "sources/app", "1.1.0", created=datetime.now(UTC), payload=b"another"
            )
        )

    news = shipped.after(move)
    assert [name.split("-")[0] for name in news] == ["1.1.0"]
    newest = shipped.world.freight(PROJECT)[-1]["name"]
    kept = shipped.world.register(f"airfreight://{PROJECT}/warehouses/all")[f"freight/{newest}"]
    assert digests < set(json.dumps(kept).split('"'))


def test_criteria_that_do_not_hold_make_no_freight(shipped: Shipped) -> None:
    """Guard: `meets_criteria`."""
    world, known = shipped.world, len(shipped.world.freight(PROJECT))
    world.registry.push_image("sources/app", "1.9.9", created=datetime.now(UTC))
    assert "no Freight: freightCreationCriteria is false" in discovered(world)
    run = world.trigger(WAREHOUSE)
    assert world.wait_for_run(WAREHOUSE, run) == "success"
    assert "freightCreationCriteria is false" in world.log(WAREHOUSE, run, "discover")
    assert len(world.freight(PROJECT)) == known


def test_what_a_person_puts_together_waits_for_a_person(shipped: Shipped) -> None:
    """Guard: `by_hand` of the index; without it dev takes the Freight at the next look."""
    world, before = shipped.world, shipped.names()
    arguments = [
        f"--artifact={world.registry.host}/sources/app=1.0.0",
        f"--artifact=config={shipped.first}",
    ]
    code, _, err = airfreight(world, PROJECT, "assemble", "all", *arguments)
    assert code == 1
    assert "nothing is chosen of" in err
    arguments.append(f"--artifact={world.charts.url} sources=2.1.0")
    code, out, err = airfreight(world, PROJECT, "assemble", "all", *arguments)
    assert (code, err) == (0, ""), out
    made = world.freight(PROJECT)[-1]
    refresh = world.trigger(WAREHOUSE)
    assert world.wait_for_run(WAREHOUSE, refresh) == "success"
    assert shipped.names() == before
    assert world.run_state(PIPELINE, run_id_of(made)) == "missing"
    promoted = airfreight(
        world, PROJECT, "promote", "--freight", made["name"], "--stage", "dev", "--wait"
    )
    assert promoted[0] == 0, promoted
    assert shipped.names() == [*before, f"1.0.0-{shipped.first}-2.1.0"]


BY_HAND = '''"""A hand-written Airflow DAG that waits for an image."""

from airflow.sdk import DAG

from airfreight.sensors.warehouse import WarehouseSensor

with DAG(dag_id="by_hand", schedule=None):
    WarehouseSensor(
        task_id="wait",
        subscription={"image": {"repoURL": "@REGISTRY@/sources/hand", "constraint": "^2.0.0"}},
        poke_interval=3,
        deferrable=True,
    )
'''


def test_a_dag_of_ones_own_waits_in_the_triggerer_for_an_image(world: World) -> None:
    world.registry.push_image("sources/hand", "1.0.0", created=datetime.now(UTC))
    text = BY_HAND.replace("@REGISTRY@", world.registry.host)
    world.add_dag_file("by_hand", text)
    world.unpause("by_hand")
    run = world.trigger("by_hand")
    world.wait_for_state("by_hand", run, "wait", "deferred")
    digest = world.registry.push_image("sources/hand", "2.0.0", created=datetime.now(UTC))
    assert world.wait_for_run("by_hand", run) == "success"
    path = f"/dags/by_hand/dagRuns/{run}/taskInstances/wait/xcomEntries/return_value"
    assert world.get(path)["value"] == {
        "repoURL": f"{world.registry.host}/sources/hand",
        "tag": "2.0.0",
        "digest": digest,
    }


def discovered(world: World) -> str:
    """Return what `airfreight discover` prints where Airflow's Connections are, as on a worker."""
    command = [str(Path(sys.executable).with_name("airfreight")), "discover", PROJECT, "all"]
    command += ["--pipelines", str(world.folder / "include" / "pipelines")]
    done = subprocess.run(command, env=world.stack.env, capture_output=True, text=True, check=True)
    return done.stdout
