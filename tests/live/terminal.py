"""The command `airfreight`, called by a person who works with a live Airflow."""

from __future__ import annotations

import io
import json
import time
from typing import Any

from airfreight.cli.main import main
from airfreight.cli.world import World as Terminal
from tests.live.world import World


def airfreight(world: World, project: str, *words: str) -> tuple[int, str, str]:
    """Return the exit code and what was written to standard output and error."""
    return call(world, *words, "--project", project)


def call(world: World, *words: str) -> tuple[int, str, str]:
    """Return the same of a command that takes no option ``--project``."""
    environ = {
        "AIRFREIGHT_API_URL": world.stack.url,
        "AIRFREIGHT_USERNAME": "admin",
        "AIRFREIGHT_PASSWORD": "admin",
    }
    out, err = io.StringIO(), io.StringIO()
    code = main(words, Terminal(out, err, environ, time.sleep))
    return code, out.getvalue(), err.getvalue()


def rows(world: World, project: str, *words: str) -> list[dict[str, Any]]:
    """Return what a listing prints as JSON."""
    code, out, err = airfreight(world, project, *words, "-o", "json")
    assert code == 0, err
    return list(json.loads(out))
