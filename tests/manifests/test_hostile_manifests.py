"""Whatever stands in a manifest: a model, or problems with their places, soon; and DAGs of what could be read."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airfreight.compile.project import project_dags
from airfreight.errors import ManifestError, Problem
from airfreight.manifests.project import load_project
from airfreight.steps.installed import step_registry
from tests.manifests.mutations import PIPELINES, changed_texts, changed_trees

STEADY = settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
LINE_ENDS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
LONGEST_PROBLEM = 2_000
BOMB_SECONDS = 10.0  # the largest takes 3 s on a busy machine, and minutes without its guard
MOST_SECONDS = 3.0  # of a machine with other work; each takes some 0.02


def problems_of(pipelines: Path, project: str = "guestbook") -> tuple[Problem, ...]:
    """Load the project and, where that can be done, build its DAGs."""
    try:
        loaded = load_project(pipelines, project, step_registry())
    except ManifestError as error:
        return error.problems
    project_dags(pipelines, project)
    return loaded.problems


def check(file: str, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pipelines = Path(shutil.copytree(PIPELINES, Path(folder) / "pipelines"))
        (pipelines / file).write_text(text, newline="")
        began = time.process_time()
        problems = problems_of(pipelines)
        assert time.process_time() - began < MOST_SECONDS
    lines = len(LINE_ENDS.split(text))
    for problem in problems:
        assert problem.message
        assert len(str(problem)) < LONGEST_PROBLEM
        assert problem.location.column >= 1
        if problem.location.file == file:
            assert 1 <= problem.location.line <= lines
        else:
            assert (PIPELINES / problem.location.file).is_file()


@STEADY
@given(changed_trees())
def test_a_changed_tree_is_read_or_explained(change):
    """Guard: `read_model` turns every ValidationError into located problems."""
    check(*change)


@STEADY
@given(changed_texts())
def test_a_changed_text_is_read_or_explained(change):
    """Guard: `read_documents` turns every YAMLError into a located problem."""
    check(*change)


WAREHOUSE = """\
apiVersion: kargo.akuity.io/v1alpha1
kind: Warehouse
metadata:
  name: web
  annotations: {%(annotations)s}
spec:
  interval: %(interval)s
  subscriptions: [{image: {repoURL: registry.example/web, constraint: "%(constraint)s"}}]
"""
STAGE = """\
---
apiVersion: kargo.akuity.io/v1alpha1
kind: Stage
metadata: {name: "%(stage)s"}
spec:
  requestedFreight:
  - origin: {kind: Warehouse, name: web}
    sources: {direct: true, requiredSoakTime: %(soak)s}
  promotionTemplate:
    spec: {steps: [{uses: fail, config: {message: "%(message)s"}}]}
"""
GOOD = {
    "annotations": "",
    "interval": "5m",
    "constraint": "^1.0.0",
    "stage": "dev",
    "soak": "1h",
    "message": "no",
}


def write(folder: Path, **fields: str) -> Path:
    (folder / "shop").mkdir()
    (folder / "shop" / "all.yaml").write_text((WAREHOUSE + STAGE) % {**GOOD, **fields})
    return folder


SCHEDULE = "airfreight/schedule: '{}'".format
DEFINITE = {
    "an endless interval": ("interval", "9" * 400 + "h", 7, "spec.interval"),
    "an interval beyond Go's": ("interval", "2562048h", 7, "spec.interval"),
    "an interval of nothing: it would poll without a pause": ("interval", "0s", 7, "spec.interval"),
    "digits of another script": ("interval", "٣s", 7, "spec.interval"),
    "an endless soak time": ("soak", "99999999999999h", 16, "requiredSoakTime"),
    "a constraint of 5,000 digits": ("constraint", "^" + "9" * 5_000, 8, "image.constraint"),
    "a schedule that never comes": ("annotations", SCHEDULE("0 0 30 2 *"), 5, "schedule"),
    "a schedule by lot, another in every process": (
        "annotations",
        SCHEDULE("R R * * *"),
        5,
        "schedule",
    ),
    "a schedule of 200,000 entries": (
        "annotations",
        SCHEDULE("1," * 100_000 + "1 * * * *"),
        5,
        "schedule",
    ),
    "digits in a schedule that are none": ("annotations", SCHEDULE("² * * * *"), 5, "schedule"),
    "two dots in a name": ("stage", "a..b", 12, "metadata.name"),
    "a dash before a dot": ("stage", "a-.b", 12, "metadata.name"),
    "a path for a name": ("stage", "../x", 12, "metadata.name"),
    "NUL in a name": ("stage", "a\\0b", 12, "metadata.name"),
    "a name of 10,000 letters": ("stage", "x" * 10_000, 12, "metadata.name"),
    "100,000 expressions in a text": ("message", "${{ 1 + }}" * 50_000, 18, "config.message"),
    "brackets without end": ("message", "${{ " + "(" * 20_000, 18, "config.message"),
}


@pytest.mark.parametrize(("field", "value", "line", "where"), DEFINITE.values(), ids=DEFINITE)
def test_a_definite_error_has_one_message_at_its_line(tmp_path, field, value, line, where):
    """Guards: `parse_duration`, `_SHORTEST_INTERVAL`, `_LONGEST_CONSTRAINT`, `_is_schedule`, `kubernetes_name`,
    `LONGEST_TEMPLATE`."""
    began = time.process_time()
    problems = problems_of(write(tmp_path, **{field: value}), "shop")
    assert time.process_time() - began < MOST_SECONDS
    assert [(p.severity, p.location.line) for p in problems] == [("error", line)]
    assert where in problems[0].field


def test_a_broken_stage_disables_only_itself(tmp_path):
    """Guard: `_disabled` asks each manifest's own errors."""
    write(tmp_path, soak="9" * 400 + "h")
    other = STAGE % {**GOOD, "stage": "prod"}
    (tmp_path / "shop" / "other.yaml").write_text(other.removeprefix("---\n"))
    loaded = load_project(tmp_path, "shop", step_registry())
    assert set(loaded.disabled) == {"Stage dev"}
    assert [stage.name for stage in loaded.stages] == ["dev", "prod"]


