"""File patterns of steps: which paths of a tree a glob names."""

from __future__ import annotations

import os
from pathlib import Path

from airfreight.errors import TerminalStepError
from airfreight.model.globs import glob_expression
from airfreight.model.patterns import compile_regex, sound


class Glob:
    """A pattern for paths below a folder, read as in `glob_expression`.

    Raises TerminalStepError for a pattern that is none, or that leads out of the folder.
    """

    def __init__(self, pattern: str) -> None:
        parts = pattern.split("/")
        if ".." in parts:
            raise TerminalStepError(f"pattern {pattern!r} leads out of the work directory")
        path = "/".join(part for part in parts if part not in ("", "."))
        try:
            self._regex = compile_regex(glob_expression(path, walks=True))
        except ValueError as error:
            raise TerminalStepError(f"bad pattern {pattern!r}: {error}") from error

    def find(self, root: Path) -> list[Path]:
        """Return what matches below `root`, sorted; `root` itself never does, links are not followed."""
        found = []
        for folder, folders, files in os.walk(root):
            for name in (*folders, *files):
                place = Path(folder, name)
                if self.matches(place.relative_to(root).as_posix()):
                    found.append(place)
        return sorted(found)

    def matches(self, path: str) -> bool:
        """Say whether the whole of `path` matches."""
        return self._regex.fullmatch(sound(path)) is not None
