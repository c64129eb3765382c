"""The section ``[airfreight]`` of Airflow's configuration, read when a task runs and never when a DAG is parsed."""

from __future__ import annotations

from airflow.sdk.configuration import conf

from airfreight.runtime.settings import SECTION, Settings, read_values, setting_names


def read_settings() -> Settings:
    """Return the deployment's settings; raises SettingsError for a value of the wrong type or beyond its bounds."""
    return read_values({name: conf.get(SECTION, name, fallback=None) for name in setting_names()})


def ui_base_url() -> str:
    """Return the address of Airflow's UI, or an empty string where nobody set it."""
    return str(conf.get("api", "base_url", fallback="") or "").rstrip("/")


def is_local_executor() -> bool:
    """Say whether all workers run on this machine and so share its folders."""
    return (
        str(conf.get("core", "executor", fallback="LocalExecutor")).split(".")[-1]
        == "LocalExecutor"
    )
