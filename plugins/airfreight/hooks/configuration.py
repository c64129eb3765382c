"""The section ``[airfreight]`` of Airflow's configuration, read when a task runs and never when a DAG is parsed."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from airflow.sdk.configuration import conf

from airfreight.errors import SettingsError
from airfreight.runtime.settings import Settings

_SECTION = "airfreight"


def read_settings() -> Settings:
    """Return the deployment's settings; raises SettingsError where a value is of the wrong type."""
    defaults = Settings()
    values = {
        field.name: _read(field.name, getattr(defaults, field.name)) for field in fields(Settings)
    }
    return Settings(**values)


def _read(name: str, default: Any) -> Any:
    try:
        if isinstance(default, bool):
            return conf.getboolean(_SECTION, name, fallback=default)
        if isinstance(default, float):
            return conf.getfloat(_SECTION, name, fallback=default)
        return conf.get(_SECTION, name, fallback=default)
    except Exception as error:
        expected = type(default).__name__
        raise SettingsError(
            f"setting [{_SECTION}] {name}: expected a {expected}: {error}"
        ) from error


def ui_base_url() -> str:
    """Return the address of Airflow's UI, or an empty string where nobody set it."""
    return str(conf.get("api", "base_url", fallback="") or "").rstrip("/")


def is_local_executor() -> bool:
    """Say whether all workers run on this machine and so share its folders."""
    return (
        str(conf.get("core", "executor", fallback="LocalExecutor")).split(".")[-1]
        == "LocalExecutor"
    )