@pytest.mark.parametrize("name", ["freight", "outcome"])
def test_a_stage_may_be_called_as_a_task_of_the_pipeline(tmp_path, name):
    """Guard: `stage_group_id` keeps the pipeline's own task ids free."""
    dags = {dag.dag_id: dag for dag in project_dags(write(tmp_path, stage=name), "shop")}
    assert f"{name}_.gate" in dags["shop.pipeline.web"].task_ids


BOMBS = {
    "a merge of 20,000 keys": "a: &a {"
    + ", ".join(f"k{i}: 1" for i in range(20_000))
    + "}\nb: {<<: *a}\n",
    "20,000 merges": "a: &a {}\nb: {<<: [" + "*a, " * 20_000 + "]}\n",
    "laughs": "a0: &a0 [x]\n"
    + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 20)),
    "deep and wide": "[" * 98 + "1, " * 20_000 + "]" * 98 + "\n",
    "20,000 tags": "- !!python/object:os.system x\n" * 20_000,
    "one key 40,000 times": "a: 1\n" * 40_000,
    "a hostile kind": "apiVersion: kargo.akuity.io/v1alpha1\nkind: " + "S" * 900_000 + "\n",
    "two long names that differ": "".join(
        f"---\napiVersion: kargo.akuity.io/v1alpha1\nkind: Stage\nmetadata: {{name: {c * 300_000}}}\n"
        for c in "ab"
    ),
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_put_out_soon_and_in_few_words(tmp_path, text):
    """Guards: `MOST_NODES`, `MOST_PROBLEMS`, `brief`, and values that hold their children instead of copied paths."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "bomb.yaml").write_text(text)
    began = time.process_time()
    problems = problems_of(tmp_path, "shop")
    assert time.process_time() - began < BOMB_SECONDS
    assert problems
    assert sum(len(str(problem)) for problem in problems) < 100_000


def test_what_is_no_regular_file_is_not_read(tmp_path):
    """Guard: `_read_file` asks what it is first; without that a device is read without end."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "shop" / "gone.yaml").symlink_to(tmp_path / "nowhere")
    assert [str(problem) for problem in problems_of(tmp_path, "shop")] == [
        "shop/gone.yaml:1:1: cannot be read: No such file or directory",
        "shop/zero.yaml:1:1: cannot be read: it is no regular file",
    ]


def test_a_file_name_that_is_no_text_can_be_shown(tmp_path):
    """Guard: `_shown`; without it the message cannot be written to any log."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "a\udcff\n.yaml").write_text("[")
    (problem,) = problems_of(tmp_path, "shop")
    assert str(problem).encode().startswith(rb"shop/a\xff\n.yaml:")


@given(
    st.text(max_size=12)
    | st.sampled_from(["..", ".", "", "a/b", "_cluster", "x" * 300, "\udcff", "a\0"])
)
@settings(parent=STEADY, max_examples=100)
def test_a_project_of_any_name_is_refused_or_missing(name):
    """Guard: `_check_folder`, before a path is made of the name."""
    with pytest.raises(ManifestError) as refusal:
        load_project(PIPELINES, name, step_registry())
    str(refusal.value).encode()
