"""Seconds to make DAGs out of manifests, beside dag-factory and plain Python with as many DAGs and tasks.

    uv run --with dag-factory==1.1.0 python -m benchmarks.parse_time [COUNT]

Every figure is the median of COUNT (3) fresh processes. The first table parses DAG files by Airflow's own loader. The
second starts a task nine times by Airflow's own supervisor, whose fork reads the task's DAG file again; "plugins loaded
at once" is ``[core] lazy_load_plugins`` off: the parent has imported Airfreight for all its forks.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

REPO = Path(__file__).resolve().parents[1]

PROJECT = """\
apiVersion: kargo.akuity.io/v1alpha1
kind: Project
metadata: {{name: {project}}}
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Warehouse
metadata: {{name: app}}
spec: {{subscriptions: [{{image: {{repoURL: registry.example/{project}, constraint: ^1.0.0}}}}]}}
"""

STAGE = """\
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Stage
metadata: {{name: s{number}}}
spec:
  vars:
  - {{name: repoURL, value: "https://git.example/{project}.git"}}
  - {{name: image, value: registry.example/{project}}}
  - {{name: yamlPath, value: overlays/s{number}/image.yaml}}
  requestedFreight:
  - origin: {{kind: Warehouse, name: app}}
    sources: {{{sources}}}
  promotionTemplate:
    spec: {{steps: [{{task: {{kind: ClusterPromotionTask, name: promote-image-to-git}}}}]}}
"""

DAG_FILES = {
    "airfreight": """\
# An airflow dag file.
from airfreight import load
load("{project}")
""",
    "dag-factory": """\
# An airflow dag file.
import dagfactory
dagfactory.load_yaml_dags(globals_dict=globals(), config_filepath="{yaml}", suffix=[])
""",
    "plain Python": '''\
"""An airflow dag file."""
from datetime import datetime
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
for dag_id, upstreams in {graph}.items():
    with DAG(dag_id, schedule=None, start_date=datetime(2024, 1, 1)) as dag:
        tasks = {{name: EmptyOperator(task_id=name) for name in upstreams}}
        for name, before in upstreams.items():
            [tasks[one] for one in before] >> tasks[name]
    globals()[dag_id] = dag
''',
}

# Prints the tasks, then seconds: Airflow's imports, the import of our code, the first parse of all files, a later one.
PARSE = """
import glob, importlib, json, sys, time
marks = [time.perf_counter()]
from airflow.dag_processing.dagbag import BundleDagBag
import airflow.sdk, airflow.providers.standard.operators.empty, airflow.providers.standard.operators.hitl
marks.append(time.perf_counter())
folder, module = sys.argv[1:]
importlib.import_module(module)
marks.append(time.perf_counter())
for _ in range(2):
    bags = [
        BundleDagBag(path, safe_mode=False, load_op_links=False, bundle_path=folder, bundle_name="dags-folder")
        for path in sorted(glob.glob(folder + "/*.py"))
    ]
    marks.append(time.perf_counter())
    assert not any(bag.import_errors for bag in bags), [bag.import_errors for bag in bags]
tasks = sum(len(dag.tasks) for bag in bags for dag in bag.dags.values())
print(json.dumps([tasks, *(after - before for before, after in zip(marks, marks[1:]))]))
"""

PROBE = """
import time as _time
from airflow.sdk import DAG as _DAG, BaseOperator as _BaseOperator
_parsed = _time.perf_counter()

class _Probe(_BaseOperator):
    def execute(self, context):
        with open("{marks}", "w") as file:
            file.write(f"{{_begun}} {{_parsed}} {{_time.perf_counter()}}")

with _DAG("probe", schedule=None) as _dag:
    _Probe(task_id="probe")
"""

# Prints seconds: from Airflow's supervisor called to the task's own code, and of that to parse the task's DAG file.
START = """
import json, sys, time, uuid
import httpx
from airflow.executors import local_executor
from airflow.jobs import scheduler_job_runner
from airflow.sdk.api.client import Client, noop_handler
from airflow.sdk.api.datamodels._generated import BundleInfo, TaskInstance
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.supervisor import supervise_task

