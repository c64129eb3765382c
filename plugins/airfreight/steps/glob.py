"""File patterns with ``**``, ``*``, ``?``, ``[a-z]`` and ``{a,b}``, as doublestar reads them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import re2

from airfreight.errors import TerminalStepError

_TOKEN = re.compile(
    r"(?P<tail>/\*\*/?$)|(?P<any>(?:(?<=/)|^)\*\*/)|(?P<all>^\*\*$)|(?P<stars>\*+)|(?P<one>\?)"
    r"|(?P<group>\[(?:\\.|[^\]\\])+\])|(?P<open>\{)|(?P<close>\})|(?P<comma>,)"
    r"|\\(?P<escaped>.)|(?P<plain>[^\[\\])",
    re.DOTALL,
)
_FIXED = {
    "tail": "(?:/.*)?",
    "any": "(?:.*/)?",
    "all": ".*",
    "stars": "[^/]*",
    "one": "[^/]",
}


class Glob:
    """A pattern for paths; ``**`` as a whole part stands for any number of folders, none included."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        parts = pattern.split("/")
        if ".." in parts:
            raise TerminalStepError(f"pattern {pattern!r} leads out of the work directory")
        try:
            path = "/".join(part for part in parts if part not in ("", "."))
            self._regex = re2.compile("(?s)" + self._translate(path))
        except re2.error as error:
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
        # The engine reads UTF-8 only; a name that is none still matches `*`.
        readable = path.encode(errors="replace").decode()
        return self._regex.fullmatch(readable) is not None

    def _translate(self, path: str) -> str:
        parts, place, depth = [], 0, 0
        while place < len(path):
            token = _TOKEN.match(path, place)
            if token is None:
                raise self._bad("a '[' without ']' or a lone '\\'")
            depth += {"open": 1, "close": -1}.get(token.lastgroup or "", 0)
            if depth < 0:
                raise self._bad("a '}' without '{'")
            parts.append(_regex_of(token, in_braces=depth > 0))
            place = token.end()
        if depth:
            raise self._bad("a '{' without '}'")
        return "".join(parts)

    def _bad(self, reason: str) -> TerminalStepError:
        return TerminalStepError(f"bad pattern {self._pattern!r}: {reason}")


def _regex_of(token: re.Match[str], *, in_braces: bool) -> str:
    kind, text = token.lastgroup or "", token[token.lastgroup or 0]
    if kind in _FIXED:
        return _FIXED[kind]
    if kind == "group":
        negated = text[1] in "!^"
        body = text[2 if negated else 1 : -1].replace("[", "\\[")
        return f"[^/{body}]" if negated else f"[{body}]"
    if kind in ("open", "close"):
        return "(?:" if kind == "open" else ")"
    return "|" if kind == "comma" and in_braces else str(re2.escape(text))
