"""What was found wrong with one document, each with its place and its field as in the manifest."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from airfreight.errors import Location, Problem
from airfreight.manifests.nodes import Document, Path, brief


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
