"""What is installed elsewhere agrees with what is tested here."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from airfreight.runtime.settings import setting_names
from tests.docs.pages import ROOT

_PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
_LOCKED = {
    package["name"]: package["version"]
    for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]
}
_AIRFLOW = "apache-airflow"


def _requirements() -> dict[str, Requirement]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def _dependencies() -> dict[str, Requirement]:
    found = [Requirement(line) for line in _PROJECT["dependencies"]]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def _services() -> dict[str, Any]:
    services: dict[str, Any] = _compose()["services"]
    return services


def _compose() -> dict[str, Any]:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
    return compose


def test_the_requirements_are_the_projects_dependencies() -> None:
    assert set(_requirements()) == set(_dependencies())


def test_every_requirement_but_airflow_has_the_version_of_the_lock() -> None:
    pins = {name: str(r.specifier) for name, r in _requirements().items() if name != _AIRFLOW}
    assert pins == {name: f"=={_LOCKED[name]}" for name in pins}


def test_the_airflow_that_is_tested_is_of_the_line_that_is_required() -> None:
    assert _requirements()[_AIRFLOW].specifier.contains(_LOCKED[_AIRFLOW])
    assert str(_dependencies()[_AIRFLOW].specifier) == f"=={_LOCKED[_AIRFLOW]}"


def test_the_image_has_the_airflow_of_the_lock() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"ARG AIRFLOW_VERSION={_LOCKED[_AIRFLOW]}\n" in dockerfile
    for folder in ("dags", "plugins", "include"):
        assert f" {folder} /opt/airflow/{folder}\n" in dockerfile


def test_the_build_sees_all_that_the_image_copies() -> None:
    copied = re.findall(r"^COPY --chown=\S+ (\S+) ", (ROOT / "Dockerfile").read_text(), re.M)
    shown = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.M)
    assert sorted(copied) == sorted(shown)
    assert all((ROOT / name).exists() for name in copied)


def test_every_component_of_airflow_is_a_service_with_a_health_check() -> None:
    components = {"api-server", "scheduler", "dag-processor", "triggerer", "worker"}
    services = _services()
    assert set(services) == components | {"postgres", "redis", "init"}
    assert all("test" in services[name]["healthcheck"] for name in set(services) - {"init"})


def test_every_service_of_airflow_shares_the_folder_of_kept_work_directories() -> None:
    for name in ("scheduler", "worker", "triggerer"):
        service = _services()[name]
        folder = service["environment"]["AIRFLOW__AIRFREIGHT__SHARED_WORKSPACE_FOLDER"]
        assert service["volumes"] == [f"kept:{folder}"]


def test_the_compose_file_holds_no_secret_and_no_default_for_one() -> None:
    text = (ROOT / "docker-compose.yaml").read_text()
    variables = set(re.findall(r"\$\{(\w+)[^}]*\}", text)) - {"HOSTNAME"}
    assert variables == set(re.findall(r"\$\{(\w+):\?set \1\}", text))
    for line in text.splitlines():
        if re.search(r"^ +\w*(PASSWORD|SECRET|FERNET_KEY|AUTH)\w*: ", line):
            assert ":?set " in line or "AUTH_MANAGER" in line


def test_the_variables_of_the_compose_file_are_those_that_the_guide_makes() -> None:
    text = (ROOT / "docker-compose.yaml").read_text()
    guide = (ROOT / "docs" / "operations.md").read_text()
    needed = set(re.findall(r"\$\{(\w+):\?", text))
    assert needed == set(re.findall(r"^(\w+)=\$\(openssl", guide, re.MULTILINE))


@pytest.mark.parametrize("name", ["docker-compose.yaml"])
def test_settings_of_airfreight_in_the_compose_file_exist(name: str) -> None:
    named = re.findall(r"AIRFLOW__AIRFREIGHT__(\w+):", (ROOT / name).read_text())
    assert named
    assert {setting.lower() for setting in named} <= set(setting_names())
