"""The only file under plugins/ that Airflow loads as a plugin; the package beside it is in .airflowignore."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class AirfreightPlugin(AirflowPlugin):
    """Makes Airfreight known to Airflow by name."""

    name = "airfreight"
