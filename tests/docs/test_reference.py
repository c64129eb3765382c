"""The reference pages name everything that the code has."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from airfreight import errors
from airfreight.cli.arguments import argument_parser
from airfreight.expr.limits import DEFAULT_LIMITS
from airfreight.manifests.resources import API_VERSIONS
from airfreight.model.channel import MessageChannel
from airfreight.model.project import ConfigMap, Project, ProjectConfig
from airfreight.model.stage import PromotionTask, Stage
from airfreight.model.warehouse import Warehouse
from airfreight.runtime.settings import Settings, setting_names
from airfreight.steps.base import PromotionStep
from airfreight.steps.builtin import builtin_steps
from tests.docs.pages import ROOT, code_words, read, section

_KINDS = (ConfigMap, MessageChannel, Project, ProjectConfig, PromotionTask, Stage, Warehouse)
# Two kinds share the models of tasks and channels; Connections are annotations.
_NOT_IN_MANIFESTS = {"cluster", "argocdConnection", "connectionId"}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _fields(model: type[BaseModel]) -> set[str]:
    """Return the names of the model's fields as manifests have them, those of nested models included."""
    names: set[str] = set()
    for name, info in model.model_fields.items():
        names.add(info.alias or name)
        for nested in _models(info.annotation):
            names |= _fields(nested)
    return names


def _rows(text: str) -> dict[str, list[str]]:
    """Return the rows of all tables by the code in their first cell."""
    rows: dict[str, list[str]] = {}
    for line in re.findall(r"^\| `.*$", text, re.MULTILINE):
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        for name in re.findall(r"`([^`]+)`", cells[0]):
            rows[name] = cells
    return rows


@pytest.mark.parametrize("step", builtin_steps(), ids=lambda step: step.kind)
def test_every_step_kind_has_an_entry_with_its_fields_and_what_a_second_run_does(
    step: PromotionStep[Any],
) -> None:
    entry = read(f"docs/steps/{step.kind}.md")
    assert entry.startswith(f"# {step.kind}\n")
    assert _fields(step.config_type) - code_words(entry) == set()
    for part in ("\nOutput:", "\nSecond run:", "\n```yaml\n"):
        assert part in entry


@pytest.mark.parametrize("step", builtin_steps(), ids=lambda step: step.kind)
def test_the_defaults_of_a_steps_fields_are_those_of_its_config(step: PromotionStep[Any]) -> None:
    rows = _rows(read(f"docs/steps/{step.kind}.md"))
    for name, info in step.config_type.model_fields.items():
        default = rows[info.alias or name][2]
        if info.is_required():
            assert "required" in default
        elif isinstance(info.default, bool):
            assert default == f"`{str(info.default).lower()}`"
        elif isinstance(info.default, timedelta):
            assert default == f"`{info.default.total_seconds():g}s`"
        elif isinstance(info.default, str | int) and info.default:
            assert default == f"`{info.default}`"
        else:
            assert default
            assert "required" not in default


@pytest.mark.parametrize("step", builtin_steps(), ids=lambda step: step.kind)
def test_a_page_says_the_threshold_and_the_time_out_where_they_are_not_the_usual_ones(
    step: PromotionStep[Any],
) -> None:
    page = read(f"docs/steps/{step.kind}.md")
    threshold = re.search(r"The error threshold is (\d+)", page)
    time_out = re.search(r"The time-out is (\d+) minutes", page)
    assert int(threshold[1] if threshold else 1) == step.default_error_threshold
    assert (timedelta(minutes=int(time_out[1])) if time_out else None) == step.default_timeout


@pytest.mark.parametrize("step", builtin_steps(), ids=lambda step: step.kind)
def test_the_example_of_a_step_is_run_by_a_test_of_the_step(step: PromotionStep[Any]) -> None:
    call = f'example_config("{step.kind}"'
    assert any(call in file.read_text() for file in (ROOT / "tests" / "steps").rglob("*.py"))


