"""tf-plan, tf-apply and tf-output with a real Terraform: changes, variables, outputs, second runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airfreight.model.promotion import StepStatus
from airfreight.steps.terraform import shortened
from tests.steps.examples import example_config
from tests.steps.terraform.conftest import MAIN, PASSWORD, Site

SHOWN = 'output "shown" {\n  value = var.%s\n}\nvariable "%s" {\n  %s\n}\n'


def test_a_plan_says_what_would_change_and_changes_nothing(site: Site) -> None:
    for _ in range(2):
        ended = site.run("tf-plan")
        assert ended.status is StepStatus.SUCCEEDED
        assert "# terraform_data.app will be created" in (ended.output or {})["plan"]
        assert "Plan: 1 to add, 0 to change, 0 to destroy." in (ended.output or {})["plan"]
    assert [file.name for file in (site.root / "infra").iterdir()] == ["main.tf"]


def test_a_saved_plan_is_applied_as_it_is_and_then_there_is_nothing_to_plan(site: Site) -> None:
    given = {"vars": [{"name": "image", "value": "shop:2"}]}
    site.run("tf-plan", out="tfplan", **given)
    site.write("infra/main.tf", MAIN.replace("var.image", '"another"'))
    applied = site.run("tf-apply", plan="tfplan", vars=[{"name": "image", "value": "ignored"}])
    assert "Resources: 1 added, 0 changed, 0 destroyed." in (applied.output or {})["result"]
    assert site.outputs(name="image") == {"image": "shop:2"}
    site.write("infra/main.tf", MAIN)
    again = site.run("tf-plan", out="tfplan", **given)
    assert again.status is StepStatus.SKIPPED
    assert "No changes." in (again.output or {})["plan"]
    result = site.outputs("tf-apply", plan="tfplan")["result"]
    assert "Resources: 0 added, 0 changed, 0 destroyed." in result


def test_a_second_apply_finds_what_the_first_made(site: Site) -> None:
    assert "Resources: 1 added" in site.outputs("tf-apply")["result"]
    assert "Resources: 0 added, 0 changed" in site.outputs("tf-apply")["result"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        pytest.param([], "the folder's own", id="none"),
        pytest.param([{"file": "more.tfvars"}], "a file's", id="a file"),
        pytest.param([{"name": "image", "value": "v"}], "v", id="a value"),
        pytest.param([{"file": "more.tfvars"}, {"name": "image", "value": "v"}], "v", id="value last"),
        pytest.param([{"name": "image", "value": "v"}, {"file": "more.tfvars"}], "a file's", id="file last"),
    ],
)  # fmt: skip
def test_the_last_variable_wins_and_any_before_the_folders_own(
    site: Site, given: list[dict[str, str]], shown: str
) -> None:
    site.write("infra/own.auto.tfvars", 'image = "the folder\'s own"\n')
    site.write("infra/more.tfvars", 'image = "a file\'s"\n')
    site.run("tf-apply", vars=given)
    assert site.outputs(name="image") == {"image": shown}


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        pytest.param("string", 'it\'s "a" `b` $(c) ${d} \\e\n ü -f', None, id="every character"),
        pytest.param("string", "", None, id="empty"),
        pytest.param("number", "3", 3, id="a number"),
        pytest.param("list(string)", '["a", "b"]', ["a", "b"], id="a list"),
    ],
)
def test_a_value_arrives_as_the_variables_type_says(
    site: Site, kind: str, value: str, shown: Any
) -> None:
    site.write("infra/shown.tf", SHOWN % ("x", "x", f"type = {kind}"))
    site.outputs("tf-apply", vars=[{"name": "x", "value": value}])
    assert site.outputs(name="shown") == {"shown": value if shown is None else shown}


def test_the_environment_reaches_the_program(site: Site) -> None:
    site.outputs("tf-apply", env=[{"name": "TF_VAR_image", "value": "by env"}])
    assert site.outputs(name="image") == {"image": "by env"}


def test_outputs_come_with_their_types_and_without_the_sensitive_ones(site: Site) -> None:
    site.outputs("tf-apply")
    image = {"value": "shop:1", "type": "string", "sensitive": False}
    token = {"value": "s3cret-shop:1", "type": "string", "sensitive": True}
    for _ in range(2):
        assert site.outputs() == {"image": image}
    assert site.outputs(sensitive=True) == {"image": image, "token": token}
    assert site.outputs(name="token") == {"token": "s3cret-shop:1"}


def test_outputs_go_to_a_file_instead(site: Site) -> None:
    site.outputs("tf-apply")
    for _ in range(2):
        assert site.outputs(out="made/outputs.json") == {}
        written = json.loads((site.root / "made/outputs.json").read_text())
        assert list(written) == ["image"]
        assert written["image"]["value"] == "shop:1"


def test_outputs_of_another_state_file_are_read(site: Site) -> None:
    site.outputs("tf-apply")
    (site.root / "infra/terraform.tfstate").rename(site.root / "infra/old.tfstate")
    assert site.outputs() == {}
    assert site.outputs(state="old.tfstate", name="image") == {"image": "shop:1"}


@pytest.mark.parametrize("kind", ["tf-plan", "tf-apply", "tf-output"])
def test_the_example_of_each_page_runs(site: Site, kind: str) -> None:
    outputs = {"plan": {"plan": "…"}}
    config = {
        "tf-plan": lambda: example_config("tf-plan"),
        "tf-apply": lambda: example_config("tf-apply", outputs),
        "tf-output": lambda: example_config("tf-output"),
    }
    site.write("src/infra/dev/main.tf", MAIN)
    site.attempt("tf-plan", config["tf-plan"]())
    if kind == "tf-output":
        site.attempt("tf-apply", config["tf-apply"]())
    ended = site.attempt(kind, config[kind]())
    assert ended.status is StepStatus.SUCCEEDED, ended.error


@pytest.mark.parametrize(
    ("kind", "text", "config", "problem"),
    [
        pytest.param("tf-plan", "resource {", {}, "terraform init failed: ", id="no HCL"),
        pytest.param("tf-plan", 'output "a" { value = b.c }', {}, "undeclared resource", id="a fault"),
        pytest.param("tf-plan", 'variable "a" {}', {}, "No value for required variable", id="no value"),
        pytest.param("tf-plan", MAIN, {"vars": [{"name": "x", "value": "1"}]}, "undeclared variable", id="unknown"),
        pytest.param("tf-apply", 'resource "terraform_data" "a" {\n  provisioner "local-exec" {\n'
                     '    command = "echo no such luck >&2; exit 3"\n  }\n}', {}, "no such luck", id="no luck"),
        pytest.param("tf-output", MAIN, {"name": "nothing"}, "nothing", id="no output"),
    ],
)  # fmt: skip
def test_what_terraform_says_is_the_error(
    site: Site, kind: str, text: str, config: dict[str, Any], problem: str
) -> None:
    site.write("infra/main.tf", text)
    ended = site.run(kind, **config)
    assert ended.status is StepStatus.ERRORED
    assert problem in (ended.error or "")
    assert str(site.root) not in (ended.error or "")


def test_a_password_shows_neither_in_a_plan_nor_in_the_log_nor_in_an_error(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    given = [{"name": "image", "value": PASSWORD}]
    assert 'input  = "***"' in site.outputs("tf-plan", vars=given)["plan"]
    rule = 'condition = var.image == ""\n    error_message = "bad: ${var.image}"'
    site.write("infra/main.tf", f'variable "image" {{\n  validation {{\n    {rule}\n  }}\n}}\n')
    ended = site.run("tf-plan", vars=given)
    assert "bad: ***" in (ended.error or "")
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    ("length", "whole"), [(256 * 1024, True), (256 * 1024 + 1, False), (10**6, False)]
)
def test_a_long_text_is_cut_in_the_middle(length: int, whole: bool) -> None:
    text = "a" * (length - 1) + "z"
    short = shortened(text)
    assert (short == text) is whole
    assert len(short) < 257 * 1024
    assert (short[0], short[-1]) == ("a", "z")
    assert whole or f"{length - 256 * 1024} characters left out" in short
