"""Reads of the register, and seconds, with 10 and with 2,000 Freight in it; beside each the way that reads all of it.

    uv run python -m benchmarks.register_reads

Decisions read a store in memory through the rules that the tasks run; a read in a deployment is a call of the task API,
of some milliseconds. The command's calls go through its own HTTP client to answers made in this process.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from airfreight.model.freight import Freight
from tests.cli.rest import Rest
from tests.runtime.many import PROD, gate_decides, passed, promote_starts, reads
from tests.runtime.memory import Pipeline

SIZES = (10, 2000)


def every_freight(pipeline: Pipeline, freight: Freight) -> None:  # noqa: ARG001 as the others
    """Find the candidate by asking for each Freight, as without an order in the index."""
    for entry in pipeline.registers.warehouses["web"].index():
        pipeline.stage(PROD.name).approved(entry.name)
        pipeline.stage("dev").verified(entry.name)


def decision_row(act: Callable[[Pipeline, Freight], None], waiting: int = 0) -> list[float]:
    """Return reads and seconds for each size; `waiting` Freight are newer than the one that is decided about."""
    row: list[float] = []
    for count in SIZES:
        pipeline, freight = passed(count, waiting)
        begun = time.perf_counter()
        found = reads(pipeline, act, freight)
        row += [found, time.perf_counter() - begun]
    return row


def command_row(kind: str) -> list[float]:
    """Return the calls and seconds of ``airfreight get`` for each size."""
    row: list[float] = []
    for count in SIZES:
        rest = Rest(passed(count)[0])
        begun = time.perf_counter()
        rest.get(kind)
        row += [len(rest.calls), time.perf_counter() - begun]
    return row


def main() -> None:
    """Print the table."""
    print(
        f"{'Freight in the register':44}" + "".join(f"{size:>8}{'seconds':>10}" for size in SIZES)
    )
    rows = {
        "a gate decides": decision_row(gate_decides),
        "a gate decides, 20 newer ones not verified": decision_row(gate_decides, waiting=20),
        "a promote starts": decision_row(promote_starts),
        "instead: ask for every Freight": decision_row(every_freight),
        "airfreight get stages": command_row("stages"),
        "airfreight get promotions": command_row("promotions"),
        "airfreight get freight: all of the register": command_row("freight"),
    }
    for name, row in rows.items():
        cells = (f"{row[i]:8.0f}{row[i + 1]:10.4f}" for i in range(0, len(row), 2))
        print(f"{name:44}" + "".join(cells))


if __name__ == "__main__":
    main()
