"""The file behind `--env`: the variables that expressions see."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airfreight.errors import ExpressionError, SettingsError
from airfreight.expr.text_functions import read_json


def read_environment(path: Path | None) -> Mapping[str, Any]:
    """Return the variables of a JSON file, none without one; raises SettingsError."""
    if path is None:
        return {}
    try:
        return mapping(read_json(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, ExpressionError) as error:
        raise SettingsError(f"cannot read {path}: {error}") from None


def mapping(env: Any) -> Mapping[str, Any]:
    """Return `env` where it is variable → value; raises ExpressionError."""
    if not isinstance(env, dict):
        raise ExpressionError("the env must be an object: variable → value")
    return env
