"""The documentation as the tests read it: pages, their sections, their blocks of code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from airfreight.model.stage import Step

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
)
_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of code; `line` counts from 1."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def read(page: str) -> str:
    """Return a page's text; `page` is its path from the root of the repository on."""
    return (ROOT / page).read_text()


def blocks(page: Path, language: str) -> list[Block]:
    """Return the page's blocks in this language, in their order."""
    text = page.read_text()
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, language, found["text"])
        for found in _FENCE.finditer(text)
        if found["language"] == language
    ]


def example(kind: str) -> Step:
    """Return the example of a step's page, its templates not evaluated."""
    (block,) = blocks(ROOT / "docs" / "steps" / f"{kind}.md", "yaml")
    return Step.model_validate(yaml.safe_load(block.text))


def section(page: str, heading: str) -> str:
    """Return what stands under the heading of level two, code included; empty where there is none."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", read(page), re.M | re.S)
    return found[1] if found else ""


def prose(text: str) -> str:
    """Return `text` without its blocks of code."""
    return _FENCE.sub("", text)


def anchors(page: Path) -> set[str]:
    """Return the names by which links reach the page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code_words(text: str) -> set[str]:
    """Return every word that stands in `code` of `text`, options and dotted names in one piece and in parts."""
    words: set[str] = set()
    for code in re.findall(r"`([^`\n]+)`", prose(text)):
        for word in re.findall(r"[\w./:\-]+", code):
            words |= {word, *re.split(r"[.\[\]]", word)}
    return words
