"""The only file under plugins/ that Airflow loads as a plugin; the package beside it is in .airflowignore."""

from __future__ import annotations

from typing import Any

from airflow import settings
from airflow.plugins_manager import AirflowPlugin

from airfreight import preload


class AirfreightPlugin(AirflowPlugin):
    """Makes Airfreight known to Airflow by name, and warm in the processes that fork others.

    Every parse and every task is a fork of a process that has been up for long. With ``[core] lazy_load_plugins``
    off those import us once and each fork is spared it (`docs/operations.md` has the figures).
    """

    name = "airfreight"

    @classmethod
    def on_load(cls, *args: Any, **kwargs: Any) -> None:  # noqa: ARG003 Airflow's signature
        """Have at hand what every DAG file and every task of ours needs."""
        # A fork that loads plugins by itself would pay for what it may not need.
        if not settings.LAZY_LOAD_PLUGINS:
            preload()
