"""`airfreight validate`: what is wrong with manifests."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airfreight.cli.tables import as_json, printable
from airfreight.cli.world import Exit, World
from airfreight.errors import Problem, SettingsError

ProblemsOf = Callable[[Path, str], tuple[Problem, ...]]


def run(
    args: argparse.Namespace,
    world: World,
    project_names: Callable[[Path], list[str]],
    problems_of: ProblemsOf,
) -> Exit:
    """Print every problem of the chosen projects."""
    found = {
        name: problems_of(args.pipelines, name)
        for name in chosen_projects(args.pipelines, args.projects, project_names)
    }
    if args.output == "json":
        rows = [_row(name, p) for name, problems in found.items() for p in problems]
        world.say(as_json(rows))
    else:
        for name, problems in found.items():
            _print(name, problems, world)
    wrong = any(p.severity == "error" for problems in found.values() for p in problems)
    return Exit.FAILED if wrong else Exit.OK


def chosen_projects(
    pipelines: Path, asked: list[str], project_names: Callable[[Path], list[str]]
) -> list[str]:
    """Return the projects that are asked for, or all where none is; raises SettingsError where one is not there."""
    try:
        known = project_names(pipelines)
    except OSError as error:
        raise SettingsError(
            f"cannot read {pipelines}: {error.strerror}; --pipelines names the folder of the projects"
        ) from None
    for name in asked:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"
            )
            raise SettingsError(f"{pipelines} holds no project {name!r}; {hint}")
    if not known:
        raise SettingsError(f"{pipelines} holds no project")
    return list(dict.fromkeys(asked)) or known


def _row(project: str, problem: Problem) -> dict[str, Any]:
    return {
        "project": project,
        "file": problem.location.file,
        "line": problem.location.line,
        "column": problem.location.column,
        "severity": problem.severity,
        "subject": problem.subject,
        "field": problem.field,
        "message": problem.message,
        "hint": problem.hint,
    }


def _print(project: str, problems: tuple[Problem, ...], world: World) -> None:
    for problem in problems:
        world.say(printable(f"{problem.severity}: {problem}"))
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    world.say(f"{project}: {_count(errors, 'error')}, {_count(warnings, 'warning')}")


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
