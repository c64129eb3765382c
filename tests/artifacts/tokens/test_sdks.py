"""What is said where a cloud's package is not installed."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

import pytest

from airfreight.artifacts.tokens.token import in_short, needs
from airfreight.errors import SettingsError

ROOT = Path(__file__).parents[3]
TOKENS = ROOT / "plugins" / "airfreight" / "artifacts" / "tokens"


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    with (
        pytest.raises(SettingsError) as caught,
        needs("boto3", "Connection 'airfreight_shop_ecr'"),
    ):
        importlib.import_module("boto_that_nobody_has")
    assert str(caught.value) == (
        "Connection 'airfreight_shop_ecr' needs the package boto_that_nobody_has: "
        "run pip install 'boto3' in the image of every component"
    )


def test_what_is_named_are_the_extras_of_the_clouds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [project["optional-dependencies"][cloud] for cloud in ("aws", "google", "azure")]
    named = {
        requirement
        for file in TOKENS.glob("*.py")
        for requirement in re.findall(r'needs\("(.+?)"', file.read_text())
    }
    assert named == {requirement for extra in extras for requirement in extra}


def test_what_a_service_says_is_told_on_one_line_and_not_too_long() -> None:
    assert in_short("a\n b\x1b[31m") == "a b [31m"
    assert in_short("x" * 1000) == "x" * 300 + "…"
