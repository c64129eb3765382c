"""One six-step promotion beside the same six steps as six plain Airflow tasks, in one run of one Airflow.

    uv run python -m benchmarks.one_task_or_six [COUNT]

Prints the median seconds from the first task's queueing to the last task's end, and of the tasks' own time.
"""

from __future__ import annotations

import statistics
import sys
from datetime import UTC, datetime

from tests.live.airflow import running_world
from tests.live.manifests import OVERLAY, auto, project, stage, warehouse
from tests.live.world import World, run_id_of

PIPELINE = "six.pipeline.app"

TEMPLATE = """\
      steps:
      - uses: http
        config: {url: "@BARRIER@/mark/six"}
      - uses: git-clone
        config: {repoURL: "@GIT@six.git", checkout: [{branch: main, path: ./repo}]}
      - uses: yaml-update
        config:
          path: ./repo/overlays/dev/image.yaml
          updates: [{key: spec.image.tag, value: "${{ quote(imageFrom('@REGISTRY@/six/app').Tag) }}"}]
      - uses: git-commit
        config: {path: ./repo, message: promote}
      - uses: git-push
        config: {path: ./repo}
      - uses: compose-output
        config: {done: true}"""

PLAIN = '''"""An Airflow DAG: the six steps as six plain tasks that share a folder."""

import pathlib
import subprocess
import tempfile

import httpx
from airflow.sdk import dag, task
from ruamel.yaml import YAML

REPO = "{git}"


def git(folder, *arguments):
    subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True)


@dag(dag_id="plain", schedule=None)
def plain():
    @task
    def call():
        httpx.get("{barrier}/mark/plain").raise_for_status()
        return tempfile.mkdtemp()

    @task
    def clone(folder):
        git(folder, "clone", "--branch", "plain", REPO, "repo")
        return folder + "/repo"

    @task
    def update(repo, run_id=None):
        path = pathlib.Path(repo, "overlays/dev/image.yaml")
        yaml = YAML()
        document = yaml.load(path)
        document["spec"]["image"]["tag"] = run_id
        yaml.dump(document, path)
        return repo

    @task
    def commit(repo):
        git(repo, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-am", "promote")
        return repo

    @task
    def push(repo):
        git(repo, "push")
        return repo

    @task
    def compose(repo):
        return {{"done": True}}

    compose(push(commit(update(clone(call())))))


plain()
'''


def spans(world: World, dag: str, run: str, tasks: list[str]) -> tuple[float, float]:
    """Return the seconds from queueing to the end, and the seconds in which a task ran."""
    rows = [world.get(f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}") for task in tasks]
    ends = [datetime.fromisoformat(row["end_date"]) for row in rows]
    queued = [datetime.fromisoformat(row["queued_when"]) for row in rows]
    return (max(ends) - min(queued)).total_seconds(), sum(row["duration"] for row in rows)


def main(count: int) -> None:
    ours, plain = [], []
    with running_world() as world:
        world.git.create("six", {"overlays/dev/image.yaml": OVERLAY})
        world.git.commit("six", {"plain.txt": "begin"}, "begin", branch="plain")
        login = "http://robot:t0ken-of-the-robot@"
        url = world.git.url("six").replace("http://", login)
        text = PLAIN.format(git=url, barrier=world.barrier.url)
        world.add_dag_file("plain", text)
        manifests = project("six", auto("dev")) + warehouse("app", "six/app")
        world.add_project("six", manifests + stage("dev", ["app"], "direct: true", TEMPLATE))
        for dag in ("plain", PIPELINE, "six.warehouse.app"):
            world.unpause(dag)
        for position in range(count):
            world.registry.push_image("six/app", f"1.0.{position}", created=datetime.now(UTC))
            run = run_id_of(world.wait_for_freight("six", position + 1))
            assert world.wait_for_run(PIPELINE, run) == "success"
            ours.append(spans(world, PIPELINE, run, ["dev.promote"]))
            run = world.trigger("plain")
            assert world.wait_for_run("plain", run) == "success"
            tasks = ["call", "clone", "update", "commit", "push", "compose"]
            plain.append(spans(world, "plain", run, tasks))
    print(f"{'':28} {'queued → end s':>15} {'in tasks s':>11}   (median of {count})")
    for name, rows in (("one promote task, six steps", ours), ("six plain tasks", plain)):
        whole = statistics.median(row[0] for row in rows)
        print(f"{name:28} {whole:15.2f} {statistics.median(row[1] for row in rows):11.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
