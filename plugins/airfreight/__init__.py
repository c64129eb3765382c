"""Airfreight: Kargo's promotion pipelines, run by Apache Airflow.

Layers, outer to inner; a module imports its own layer or one to the right (a test holds the order)::

    web, cli, dags → compile → operators → sensors → triggers → hooks → runtime
        → manifests → steps → artifacts → expr → model → errors

`airflow` is known only left of `runtime`: everything right of it runs and is tested without Airflow.
"""
