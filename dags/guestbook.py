"""The Airflow DAGs of project guestbook: its manifests lie in include/pipelines/guestbook."""

from airfreight import load

load("guestbook")
