"""A step's config is checked when the manifest is read, by whatever model its kind brings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import field_validator

from airfreight.manifests.project import LoadedProject, load_project
from airfreight.steps.base import PromotionStep, StepConfig, StepContext, StepResult
from airfreight.steps.registry import StepRegistry
from tests.manifests.test_project import stage, template, warehouse


class Inner(StepConfig):
    depth: int


class OddConfig(StepConfig):
    """What no built-in kind has: a union, a mapping of models, and a check with a fault."""

    either: Inner | list[Inner] = ()
    named: dict[str, Inner] = {}
    broken: str = ""

    @field_validator("broken")
    @classmethod
    def _break(cls, value: str) -> str:
        raise TypeError(value)


class OddStep(PromotionStep[OddConfig]):
    kind = "odd"
    config_type = OddConfig

    def run(self, config: OddConfig, context: StepContext) -> StepResult:
        return StepResult()


def load(folder: Path, config: dict[str, Any]) -> LoadedProject:
    steps = template({"uses": "odd", "config": config})
    (folder / "shop").mkdir()
    manifests = (warehouse("web"), stage("dev", promotionTemplate=steps))
    (folder / "shop" / "all.yaml").write_text("---\n".join(manifests))
    return load_project(folder, "shop", StepRegistry([OddStep()]))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"either": {"depth": 1}, "named": {"a": {"depth": 2}}}, []),
        ({"either": {"depth": "${{ 1 }}"}, "named": "${{ {} }}", "broken": "x"},
         ["config: the check of its config raised TypeError (this is a fault of the step kind)"]),
        ({"named": {"a": {"depth": "x"}}},
         ["config.named.a.depth: expected a whole number, found a string"]),
        ({"named": {"a": {}}}, ["config.named.a.depth: required field is missing"]),
        ({"either": [{"depth": 1}, {"depth": []}]},
         ["config.either: expected a mapping, found a list",
          "config.either[1].depth: expected a whole number, found a list"]),
    ],
    ids=["right", "a check with a fault", "a mapping's value", "missing there", "a union"],
)  # fmt: skip
def test_a_config_is_explained_by_its_place(
    tmp_path: Path, config: dict[str, Any], said: list[str]
) -> None:
    problems = load(tmp_path, config).problems
    steps = "spec.promotionTemplate.spec.steps[0]."
    assert [str(problem).split(steps)[1] for problem in problems] == said


def test_a_stage_with_such_a_config_is_disabled_before_any_run(tmp_path: Path) -> None:
    loaded = load(tmp_path, {"depth": 1})
    assert list(loaded.disabled) == ["Stage dev"]
    text = json.dumps([str(problem) for problem in loaded.disabled["Stage dev"]])
    assert "config.depth: step kind 'odd' has no such field" in text
