"""No Airflow DAG: raises what is wrong with any project's manifests, so that the list of import errors shows it."""

from airfreight import raise_errors

raise_errors()
