"""What the configs of tf-plan, tf-apply and tf-output refuse, and what ends them before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airfreight.errors import TerminalStepError
from airfreight.model.promotion import StepStatus
from airfreight.steps.base import StepSettings
from airfreight.steps.terraform import find_terraform
from tests.steps.terraform.conftest import PASSWORD, Site

KINDS = ("tf-plan", "tf-apply", "tf-output")
EITHER = "expected either file, or name and value"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({}, "dir: required field is missing"),
        ({"dir": ""}, "dir: string should have at least 1 character"),
        ({"dir": "d", "vars": [{}]}, f"vars.0: {EITHER}"),
        ({"dir": "d", "vars": [{"name": "a"}]}, f"vars.0: {EITHER}"),
        ({"dir": "d", "vars": [{"value": "a"}]}, f"vars.0: {EITHER}"),
        ({"dir": "d", "vars": [{"file": "a", "value": "b"}]}, f"vars.0: {EITHER}"),
        (
            {"dir": "d", "vars": [{"name": "1", "value": "b"}]},
            "vars.0.name: expected a text that matches",
        ),
        (
            {"dir": "d", "vars": [{"name": "a", "value": 1.2}]},
            "vars.0.value: expected a string, found a number",
        ),
        ({"dir": "d", "env": [{"name": "A"}]}, "env.0.value: required field is missing"),
        ({"dir": "d", "env": [{"value": "A"}]}, "env.0.name: required field is missing"),
        (
            {"dir": "d", "env": [{"name": "A B", "value": ""}]},
            "env.0.name: expected a text that matches",
        ),
        (
            {"dir": "d", "env": [{"name": "A", "value": "\0"}]},
            "env.0.value: expected a text that matches",
        ),
        ({"dir": "d", "destroy": True}, "destroy: there is no such field"),
    ],
)
def test_a_bad_config_fails_the_step(
    site: Site, kind: str, config: dict[str, Any], problem: str
) -> None:
    ended = site.attempt(kind, config)
    assert ended.status is StepStatus.FAILED
    assert problem in (ended.error or "")


@pytest.mark.parametrize(
    ("kind", "config", "problem"),
    [
        ("tf-plan", {"out": ""}, "out: string should have at least 1 character"),
        ("tf-apply", {"plan": ""}, "plan: string should have at least 1 character"),
        ("tf-output", {"name": "-json"}, "name: expected a text that matches"),
        ("tf-output", {"sensitive": "perhaps"}, "sensitive: expected true or false"),
    ],
)
def test_each_kind_has_fields_of_its_own(
    site: Site, kind: str, config: dict[str, Any], problem: str
) -> None:
    assert problem in (site.run(kind, **config).error or "")


@pytest.mark.parametrize(
    ("kind", "config", "problem"),
    [
        pytest.param("tf-plan", {"dir": "other"}, "dir 'other': there is no such folder", id="no folder"),
        pytest.param("tf-plan", {"dir": "infra/main.tf"}, "there is no such folder", id="a file"),
        pytest.param("tf-plan", {"dir": "../x"}, "leads out of the work directory", id="dir outside"),
        pytest.param("tf-plan", {"out": "../../x"}, "leads out of the work directory", id="out outside"),
        pytest.param("tf-plan", {"vars": [{"file": "a"}]}, "vars: there is no file a in infra", id="no vars"),
        pytest.param("tf-plan", {"vars": [{"file": "../../a"}]}, "leads out", id="vars outside"),
        pytest.param("tf-apply", {"plan": "p"}, "plan: there is no file p in infra", id="no plan"),
        pytest.param("tf-apply", {"plan": "../../p"}, "leads out", id="plan outside"),
        pytest.param("tf-output", {"state": "s"}, "state: there is no file s in infra", id="no state"),
        pytest.param("tf-output", {"state": "../../s"}, "leads out", id="state outside"),
    ],
)  # fmt: skip
def test_a_path_that_is_not_there_or_leads_out_ends_the_step(
    site: Site, kind: str, config: dict[str, Any], problem: str
) -> None:
    ended = site.run(kind, **config)
    assert ended.terminal
    assert problem in (ended.error or "")


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_setting_nothing_runs(site: Site, kind: str) -> None:
    site.settings = StepSettings()
    ended = site.run(kind)
    assert ended.terminal
    assert "turn the setting allow_terraform on" in (ended.error or "")


def test_no_config_shows_a_value(site: Site) -> None:
    given = {"name": "a", "value": PASSWORD}
    config = {"dir": "infra", "vars": [given], "env": [given]}
    assert PASSWORD not in repr(site.step("tf-plan").config_type.model_validate(config))


def test_opentofu_comes_before_terraform_and_one_has_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TerminalStepError, match="neither the program tofu nor terraform is inst"):
        find_terraform()
    for name in ("terraform", "tofu"):
        (tmp_path / name).touch(mode=0o755)
        assert find_terraform().path == tmp_path / name
