from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from airfreight.errors import TerminalStepError
from airfreight.runtime.objects import ProjectObjects
from airfreight.steps.base import PromotionStep
from airfreight.steps.set_freight_alias import SetFreightAliasStep
from airfreight.steps.set_metadata import SetMetadataStep
from tests.runtime.memory import MemoryStore, Pipeline
from tests.steps.examples import FREIGHT, example_config
from tests.steps.files import context_at

NAME = FREIGHT.name


@pytest.fixture
def pipeline() -> Pipeline:
    """Return a project with the Freight of the examples and an older one."""
    pipeline = Pipeline(stages=("dev", "prod"))
    pipeline.find("1.0.0")
    web = pipeline.registers.warehouses["web"]
    web.register(FREIGHT.content, FREIGHT.discovered_at)
    return pipeline


@pytest.fixture
def objects(pipeline: Pipeline) -> ProjectObjects:
    return ProjectObjects(MemoryStore(), ("dev", "prod"), pipeline.registers.warehouses)


def run(objects: ProjectObjects, step: PromotionStep[Any], config: dict[str, Any]) -> None:
    context = replace(context_at(Path("/nowhere")), objects=objects)
    result = step.run(step.config_type.model_validate(config), context)
    assert (result.status, result.output) == ("Succeeded", None)


def update(kind: str, name: str, **values: Any) -> dict[str, Any]:
    return {"updates": [{"kind": kind, "name": name, "values": values}]}


@pytest.mark.parametrize(
    ("step", "config", "place"),
    [
        (SetMetadataStep(), {"updates": []}, "updates"),
        (SetMetadataStep(), update("Warehouse", "web", a=1), "kind"),
        (SetMetadataStep(), update("Stage", "", a=1), "name"),
        (SetMetadataStep(), update("Stage", "dev"), "values"),
        (SetMetadataStep(), {"updates": [{**update("Stage", "d", a=1)["updates"][0], "x": 1}]}, "x"),
        (SetFreightAliasStep(), {"name": NAME}, "alias"),
        (SetFreightAliasStep(), {"name": NAME, "alias": "No Label"}, "alias"),
        (SetFreightAliasStep(), {"name": NAME, "alias": "a" * 64}, "alias"),
    ],
    ids=["no update", "another kind", "no name", "no value", "unknown field", "no alias",
         "no label", "a long alias"],
)  # fmt: skip
def test_a_bad_config_names_the_field(step: Any, config: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as refused:
        step.config_type.model_validate(config)
    assert place in refused.value.errors()[0]["loc"]


def test_metadata_are_merged_key_by_key(objects: ProjectObjects) -> None:
    run(objects, SetMetadataStep(), update("Stage", "dev", region="eu", level=1))
    run(objects, SetMetadataStep(), update("Stage", "dev", level={"a": [2, None]}))
    assert objects.metadata("Stage", "dev") == {"region": "eu", "level": {"a": [2, None]}}
    assert objects.metadata("Stage", "prod") is None
    assert objects.metadata("Freight", "dev") is None


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("Stage", "qa", "there is no Stage 'qa' in this project; there are dev, prod"),
        ("Freight", "f" * 40, "no Freight has the name 'ffff"),
    ],
)
def test_metadata_of_what_is_not_there_are_an_error(
    objects: ProjectObjects, kind: str, name: str, message: str
) -> None:
    with pytest.raises(TerminalStepError, match=message):
        run(objects, SetMetadataStep(), update(kind, name, a=1))


def test_a_renamed_freight_is_found_by_its_new_alias_only(
    objects: ProjectObjects, pipeline: Pipeline
) -> None:
    web = pipeline.registers.warehouses["web"]
    old = web.resolve(NAME).alias
    for _ in range(2):
        run(objects, SetFreightAliasStep(), {"name": NAME, "alias": "release-7"})
    assert web.resolve("release-7").name == NAME
    assert web.resolve("release-7").alias == "release-7"
    assert web.find(old) == ()


def test_an_alias_that_another_freight_has_is_refused(
    objects: ProjectObjects, pipeline: Pipeline
) -> None:
    taken = next(e for e in pipeline.registers.warehouses["web"].index() if e.name != NAME)
    with pytest.raises(TerminalStepError, match="has the alias"):
        run(objects, SetFreightAliasStep(), {"name": NAME, "alias": taken.alias})


def test_a_forgotten_freight_leaves_its_alias_free(pipeline: Pipeline) -> None:
    web = pipeline.registers.warehouses["web"]
    first = pipeline.find("0.0.0", hour=-100)
    web.rename(first.name, "release-0")
    for number in range(21):
        pipeline.find(f"3.0.{number}", hour=number)
    newest = web.index()[0].name
    assert first.name in web.trim([newest], FREIGHT.discovered_at.replace(year=2030))
    web.rename(newest, "release-0")
    assert web.resolve("release-0").name == newest


def test_a_step_that_is_tried_without_a_project_says_so(tmp_path: Path) -> None:
    config = SetMetadataStep.config_type.model_validate(update("Stage", "dev", a=1))
    with pytest.raises(TerminalStepError, match="only a promotion has a project"):
        SetMetadataStep().run(config, context_at(tmp_path))


def test_the_example_of_set_metadata_writes_to_freight_and_stage(objects: ProjectObjects) -> None:
    run(objects, SetMetadataStep(), example_config("set-metadata"))
    assert objects.metadata("Freight", NAME) == {"ticket": "OPS-7"}
    assert objects.metadata("Stage", "dev") == {"region": "eu-west-1"}


def test_the_example_of_set_freight_alias_renames_to_the_tag(
    objects: ProjectObjects, pipeline: Pipeline
) -> None:
    run(objects, SetFreightAliasStep(), example_config("set-freight-alias"))
    assert pipeline.registers.warehouses["web"].resolve("release-1-2-3").name == NAME