MISSING = ("data_interval_start", "data_interval_end", "end_date", "state", "partition_key")

def answer(request):
    given = noop_handler(request)
    body = given.json()
    if "dag_run" not in body:
        return given
    body["dag_run"] |= dict.fromkeys(MISSING) | {"state": "running"}
    return httpx.Response(200, json=body)

marks = sys.argv[1]
rows = []
for _ in range(10):
    known = dict.fromkeys(("id", "dag_version_id"), uuid.uuid4())
    begun = time.perf_counter()
    supervise_task(
        ti=TaskInstance(task_id="probe", dag_id="probe", run_id="r", try_number=1, **known),
        bundle_info=BundleInfo(name="dags-folder"),
        dag_rel_path="task.py",
        token="",
        client=Client(base_url=None, token="", dry_run=True, transport=httpx.MockTransport(answer)),
    )
    parse, parsed, executed = map(float, open(marks).read().split())
    rows.append((executed - begun, parsed - parse))
# The first start of a parent imports for all.
print(json.dumps([sorted(column)[4] for column in zip(*rows[1:])]))
"""


@dataclass(frozen=True)
class Size:
    """So many projects of so many Stages each."""

    projects: int
    stages: int

    def __str__(self) -> str:
        projects = "1 project" if self.projects == 1 else f"{self.projects} projects"
        return f"{projects} of {self.stages} Stages"


SIZES = (Size(1, 3), Size(20, 3), Size(200, 3), Size(1, 10), Size(1, 100), Size(1, 600))
MODULES = {
    "airfreight": "airfreight.compile.project",
    "dag-factory": "dagfactory",
    "plain Python": "airflow.sdk",
}


def upstream(number: int) -> int | None:
    """Return the Stage before: each leads to three more."""
    return (number - 1) // 3 if number else None


def graph(project: str, stages: int) -> dict[str, dict[str, list[str]]]:
    """Return DAG id → task id → the tasks before it, as Airfreight's DAGs have them."""
    pipeline: dict[str, list[str]] = {"freight": []}
    for number in range(stages):
        before = upstream(number)
        pipeline[f"s{number}.gate"] = ["freight" if before is None else f"s{before}.verify"]
        pipeline[f"s{number}.promote"] = [f"s{number}.gate"]
        pipeline[f"s{number}.verify"] = [f"s{number}.promote"]
    pipeline["outcome"] = ["freight", *(f"s{number}.verify" for number in range(stages))]
    warehouse = {"discover": [], "trigger": ["discover"], "promote_available": ["trigger"]}
    return {f"{project}.pipeline.app": pipeline, f"{project}.warehouse.app": warehouse}


def factory_config(project: str, stages: int) -> dict[str, Any]:
    """Return the same DAGs as dag-factory reads them."""
    operator = "airflow.providers.standard.operators.empty.EmptyOperator"
    return {
        dag_id: {
            "default_args": {"start_date": "2024-01-01"},
            "schedule": None,
            "tasks": [
                {"task_id": name, "operator": operator, "dependencies": before}
                for name, before in tasks.items()
            ],
        }
        for dag_id, tasks in graph(project, stages).items()
    }


def write_project(folder: Path, tool: str, project: str, stages: int) -> str:
    """Write what `tool` reads of a project, and return its DAG file's text."""
    config = folder / "factory" / f"{project}.yml"
    if tool == "airfreight":
        manifests = folder / "include" / "pipelines" / project
        manifests.mkdir(parents=True)
        texts = [PROJECT.format(project=project)]
        for number in range(stages):
            before = upstream(number)
            sources = "direct: true" if before is None else f"stages: [s{before}]"
            texts.append(STAGE.format(project=project, number=number, sources=sources))
        (manifests / "all.yaml").write_text("".join(texts))
    elif tool == "dag-factory":
        config.parent.mkdir(exist_ok=True)
        config.write_text(yaml.safe_dump(factory_config(project, stages), sort_keys=False))
    return DAG_FILES[tool].format(project=project, yaml=config, graph=graph(project, stages))


