"""`airfreight select`: which of the tags on standard input a Warehouse would take; needs no Airflow."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from airfreight.artifacts.tags import explain_tags
from airfreight.cli.tables import printable
from airfreight.cli.world import Exit, World
from airfreight.errors import AirfreightError, VersionError


def run(args: argparse.Namespace, world: World, lines: Iterable[str]) -> Exit:
    """Print the tags that are taken, best first; with `--explain` why each of the others is not."""
    tags = [line.rstrip("\r\n") for line in lines]
    try:
        taken, dropped = explain_tags(
            [tag for tag in tags if tag],
            strategy=args.strategy,
            constraint=args.constraint,
            strict=not args.no_strict,
            allow=args.allow,
            ignore=args.ignore,
        )
    except VersionError as error:
        raise _located(error) from None
    limit = len(taken) if args.limit is None else args.limit
    for tag in taken[:limit]:
        world.say(printable(tag))
    if args.explain:
        dropped += [(tag, f"beyond the limit of {limit}") for tag in taken[limit:]]
        for tag, rule in dropped:
            world.say(printable(f"{tag}: {rule}"))
    return Exit.OK


def _located(error: VersionError) -> AirfreightError:
    if error.offset is None:
        return error
    return VersionError(f"constraint, character {error.offset + 1}: {error}")
