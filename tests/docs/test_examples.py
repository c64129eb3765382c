"""What readers copy from the pages works, and what they follow leads somewhere."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from airfreight.expr.functions import Function
from airfreight.expr.templates import evaluate_template
from airfreight.manifests.project import LoadedProject, load_project
from airfreight.manifests.steps import IN_STEPS
from airfreight.model.stage import Step
from airfreight.runtime.functions import Scope, functions
from airfreight.steps.installed import step_registry
from tests.docs.pages import PAGES, ROOT, Block, anchors, blocks, prose, read

_REGISTRY = step_registry()
_YAML = [block for page in PAGES for block in blocks(page, "yaml")]
_STEPS = [block for block in _YAML if block.text.startswith("uses:")]
_STEP_IDS = [str(block) for block in _STEPS]
_PROJECTS = sorted((ROOT / "docs" / "examples").glob("*.yaml"))
_LINKS = [
    pytest.param(page, target, id=f"{page.name}: {target}")
    for page in PAGES
    for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)", prose(page.read_text()))
    if not target.startswith("https://")
]


def _load(manifests: list[Block], tmp_path: Path) -> LoadedProject:
    folder = tmp_path / "shop"
    folder.mkdir(parents=True)
    for number, block in enumerate(manifests):
        (folder / f"{number:02}.yaml").write_text(block.text)
    return load_project(tmp_path, "shop", _REGISTRY)


@pytest.mark.parametrize("page", ["README.md", "docs/manifests.md"])
def test_the_manifests_of_a_page_make_a_project_without_a_problem(
    page: str, tmp_path: Path
) -> None:
    manifests = [b for b in blocks(ROOT / page, "yaml") if "apiVersion:" in b.text]
    project = _load(manifests, tmp_path)
    assert [str(problem) for problem in project.problems] == []
    assert project.disabled == {}
    assert [pipeline.name for pipeline in project.pipelines] == ["shop"]


@pytest.mark.parametrize("file", _PROJECTS, ids=lambda file: file.stem)
def test_a_project_of_the_examples_has_no_problem(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / file.stem
    folder.mkdir()
    shutil.copy(file, folder)
    project = load_project(tmp_path, file.stem, _REGISTRY)
    assert [str(problem) for problem in project.problems] == []
    assert len(project.pipelines) == 1


def test_every_project_of_the_examples_is_described_and_played() -> None:
    names = [file.stem for file in _PROJECTS]
    rows = re.findall(
        r"^\| \[(.+)\]\(examples/(.+)\.yaml\) \|", read("docs/examples.md"), re.MULTILINE
    )
    assert sorted(rows) == [(name, name) for name in names]
    played = read("tests/live/test_pipelines.py")
    assert [name for name in names if f'"{name}": ' not in played] == []


def test_every_yaml_block_is_a_manifest_of_these_pages_or_a_step() -> None:
    # Those of subscriptions.md are entries of a list, and have a test of their own.
    others = [b for b in _YAML if b not in _STEPS and b.page.name != "subscriptions.md"]
    assert {b.page.name for b in others} == {"README.md", "credentials.md", "manifests.md"}
    assert all("apiVersion:" in b.text for b in others)


@pytest.mark.parametrize("block", _STEPS, ids=_STEP_IDS)
def test_the_example_of_a_step_meets_its_config(block: Block) -> None:
    step = Step.model_validate(yaml.safe_load(block.text))
    kind = _REGISTRY.find(step.uses)
    assert kind is not None
    problems = _problems(kind.config_type, step.config)
    # What a template yields is known when it is run, as a test of the step does.
    assert [problem for problem in problems if "${{" not in str(problem["input"])] == []


def _problems(model: type[BaseModel], config: Any) -> list[Any]:
    try:
        model.model_validate(config)
    except ValidationError as error:
        return list(error.errors())
    return []


@pytest.mark.parametrize("block", _STEPS, ids=_STEP_IDS)
def test_the_example_of_a_step_loads_in_a_stage_without_a_problem(
    block: Block, tmp_path: Path
) -> None:
    readme = blocks(ROOT / "README.md", "yaml")[0]
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(readme.text))
    documents[2]["spec"]["promotionTemplate"]["spec"]["steps"] = [yaml.safe_load(block.text)]
    text = yaml.safe_dump_all(documents)
    page = blocks(ROOT / "docs" / "manifests.md", "yaml")
    channels = [manifest for manifest in page if "kind: MessageChannel" in manifest.text]
    project = _load([Block(block.page, block.line, "yaml", text), *channels], tmp_path)
    assert [str(problem) for problem in project.problems] == []


def test_the_table_of_templates_says_what_they_give() -> None:
    text = (ROOT / "docs/expressions.md").read_text()
    rows = re.findall(r"^\| `([^`]*\$\{\{[^`]*)` \| (.+) \|$", text, re.MULTILINE)
    given = {template: evaluate_template(template, {}) for template, _ in rows}
    assert given == {
        'v${{ "1.10" }}': "v1.10",
        '${{ "1.10" }}': 1.1,
        '${{ quote("1.10") }}': "1.10",
        "${{ 1 < 2 }}": True,
        '${{ ["a", "b"] }}': ["a", "b"],
        "${{ nil }}": None,
    }


def test_the_functions_that_manifests_may_call_are_those_that_promotions_have() -> None:
    injected: dict[str, Function] = functions(Scope(), "step")
    assert set(IN_STEPS) == set(injected)


@pytest.mark.parametrize(("page", "target"), _LINKS)
def test_every_link_within_the_repository_leads_somewhere(page: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    place = (page.parent / path).resolve() if path else page
    assert place.exists()
    assert not anchor or anchor in anchors(place)


def test_the_dag_file_of_the_readme_is_the_guestbooks() -> None:
    shown = blocks(ROOT / "README.md", "python")[0].text.replace("shop", "guestbook")
    own = (ROOT / "dags" / "guestbook.py").read_text()
    assert shown.split() == own.split()
    assert len([line for line in shown.splitlines() if line]) == 3


@pytest.mark.parametrize("name", ["grid", "graph", "required-actions", "terminal"])
def test_the_readme_shows_the_picture(name: str) -> None:
    assert f"](docs/pictures/{name}.png)" in (ROOT / "README.md").read_text()