def write_all(folder: Path, tool: str, size: Size, around: Callable[[str], str] = str) -> Path:
    """Write all projects of `tool` below `folder`, and return the DAG files' folder."""
    dags = folder / "dags"
    dags.mkdir()
    shutil.copytree(REPO / "include/pipelines/_cluster", folder / "include/pipelines/_cluster")
    for number in range(size.projects):
        text = write_project(folder, tool, f"p{number}", size.stages)
        name = "task.py" if number == 0 else f"p{number}.py"
        (dags / name).write_text(around(text))
    return dags


def run(code: str, folder: Path, *arguments: str, plugin: bool, lazy: bool = True) -> list[float]:
    """Run `code` in a fresh process with an Airflow home of its own, and return the list that it printed last."""
    environ = {
        **os.environ,
        "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPO if plugin else folder) + "/plugins",
        "AIRFLOW__CORE__LAZY_LOAD_PLUGINS": str(lazy),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "PYTHONPATH": str(REPO / "plugins"),
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def medians(count: int, measure: Callable[[], list[float]]) -> list[float]:
    """Return the median of each figure over `count` processes."""
    rows = [measure() for _ in range(count)]
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def parse_seconds(tool: str, size: Size) -> list[float]:
    """Return the tasks, and the seconds of Airflow's imports, our imports, the first parse, a later one."""
    with tempfile.TemporaryDirectory() as folder:
        dags = write_all(Path(folder), tool, size)
        return run(PARSE, Path(folder), str(dags), MODULES[tool], plugin=False)


def start_seconds(tool: str | None, stages: int, *, lazy: bool = True) -> list[float]:
    """Return the seconds from a task's start to its own code, and those to parse its DAG file; None: an empty file."""
    with tempfile.TemporaryDirectory() as folder:
        marks = Path(folder, "marks")
        begin = "import time as _time\n_begun = _time.perf_counter()\n"

        def probed(text: str) -> str:
            return begin + (text if tool else "") + PROBE.format(marks=marks)

        write_all(Path(folder), tool or "plain Python", Size(1, stages), probed)
        return run(START, Path(folder), str(marks), plugin=tool == "airfreight", lazy=lazy)


def parse_rows(count: int) -> Iterator[str]:
    """Yield the lines of the first table."""
    heads = ("tasks", "Airflow", "import", "first", "later")
    yield f"{'seconds':24} {'':14}" + "".join(f"{head:>9}" for head in heads)
    for size in SIZES:
        for tool in MODULES:
            tasks, *seconds = medians(count, partial(parse_seconds, tool, size))
            yield f"{size!s:24} {tool:14}{tasks:9.0f}" + "".join(f"{s:9.3f}" for s in seconds)


STARTS: tuple[tuple[str | None, int], ...] = (
    (None, 1),
    *((tool, stages) for stages in (3, 100) for tool in MODULES),
)


def start_rows(count: int) -> Iterator[str]:
    """Yield the lines of the second table; `added` is what the DAG file and our plugin add to an empty file."""
    yield f"{'seconds':50}{'start':>8}{'parse':>8}{'added':>8}{'share':>7}"
    for lazy in (True, False):
        alone = 0.0
        for tool, stages in STARTS:
            start, parse = medians(count, partial(start_seconds, tool, stages, lazy=lazy))
            alone = start if tool is None else alone
            added = start - alone
            name = f"{tool}, {stages} Stages" if tool else "an empty DAG file"
            name += "" if lazy else ", plugins loaded at once"
            yield f"{name:50}{start:8.3f}{parse:8.3f}{added:8.3f}{added / start:7.0%}"


def main(count: int) -> None:
    """Print both tables."""
    for tool in MODULES:
        parse_seconds(tool, SIZES[0])  # writes Python's caches
    for line in chain(parse_rows(count), [""], start_rows(count)):
        print(line, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
