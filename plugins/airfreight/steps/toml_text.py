"""A TOML text as places: where each value begins and ends, by its path."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from airfreight.errors import TerminalStepError

Path = tuple[str, ...]

_INLINE_SPACE = re.compile(r"[ \t]*")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
# No possessive groups: before Python 3.11.4 they end too soon.
_KEY = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|\'[^\']*\'|[A-Za-z0-9_-]+')
_STRING = re.compile(
    r'"""[^"\\]*(?:(?:\\.|"{1,2}(?!"))[^"\\]*)*"{3,5}|\'\'\'[^\']*(?:\'{1,2}(?!\')[^\']*)*\'{3,5}'
    r'|"[^"\\]*(?:\\.[^"\\]*)*"|\'[^\']*\'',
    re.DOTALL,
)
_SCALAR = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[^\s,\]}#]+|[^\s,\]}#]+")


class Value(NamedTuple):
    """A value's path and place; an array or inline table is no scalar, and what is in it comes as well."""

    path: Path
    start: int
    end: int
    is_scalar: bool


def parse_toml(text: str) -> dict[str, Any]:
    """Return what `text` says; raises TerminalStepError, with the place, where it is no TOML 1.0."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TerminalStepError(f"not valid TOML: {error}") from error
    except RecursionError as error:
        raise TerminalStepError("the TOML is nested too deeply") from error


def values(text: str) -> Iterator[Value]:
    """Yield the values of `text`, which `parse_toml` has passed.

    Paths are Kargo's: an element of an array of tables has its number behind the table's path; a sub-table's header
    names no numbers, and so its values' paths have none.
    """
    yield from _Scanner(text).values()


@dataclass
class _Scanner:
    text: str
    place: int = 0

    def values(self) -> Iterator[Value]:
        table: Path = ()
        counts = Counter[Path]()
        while self._pass(_SPACE) < len(self.text):
            if self.text[self.place] != "[":
                yield from self._entry(table)
                continue
            is_array = self.text.startswith("[[", self.place)
            self.place += 1 + is_array
            table = self._key()
            self.place += 1 + is_array
            if is_array:
                counts[table] += 1
                table = (*table, str(counts[table] - 1))

    def _pass(self, pattern: re.Pattern[str]) -> int:
        """Go behind what `pattern` matches here and return that place."""
        found = pattern.match(self.text, self.place)
        self.place = found.end() if found else self.place
        return self.place

    def _key(self) -> Path:
        """Read a key with dots, and the space around it."""
        parts = []
        while True:
            start = self._pass(_INLINE_SPACE)
            raw = self.text[start : self._pass(_KEY)]
            parts.append(next(iter(tomllib.loads(f"{raw} = 0"))) if raw[0] in "\"'" else raw)
            if self.text[self._pass(_INLINE_SPACE)] != ".":
                return tuple(parts)
            self.place += 1

    def _entry(self, table: Path) -> Iterator[Value]:
        path = (*table, *self._key())
        self.place += 1
        self._pass(_INLINE_SPACE)
        yield from self._value(path)

    def _value(self, path: Path) -> Iterator[Value]:
        start = self.place
        opener = self.text[start]
        if opener == "[":
            yield from self._array(path)
        elif opener == "{":
            yield from self._inline_table(path)
        else:
            self._pass(_STRING if opener in "\"'" else _SCALAR)
        yield Value(path, start, self.place, opener not in "[{")

    def _array(self, path: Path) -> Iterator[Value]:
        self.place += 1
        index = 0
        while self.text[self._pass(_SPACE)] != "]":
            yield from self._value((*path, str(index)))
            index += 1
            if self.text[self._pass(_SPACE)] == ",":
                self.place += 1
        self.place += 1

    def _inline_table(self, path: Path) -> Iterator[Value]:
        self.place += 1
        while self.text[self._pass(_SPACE)] != "}":
            yield from self._entry(path)
            if self.text[self._pass(_SPACE)] == ",":
                self.place += 1
        self.place += 1
