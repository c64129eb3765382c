"""What the manifests at hand declare, found by name as a person gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from airfreight.errors import NotFoundError, RefusedError
from airfreight.manifests.project import LoadedProject
from airfreight.model.suggestions import suggest

DeclaredT = TypeVar("DeclaredT")


def find_declared(
    project: LoadedProject, kind: str, name: str, declared: Mapping[str, DeclaredT]
) -> DeclaredT:
    """Return what `declared` has under `name`; it may be newer than what Airflow has loaded.

    Raises RefusedError where its manifests are wrong, NotFoundError with the nearest name where there is none.
    """
    problems = project.disabled.get(f"{kind} {name}", ())
    if problems:
        listed = "\n".join(str(problem) for problem in problems)
        raise RefusedError(f"{kind} {name} is disabled by its manifests:\n{listed}")
    if name not in declared:
        hint = suggest(name, declared) or f"there are {', '.join(sorted(declared)) or 'none'}"
        raise NotFoundError(f"project {project.name} has no {kind} {name!r}; {hint}")
    return declared[name]
