"""The command line: subcommands, flags, help."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Protocol

_EXITS = """\
exit codes:
  0    done
  1    what was asked for failed or was refused, or manifests have errors
  2    wrong usage, or settings are missing
  3    Airflow is not reachable, does not answer as Airflow does, or refused the login;
       of `step`: the step waits and wants to be asked again

environment:
  AIRFREIGHT_API_URL                           where Airflow is (http://localhost:8080)
  AIRFREIGHT_USERNAME, AIRFREIGHT_PASSWORD     the login
  AIRFREIGHT_TOKEN                             a token, instead of the login
"""


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="airfreight",
        description="Kargo's promotion pipelines, run by Apache Airflow.",
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_validate(commands)
    _add_get(commands)
    _add_refresh(commands)
    _add_discover(commands)
    _add_assemble(commands)
    _add_approve(commands)
    _add_promote(commands)
    _add_plan(commands)
    _add_abort(commands)
    _add_respond(commands)
    _add_eval(commands)
    _add_select(commands)
    _add_step(commands)
    return parser


class _Commands(Protocol):
    """What `add_subparsers` returns; argparse has no public name for it."""

    def add_parser(self, name: str, **kwargs: Any) -> argparse.ArgumentParser:
        """Add a subcommand."""
        ...


def _command(commands: _Commands, name: str, text: str) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_connection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", help="the project; needed where a name is in several")
    _add_airflow(parser)


def _add_airflow(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--api-url", help="where Airflow is; else AIRFREIGHT_API_URL")
    parser.add_argument("--username", help="else AIRFREIGHT_USERNAME")


def _add_pipelines(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pipelines", type=Path, default=Path("include/pipelines"), metavar="DIR")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--output", choices=("table", "json"), default="table", help="table for people"
    )


def _add_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", action="store_true", help="follow the run until it has ended")


def _add_validate(commands: _Commands) -> None:
    parser = _command(
        commands, "validate", "Check manifests as Airflow would; needs no running Airflow."
    )
    parser.add_argument("projects", nargs="*", metavar="project", help="none: all of them")
    _add_pipelines(parser)
    _add_output(parser)


def _add_get(commands: _Commands) -> None:
    parser = _command(commands, "get", "Show Freight, Stages, Promotions or events.")
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    freight = _command(kinds, "freight", "Show the Freight that Warehouses found, newest first.")
    freight.add_argument("--warehouse", help="only this Warehouse's")
    freight.add_argument("--stage", help="only what this Stage holds or held and verified")
    freight.add_argument("--name", help="only the Freight of this name or unique prefix")
    freight.add_argument("--alias", help="only the Freight of this alias")
    stages = _command(kinds, "stages", "Show what Stages hold, and which requests are open.")
    stages.add_argument("--stage", help="only this Stage")
    promotions = _command(kinds, "promotions", "Show the last 20 Promotions of each Stage.")
    promotions.add_argument("--stage", help="only this Stage's")
    promotions.add_argument("--name", help="only the Promotion of this name")
    events = _command(
        kinds, "events", "Show the last 50 events that promotions recorded in each Stage."
    )
    events.add_argument("--stage", help="only this Stage's")
    events.add_argument("--type", help="only those of this type")
    for kind in (freight, stages, promotions, events):
        _add_connection(kind)
        _add_output(kind)


def _add_refresh(commands: _Commands) -> None:
    parser = _command(commands, "refresh", "Let a Warehouse look for new artifacts now.")
    parser.add_argument("kind", choices=("warehouse",))
    parser.add_argument("name", metavar="NAME")
    _add_connection(parser)
    _add_wait(parser)


def _add_discover(commands: _Commands) -> None:
    parser = _command(
        commands, "discover", "Show what a Warehouse would find now; starts and changes nothing."
    )
    parser.add_argument("project", help="the project, as the folder of its manifests is called")
    parser.add_argument("warehouse", metavar="WAREHOUSE")
    parser.add_argument(
        "--as-of", metavar="TIME", help="what it would have found then, as a backfill does"
    )
    _add_pipelines(parser)
    _add_output(parser)


def _add_assemble(commands: _Commands) -> None:
    parser = _command(commands, "assemble", "Make Freight of artifacts that you choose.")
    parser.add_argument("name", metavar="WAREHOUSE")
    parser.add_argument(
        "--artifact",
        action="append",
        required=True,
        metavar="SUBSCRIPTION=VERSION",
        help="one for each subscription, by its name or URL: a tag, commit or version it discovers",
    )
    parser.add_argument(
        "--promote", action="store_true", help="let Stages that promote by themselves take it"
    )
    _add_connection(parser)


def _add_freight_and_stage(parser: argparse.ArgumentParser) -> None:
    freight = parser.add_mutually_exclusive_group(required=True)
    freight.add_argument("--freight", metavar="NAME", help="name, or a unique prefix of it")
    freight.add_argument("--freight-alias", metavar="ALIAS")
    parser.add_argument("--stage", required=True)


def _add_approve(commands: _Commands) -> None:
    parser = _command(
        commands, "approve", "Make Freight available to a Stage, whatever its upstreams say."
    )
    _add_freight_and_stage(parser)
    _add_connection(parser)


def _add_promote(commands: _Commands) -> None:
    parser = _command(commands, "promote", "Promote Freight to a Stage, through the Stage's gate.")
    _add_freight_and_stage(parser)
    _add_connection(parser)
    _add_wait(parser)


def _add_plan(commands: _Commands) -> None:
    parser = _command(
        commands,
        "plan",
        "Show what a promotion would commit and where it would stop; pushes nothing.",
    )
    parser.add_argument("project", help="the project, as the folder of its manifests is called")
    _add_freight_and_stage(parser)
    _add_pipelines(parser)
    _add_airflow(parser)


def _add_abort(commands: _Commands) -> None:
    parser = _command(commands, "abort", "End a promotion that runs, is deferred or is queued.")
    parser.add_argument("--stage", required=True)
    parser.add_argument(
        "--run", metavar="RUN", help="the run that promotes; by default the one that has begun"
    )
    parser.add_argument("--reason", default="", help="why; shown with the Promotion")
    _add_connection(parser)


def _add_respond(commands: _Commands) -> None:
    parser = _command(commands, "respond", "Answer a Stage's request, or list the open ones.")
    parser.add_argument(
        "request",
        nargs="?",
        metavar="STAGE/RUN",
        help="as `airfreight respond --list` shows it; a unique beginning of RUN will do, such as the Freight's alias",
    )
    answer = parser.add_mutually_exclusive_group(required=True)
    answer.add_argument("--approve", action="store_true")
    answer.add_argument("--reject", action="store_true")
    answer.add_argument(
        "--values",
        metavar="JSON",
        help="an object, for a step that asks for input (get-user-input)",
    )
    answer.add_argument("--list", action="store_true", help="list the open requests")
    parser.add_argument("--message", default="", help="why; shown with the decision")
    _add_connection(parser)
    _add_output(parser)


def _add_eval(commands: _Commands) -> None:
    parser = _command(commands, "eval", "Evaluate an expression or template; needs no Airflow.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("expression", nargs="?", metavar="EXPRESSION")
    what.add_argument("--template", metavar="TEXT", help="a text with ${{ … }} in it")
    what.add_argument(
        "--jsonl",
        action="store_true",
        help='read lines {"expression" or "template": …, "env": …}, print a line of JSON for each',
    )
    parser.add_argument("--env", type=Path, metavar="FILE", help="the variables, a JSON object")


def _add_select(commands: _Commands) -> None:
    parser = _command(
        commands, "select", "Print which tags on standard input a Warehouse would take, best first."
    )
    parser.add_argument("--strategy", choices=("SemVer", "Lexical"), default="SemVer")
    parser.add_argument("--constraint", default="", help="such as ^1.2; for SemVer")
    parser.add_argument("--no-strict", action="store_true", help="take v1 and 1.2 for versions too")
    parser.add_argument(
        "--allow", action="append", default=[], metavar="RE", help="may be repeated"
    )
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="RE", help="may be repeated"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="print no more than this many")
    parser.add_argument("--explain", action="store_true", help="say why the others are not taken")


def _add_step(commands: _Commands) -> None:
    parser = _command(
        commands, "step", "Run one step on a folder, print how it ended as JSON; needs no Airflow."
    )
    parser.add_argument("kind", metavar="KIND", help="as in `uses`, such as yaml-update")
    parser.add_argument(
        "--config",
        required=True,
        metavar="FILE",
        help="the step's config, YAML or JSON, with templates; - for standard input",
    )
    parser.add_argument(
        "--workdir", required=True, type=Path, metavar="DIR", help="the step's work directory"
    )
    parser.add_argument(
        "--env",
        type=Path,
        metavar="FILE",
        help="what templates see, a JSON object of ctx, vars, outputs, task and freight",
    )
    parser.add_argument(
        "--allow-loopback", action="store_true", help="let the step reach this machine over HTTP"
    )
