"""Parsing is pure: same bytes, same DAGs; no socket; nothing heavy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]

SERIALIZE = """
import json, sys
from pathlib import Path
from airflow.serialization.serialized_objects import DagSerialization
from airfreight.compile.project import project_dags

dags = project_dags(Path(sys.argv[1]), "guestbook")
# Airflow walks sets of field names: its own hash sorts the keys, and so do we.
print(json.dumps([DagSerialization.to_dict(dag) for dag in dags], sort_keys=True))
"""

GUARD = """
import runpy, socket, sys
import airflow.sdk, airflow.providers.standard.operators.hitl

def refuse(*arguments, **named):
    raise AssertionError(f"a socket was opened while parsing: {arguments}")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
before = set(sys.modules)
runpy.run_path(sys.argv[1])
loaded = set(sys.modules) - before
print(*(name for name in ("kubernetes", "git", "fastapi") if name in loaded))
"""

FORK = """
import importlib.metadata, runpy, sys
import airfreight

def refuse(**arguments):
    raise AssertionError(f"packages were looked through while parsing: {arguments}")

airfreight.preload()
importlib.metadata.entry_points = refuse
loaded = set(sys.modules)
runpy.run_path(sys.argv[1])
ours = ("airfreight.", "airflow.timetables.base")
print(*sorted(name for name in set(sys.modules) - loaded if name.startswith(ours)))
"""

TASK = """
import sys
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.definitions._internal.dag_parsing_context import _airflow_parsing_context_manager

with _airflow_parsing_context_manager(dag_id=sys.argv[2], task_id="any"):
    print(*DagBag(sys.argv[1]).dag_ids)
"""


def python(folder: Path, code: str, *arguments: str, seed: str = "0") -> str:
    """Run `code` in a process of its own, with an Airflow home of its own, and return what it printed last."""
    environ = {
        **os.environ,
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONHASHSEED": seed,
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.rsplit("\n", 2)[-2] if "\n" in done.stdout else done.stdout


def test_dags_are_the_same_bytes_in_every_process_until_a_manifest_changes(tmp_path):
    pipelines = Path(shutil.copytree(REPO / "include" / "pipelines", tmp_path / "pipelines"))
    one = python(tmp_path, SERIALIZE, str(pipelines), seed="1")
    assert one.startswith("[{")
    assert python(tmp_path, SERIALIZE, str(pipelines), seed="4242") == one
    stages = pipelines / "guestbook" / "stages.yaml"
    stages.write_text(stages.read_text() + "# a comment is a change too\n")
    assert python(tmp_path, SERIALIZE, str(pipelines), seed="1") != one


def test_parsing_a_dag_file_opens_no_socket_and_loads_nothing_heavy(tmp_path):
    assert python(tmp_path, GUARD, str(REPO / "dags" / "guestbook.py")).strip() == ""


def test_a_fork_of_a_process_that_preloaded_us_imports_nothing_and_looks_for_no_package(tmp_path):
    assert python(tmp_path, FORK, str(REPO / "dags" / "guestbook.py")).strip() == ""


@pytest.mark.parametrize(
    "dag_id", ["guestbook.pipeline.guestbook", "guestbook.warehouse.guestbook"]
)
def test_the_process_of_a_task_makes_the_dag_of_the_task_and_no_other(tmp_path, dag_id):
    dag_file = str(REPO / "dags" / "guestbook.py")
    assert python(tmp_path, TASK, dag_file, dag_id).split() == [dag_id]
