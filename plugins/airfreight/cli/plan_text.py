"""A plan as text for people; what is too long for a terminal is cut, and the place says so."""

from __future__ import annotations

import re
from collections.abc import Iterator

from airfreight.cli.listing import artifacts_of
from airfreight.cli.tables import as_table, printable
from airfreight.model.freight import Freight
from airfreight.model.promotion import Promotion
from airfreight.runtime.availability import Availability
from airfreight.runtime.checkouts import CheckoutChange
from airfreight.runtime.planning import Plan, PlannedStep

_SHORT = 12
# Of one diff: some thirty screens.
_MOST_LINES = 2_000
# Characters; JSON and minified files come in one line.
_LONGEST_LINE = 1_000
_FILE = re.compile(r"^diff --git (?:a/.+ b/(.+)|\"a/.+\" \"b/(.+)\")$")


def heading(promotion: Promotion, held: str, answer: Availability) -> Iterator[str]:
    """Say what is planned, and whether the promotion would be let through; `held` is the alias of what is there now."""
    freight, stage = promotion.target, promotion.stage
    yield printable(
        f"Plan: Freight {_called(freight)} to Stage {stage} of project {promotion.project}"
    )
    yield printable(f"Artifacts: {', '.join(artifacts_of(freight.content))}")
    for origin, other in promotion.freight_collection.items():
        if other.name != freight.name:
            artifacts = ", ".join(artifacts_of(other.content))
            yield printable(f"With what {stage} holds of {origin}: {_called(other)}, {artifacts}")
    rollback = ", which is newer: this is a rollback" if promotion.rollback else ""
    yield printable(
        f"Now in {stage}: {held or 'nothing'} of {freight.content.origin.key}{rollback}"
    )
    if answer.available:
        yield printable(f"Available: {answer.reason}")
    else:
        yield printable(f"Not available: {answer.reason}. A promotion would be refused.")


def _called(freight: Freight) -> str:
    return f"{freight.alias} ({freight.name[:_SHORT]})"


def outcome(plan: Plan) -> Iterator[str]:
    """Show each step, and why the plan ends where it does."""
    headings = ("step", "uses", "result", "why")
    cells = [(step.alias, step.uses, step.result, _why(step, plan)) for step in plan.steps]
    yield as_table(headings, cells)
    yield ""
    if plan.failure is not None:
        yield _ending("Fails", plan.failure)
    if plan.stop is not None and plan.stop != plan.failure:
        yield _ending("Stops", plan.stop)
    if plan.stop is plan.failure is None:
        yield "Comes to its end: no step that ran acts outside"


def _why(step: PlannedStep, plan: Plan) -> str:
    return "see below" if step in (plan.failure, plan.stop) else step.message


def _ending(what: str, step: PlannedStep) -> str:
    return printable(f"{what} at {step.alias} ({step.uses}): {step.message}")


def changes(checkout: CheckoutChange) -> Iterator[str]:
    """Show what became of one checkout: the messages of its commits, then the unified diff."""
    on = f"branch {checkout.branch}" if checkout.branch else "no branch"
    yield ""
    yield printable(f"Checkout {checkout.path}, {on} of {checkout.url}")
    for message in checkout.messages:
        yield "Commit:"
        yield from (f"    {_line(line)}".rstrip() for line in message.split("\n"))
    if checkout.committed:
        yield from _diff(checkout.committed)
    if checkout.uncommitted:
        yield "Not committed:"
        yield from _diff(checkout.uncommitted)
    if not checkout.committed and not checkout.uncommitted:
        yield "Nothing changed."


def _diff(text: str) -> Iterator[str]:
    lines = text.split("\n")
    yield from map(_line, lines[:_MOST_LINES])
    rest = lines[_MOST_LINES:]
    if rest:
        files = [found[1] or found[2] for line in rest if (found := _FILE.match(line))]
        further = f"; further files: {', '.join(map(printable, files))}" if files else ""
        yield f"[cut: {len(rest):,} more lines of this diff{further}]"


def _line(line: str) -> str:
    """Return a line as a terminal shows it and obeys it in nothing; tabs stay."""
    shown = "\t".join(map(printable, line[:_LONGEST_LINE].split("\t")))
    more = len(line) - _LONGEST_LINE
    return f"{shown} [cut: {more:,} more characters]" if more > 0 else shown
