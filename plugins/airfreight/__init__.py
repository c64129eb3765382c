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
    """Do what each DAG file and task would do anew, once for all forks of this process.

    Imports what they use, builds the parser of expressions, and looks for the kinds that other packages declare.
    """
    from airfreight.compile import project  # noqa: F401
    from airfreight.expr.program import compile_expression
    from airfreight.sources.custom import subscription_registry
    from airfreight.steps.installed import step_registry

    compile_expression("nil")
    step_registry()
    subscription_registry()


def _calling_file() -> str:
    return str(sys._getframe(2).f_globals["__file__"])
