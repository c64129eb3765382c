"""What `ignore` leaves out of a copy or an archive, and what is Git's own and always left out."""

from __future__ import annotations

import os
import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pathspec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern
from pydantic import AfterValidator

from airfreight.steps.workdir import GIT_STORE


class Ignored:
    """The lines of a gitignore file; raises ValueError where one of them is no pattern."""

    def __init__(self, lines: str) -> None:
        self._spec = pathspec.GitIgnoreSpec(_patterns(lines))

    def holds(self, path: str, *, is_folder: bool = False) -> bool:
        """Say whether a path, as seen from the folder that the lines are for, is left out."""
        # The engine reads UTF-8 only; a name that is none still matches `*`.
        readable = path.encode(errors="replace").decode()
        return self._spec.match_file(readable + "/" * is_folder)


def _patterns(lines: str) -> list[GitIgnoreSpecPattern]:
    patterns: list[GitIgnoreSpecPattern] = []
    for number, line in enumerate(lines.splitlines(), start=1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                patterns += pathspec.GitIgnoreSpec.from_lines([line]).patterns
        except Exception as error:  # the library raises what its regular expressions raise
            raise ValueError(f"line {number} is no gitignore pattern") from error
    return patterns


def _checked(lines: str) -> str:
    Ignored(lines)
    return lines


def kept_below(folder: Path, ignored: Ignored, *, links: bool) -> Iterator[Path]:
    """Yield the folders and plain files below `folder`, and links where asked for, parents first, in byte order.

    Left out is what `ignored`, which sees paths from `folder` on, holds, and what is Git's own.
    """
    yield from _kept_below(folder, folder, ignored, links)


def _kept_below(folder: Path, root: Path, ignored: Ignored, links: bool) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name)):
        place = Path(entry.path)
        is_folder = entry.is_dir(follow_symlinks=False)
        shown = place.relative_to(root).as_posix()
        if is_git(entry.name) or ignored.holds(shown, is_folder=is_folder):
            continue
        if is_folder:
            yield place
            yield from _kept_below(place, root, ignored, links)
        elif entry.is_file(follow_symlinks=False) or (links and entry.is_symlink()):
            yield place


IgnoreLines = Annotated[str, AfterValidator(_checked)]
"""The field `ignore` of a config."""


def is_git(part: str) -> bool:
    """Say whether a part of a path is a name of Git's own, on any file system that Git knows.

    Some file systems fold case, some compose letters or skip invisible ones, some drop dots and blanks at the end or
    have short names.
    """
    visible = "".join(char for char in part if unicodedata.category(char) != "Cf")
    plain = unicodedata.normalize("NFKC", visible).casefold().partition(":")[0].rstrip(". ")
    return plain in (".git", "git~1", GIT_STORE)