def test_each_kind_has_a_page_and_a_row_and_no_other_has_one() -> None:
    kinds = sorted(step.kind for step in builtin_steps())
    rows = re.findall(r"^\| \[(.+)\]\(steps/(.+)\.md\) \|", read("docs/steps.md"), re.MULTILINE)
    assert rows == [(kind, kind) for kind in kinds]
    assert sorted(page.stem for page in (ROOT / "docs" / "steps").glob("*.md")) == kinds


@pytest.mark.parametrize("name", setting_names())
def test_every_setting_stands_with_its_default(name: str) -> None:
    row = _rows(section("docs/settings.md", "Airfreight's own settings"))[name]
    default = getattr(Settings(), name)
    assert row[2] == (f"`{default}`" if default != "" else "empty")
    assert row[3]


_ERRORS = [
    name
    for name, value in inspect.getmembers(errors, inspect.isclass)
    if issubclass(value, errors.AirfreightError)
]


@pytest.mark.parametrize("name", _ERRORS)
def test_every_exception_stands_in_the_tree_and_has_an_entry(name: str) -> None:
    tree = read("docs/errors.md").split("```text\n")[1].split("```")[0]
    assert re.search(rf"\b{name}\b", tree)
    assert section("docs/errors.md", name).strip()


def test_every_annotation_of_ours_is_explained() -> None:
    spelled = {
        name
        for file in (ROOT / "plugins").rglob("*.py")
        for name in re.findall(r"\"(airfreight/[a-z][a-z-]*)\"", file.read_text())
    }
    assert spelled == set(_rows(section("docs/manifests.md", "Annotations")))


@pytest.mark.parametrize("model", _KINDS, ids=lambda model: model.__name__)
def test_every_field_of_a_manifest_is_named(model: type[BaseModel]) -> None:
    named = code_words(read("docs/manifests.md") + read("docs/subscriptions.md"))
    assert _fields(model) - _NOT_IN_MANIFESTS - named == set()


@pytest.mark.parametrize("kind", API_VERSIONS)
def test_every_kind_of_manifest_stands_with_its_version(kind: str) -> None:
    table = read("docs/manifests.md").split("## What is an error")[0]
    assert re.search(rf"^\| \[{kind}\]\(#.*\| `{API_VERSIONS[kind]}` \|", table, re.MULTILINE)


def test_the_limits_of_expressions_are_those_of_the_code() -> None:
    limits = DEFAULT_LIMITS
    assert (
        f"{limits.source_length:,} characters, {limits.nodes:,} nodes and {limits.depth} levels. "
        f"It may take {limits.steps:,} steps, {limits.time} seconds"
    ) in read("docs/expressions.md").replace("\n", " ")


def _commands(parser: argparse.ArgumentParser, path: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each command with its options, one spelling of each."""
    options: set[str] = set()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from _commands(child, f"{path} {name}")
            return
        options |= {max(action.option_strings, key=len, default="")} - {"", "--help"}
    yield path, options


@pytest.mark.parametrize(
    ("command", "options"),
    [pytest.param(*c, id=c[0]) for c in _commands(argument_parser(), "airfreight")],
)
def test_every_command_and_every_option_of_it_is_named(command: str, options: set[str]) -> None:
    page = read("docs/cli.md")
    assert f"`{command}`" in page
    for option in options:
        assert re.search(rf"{option}(?![\w-])", page), option


def test_every_step_at_which_a_plan_stops_is_named() -> None:
    listed = re.search(
        r"A plan stops at these steps: (.*?)\.", section("docs/cli.md", "plan"), re.S
    )
    assert listed
    named = set(re.findall(r"`([\w-]+)`", listed[1]))
    assert named == {step.kind for step in builtin_steps() if step.outside_effect}


@pytest.mark.parametrize("variable", ["API_URL", "USERNAME", "PASSWORD", "TOKEN"])
def test_every_variable_of_the_commands_help_is_explained(variable: str) -> None:
    name = f"AIRFREIGHT_{variable}"
    assert name in (argument_parser().epilog or "")
    assert name in _rows(section("docs/cli.md", "Connection"))
