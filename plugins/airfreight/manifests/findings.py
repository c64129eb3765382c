"""What was found wrong with one document, each with its place and its field as in the manifest."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from airfreight.errors import Location, Problem
from airfreight.manifests.nodes import Document, Path, brief

# Comparing takes time by the product of lengths and counts; nobody mistypes a name that is longer.
_LONGEST_COMPARED = 100
_MOST_COMPARED = 200


def dotted(path: Path) -> str:
    """Return `path` as people write it: ``spec.subscriptions[0].image.repoURL``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w-]+", part):
            text += f".{part}"
        else:
            text += f"[{part!r}]"
    return text.removeprefix(".")


def suggest(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the known word nearest to `word`, or nothing where none is near."""
    names = sorted(name for name in known if len(name) <= _LONGEST_COMPARED)
    if len(word) > _LONGEST_COMPARED or len(names) > _MOST_COMPARED:
        return ""
    near = difflib.get_close_matches(word, names, n=1) or [
        name for name in names if name.lower() == word.lower()
    ]
    return f"did you mean {near[0]!r}?" if near else ""


@dataclass
class Findings:
    """Collects the problems of one document about one `subject`, such as ``Stage prod``."""

    document: Document
    subject: str = ""
    problems: list[Problem] = field(default_factory=list)

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that disable something."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    def error(self, path: Path, message: str, hint: str = "", *, offset: int | None = None) -> None:
        """Note an error in the value at `path`; `offset` counts into a string value."""
        self._add(path, message, hint, "error", offset)

    def warn(self, path: Path, message: str, hint: str = "", *, offset: int | None = None) -> None:
        """Note what is read but probably not meant."""
        self._add(path, message, hint, "warning", offset)

    def error_key(self, path: Path, message: str, hint: str = "") -> None:
        """Note an error in the key that ends `path`."""
        self._note(self._locate_key(path), path, message, hint, "error")

    def warn_key(self, path: Path, message: str, hint: str = "") -> None:
        """Note something about the key that ends `path`."""
        self._note(self._locate_key(path), path, message, hint, "warning")

    def _locate_key(self, path: Path) -> Location:
        return self.document.keys.get(path) or self.document.locate(path)

    def _add(
        self,
        path: Path,
        message: str,
        hint: str,
        severity: Literal["error", "warning"],
        offset: int | None,
    ) -> None:
        location = self.document.locate(path, offset)
        self._note(location, path, message, hint, severity)

    def _note(
        self,
        location: Location,
        path: Path,
        message: str,
        hint: str,
        severity: Literal["error", "warning"],
    ) -> None:
        field = brief(dotted(path))
        problem = Problem(location, field, brief(message), brief(hint), severity, self.subject)
        self.problems.append(problem)
