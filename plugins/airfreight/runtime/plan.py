"""What a person who is asked sees: artifacts now → artifacts coming, since when, where verified. Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from airfreight.model.freight import Freight
from airfreight.model.stage import Stage
from airfreight.model.waiting import Person
from airfreight.runtime.availability import Registers
from airfreight.runtime.records import PromotionRecord


def escape_markdown(text: str) -> str:
    """Return `text` so that Markdown and HTML show it as it is: names and tags come from outside.

    What shows as nothing or turns the reading direction becomes U+FFFD: it could make one version look like another.
    """
    line = re.sub(r"\s+", " ", text)
    seen = "".join(char if char.isprintable() else "\ufffd" for char in line)
    plain = seen.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", plain)


def _artifacts(freight: Freight) -> dict[str, str]:
    """Return artifact → version, in words that people compare."""
    content = freight.content
    lines = {image.repo_url: f"{image.tag} ({image.digest[:19]})" for image in content.images}
    lines |= {f"{chart.repo_url} {chart.name}".strip(): chart.version for chart in content.charts}
    lines |= {commit.repo_url: commit.tag or commit.id[:12] for commit in content.commits}
    return lines | {a.subscription_name: a.version for a in content.artifacts}


def _changes(coming: Freight, present: Freight | None) -> Iterator[str]:
    now = _artifacts(present) if present is not None else {}
    for artifact, version in _artifacts(coming).items():
        row = (artifact, now.get(artifact, "nothing"), version)
        yield "| " + " | ".join(escape_markdown(cell) for cell in row) + " |"


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _verifications(freight: Freight, stage: Stage, registers: Registers) -> Iterator[str]:
    request = stage.request(freight.content.origin)
    for upstream in request.sources.stages if request is not None else ():
        register = registers.stages.get(upstream)
        verified = register.verified(freight.name) if register is not None else None
        if verified is not None:
            yield f"verified in {upstream} on {_moment(verified.verified_at)}"


def describe_request(freight: Freight, stage: Stage, registers: Registers) -> tuple[str, str]:
    """Return subject and body of the request to promote `freight` to `stage`."""
    origin = freight.content.origin
    current = registers.stages[stage.name].current()
    name = current.items.get(origin.key) if current is not None else None
    present = registers.warehouses[origin.name].freight(name) if name else None
    verified = list(_verifications(freight, stage, registers))
    lines = [
        f"| artifact | now in {stage.name} | coming |",
        "| --- | --- | --- |",
        *_changes(freight, present),
        "",
        f"Freight **{escape_markdown(freight.alias)}** `{freight.name[:12]}` of {origin.key}, "
        f"discovered {_moment(freight.discovered_at)}"
        + "".join(f"; {text}" for text in verified)
        + ".",
        "",
        f"{stage.name} holds {present.alias} since {_moment(current.resident_since(origin.key))}."
        if present is not None and current is not None
        else f"{stage.name} holds nothing of {origin.key} yet.",
    ]
    return f"Promote {freight.alias} to {stage.name}?", "\n".join(lines)


def describe_wait(
    wait: Person, record: PromotionRecord, stage: Stage, registers: Registers
) -> tuple[str, str]:
    """Return subject and body of the request that a step of a promotion makes."""
    promotion, status = record.promotion, record.status
    alias = promotion.steps[status.current_step].alias
    freight = promotion.target
    _, changes = describe_request(freight, stage, registers)
    fault = f"The last answer did not fit: {wait.fault}" if wait.fault else ""
    said = [escape_markdown(text) for text in (fault, wait.display) if text]
    place = f"Step {escape_markdown(alias)} of Promotion {escape_markdown(promotion.name)} waits."
    return (
        f"{stage.name}, step {alias} for {freight.alias}: {wait.subject}",
        "\n\n".join([*said, place, changes]),
    )
