"""Airfreight: Kargo's promotion pipelines, run by Apache Airflow.

Layers, outer to inner; a module imports its own layer or one to the right (a test holds the order)::

    web, cli, dags → compile → operators → sensors → triggers → hooks → runtime
        → manifests → steps → artifacts → expr → model → errors

`airflow` is known only left of `runtime`: everything right of it runs and is tested without Airflow.
"""

from __future__ import annotations

import sys


def load(project: str) -> None:
    """Make the DAGs of `project`, whose manifests lie in `include/pipelines/<project>` beside the calling DAG file.

    Raises ManifestError where a file cannot be read; what can be read but is wrong disables only what needs it.
    """
    from airfreight.compile.project import pipelines_folder, project_dags

    project_dags(pipelines_folder(_calling_file()), project)


def raise_errors() -> None:
    """Raise every located error of every project, so that Airflow's list of import errors shows them."""
    from airfreight.compile.project import pipelines_folder, raise_all_errors

    raise_all_errors(pipelines_folder(_calling_file()))


def preload() -> None:
    """Import what DAG files and tasks use and build the parser of expressions, once for all forks of this process."""
    from airfreight.compile import project  # noqa: F401
    from airfreight.expr.program import compile_expression

    compile_expression("nil")


def _calling_file() -> str:
    return str(sys._getframe(2).f_globals["__file__"])
