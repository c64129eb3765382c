"""The console script `airfreight`.

Exit codes: 0 done; 1 what was asked for failed or was refused, or manifests have errors; 2 wrong usage, or settings are
missing; 3 Airflow is not reachable, does not answer as Airflow does, or refused the login, and of `step` that the step
waits; 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import time
from collections.abc import Sequence

from airfreight.cli.arguments import argument_parser
from airfreight.cli.tables import printable
from airfreight.cli.world import Exit, World
from airfreight.errors import (
    AirfreightError,
    AuthenticationError,
    SettingsError,
    TransientError,
)


def main(argv: Sequence[str] | None = None, world: World | None = None) -> int:
    """Run the command and return its exit code; argparse ends wrong usage with SystemExit(2)."""
    world = world or _real_world()
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        _check_words(words)
        return _run(argument_parser().parse_args(words), world)
    except AirfreightError as error:
        world.warn(f"airfreight: {_one_line(error)}")
        return _exit_of(error)
    except KeyboardInterrupt:
        world.warn("airfreight: interrupted; what was asked for goes on in Airflow")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`| head`); the interpreter must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK


def _real_world() -> World:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    return World(sys.stdout, sys.stderr, os.environ, time.sleep)


def _check_words(words: list[str]) -> None:
    for word in words:
        if any("\ud800" <= c <= "\udfff" or c == "\0" for c in word):
            raise SettingsError(f"{word!r} is not text in this terminal's encoding")


def _one_line(error: AirfreightError) -> str:
    return "; ".join(printable(line.strip()) for line in str(error).splitlines() if line.strip())


def _exit_of(error: AirfreightError) -> Exit:
    if isinstance(error, AuthenticationError | TransientError):
        return Exit.UNREACHABLE
    return Exit.USAGE if isinstance(error, SettingsError) else Exit.FAILED


def _run(args: argparse.Namespace, world: World) -> Exit:
    if args.command == "validate":
        return _validate(args, world)
    if args.command == "plan":
        return _plan(args, world)
    if args.command == "discover":
        return _discover(args, world)
    if args.command in ("eval", "select", "step"):
        from airfreight.cli.commands import evaluate, select, step

        offline = {"eval": evaluate.run, "select": select.run, "step": step.run}
        return offline[args.command](args, world, sys.stdin)
    from airfreight.cli.commands import abort, approve, assemble, get, promote, refresh, respond
    from airfreight.cli.connection import connected

    commands = {
        "get": get.run,
        "refresh": refresh.run,
        "assemble": assemble.run,
        "abort": abort.run,
        "approve": approve.run,
        "promote": promote.run,
        "respond": respond.run,
    }
    with connected(args, world) as api:
        return commands[args.command](args, world, api)


def _validate(args: argparse.Namespace, world: World) -> Exit:
    _import_airflow()
    from airfreight.cli.commands import validate
    from airfreight.compile.project import project_problems
    from airfreight.manifests.project import project_names

    return validate.run(args, world, project_names, project_problems)


def _plan(args: argparse.Namespace, world: World) -> Exit:
    _import_airflow()
    from airfreight.cli.commands import plan
    from airfreight.cli.connection import connected
    from airfreight.manifests.project import project_names

    with connected(args, world) as api:
        return plan.run(args, world, api, project_names)


def _discover(args: argparse.Namespace, world: World) -> Exit:
    _import_airflow()
    from airfreight.cli.commands import discover
    from airfreight.manifests.project import project_names

    return discover.run(args, world, project_names)


def _import_airflow() -> None:
    """Import Airflow, which knows Connections and settings; takes seconds.

    Before any module of ours: where it loads our plugin at once, the plugin would find that module half imported. What
    it logs meanwhile would stand amid JSON on standard output.
    """
    with contextlib.redirect_stdout(sys.stderr):
        import airflow  # noqa: F401
