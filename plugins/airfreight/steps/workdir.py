"""The work directory of a Promotion: every path of a step stays inside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from airfreight.errors import TerminalStepError

# What git obeys: a file written there could make git start a program.
GIT_STORE = ".airfreight"
_GUARDED = frozenset({".git", GIT_STORE})


@dataclass(frozen=True)
class WorkDirectory:
    """A folder that one Promotion owns from its first step to its last."""

    root: Path

    def join(self, path: str) -> Path:
        """Return the place of `path` in the work directory, its parents' links resolved.

        The last part itself may be a link: what a step may do with a link is the step's rule.
        Raises TerminalStepError where the path leads out of the work directory.
        """
        if "\0" in path:
            raise TerminalStepError(f"path {path!r} holds a NUL character")
        if any("\ud800" <= char <= "\udc7f" for char in path):
            raise TerminalStepError(f"path {path!r} holds half a character")
        root = self.root.resolve()
        wanted = root / path.lstrip("/")
        lexical = Path(os.path.normpath(wanted))
        place = _resolved(lexical.parent, path) / lexical.name if lexical != root else root
        if place != root and not place.is_relative_to(root):
            raise TerminalStepError(f"path {path!r} leads out of the work directory")
        self._refuse_guarded(path, place)
        return place

    def existing(self, path: str) -> Path:
        """Return the place of `path` with every link resolved; raises TerminalStepError where it leads out."""
        place = _resolved(self.join(path), path)
        if place != self.root.resolve() and not place.is_relative_to(self.root.resolve()):
            raise TerminalStepError(f"path {path!r} leads out of the work directory")
        self._refuse_guarded(path, place)
        return place

    def relative(self, place: Path) -> str:
        """Return `place` as people read it: from the work directory on."""
        return os.path.relpath(place, self.root.resolve())

    def _refuse_guarded(self, path: str, place: Path) -> None:
        parts = Path(self.relative(place)).parts
        if any(part.casefold() in _GUARDED for part in parts):
            raise TerminalStepError(f"path {path!r} leads into Git's own files")


def _resolved(place: Path, path: str) -> Path:
    try:
        return place.resolve()
    except RuntimeError as error:
        raise TerminalStepError(f"path {path!r}: its symbolic links lead in a circle") from error
