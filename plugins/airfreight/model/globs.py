"""Globs as doublestar reads them, written as regular expressions of RE2."""

from __future__ import annotations

import re

import re2

_MOST_ALTERNATIVES = 1000
_SLASH = ord("/")
_TOKEN = re.compile(
    r"(?P<below>/\*\*$)|(?P<folders>/\*\*/$)|(?P<all>(?:(?<=/)|^)\*\*$)|(?P<any>(?:(?<=/)|^)\*\*/)"
    r"|(?P<stars>\*+)|(?P<one>\?)|\[(?P<not>[!^]?+)(?P<members>(?:\\.|[^\]\\])+)\]"
    r"|\\(?P<escaped>.)|(?P<plain>[^\[\\])",
    re.DOTALL,
)
_MEMBER = re.compile(r"\\?(?P<first>.)(?:-(?!$)\\?(?P<last>.))?", re.DOTALL)
_CLASS_OR_ESCAPE = re.compile(r"\[[!^]?+(?:\\.|[^\]\\])+\]|\\.", re.DOTALL)
_FIXED = {
    "below": "(?:/.*)?",
    "folders": "(?:/(?:.*/)?)?",
    "all": ".*",
    "any": "(?:.*/)?",
    "stars": "[^/]*",
    "one": "[^/]",
}


def glob_expression(glob: str, *, walks: bool = False) -> str:
    """Return the expression whose full match is the glob's.

    ``**`` as a whole part stands for any number of folders, ``*`` and ``?`` stop at a slash, and ``{a,b}`` does not.
    ``[a-z]`` does where doublestar `walks` a tree, since it compares name by name there; over a whole text it does
    not. Raises ValueError for a glob that is none.
    """
    return "(?s)" + "|".join(_expression(plain, walks) for plain in _expanded(glob))


def _expanded(glob: str) -> list[str]:
    """Return the globs without braces that stand for `glob`, braces within braces included."""
    done: list[str] = []
    pending = [(glob, 0)]
    while pending:
        text, start = pending.pop()
        opening = _next_brace(text, start)
        if opening is None:
            done.append(text)
        else:
            alternatives, rest = _alternatives(text, opening)
            pending += [(text[:opening] + one + rest, opening) for one in alternatives]
        if len(done) + len(pending) > _MOST_ALTERNATIVES:
            raise ValueError(f"more than {_MOST_ALTERNATIVES} alternatives")
    return done


def _next_brace(text: str, place: int) -> int | None:
    while place < len(text):
        if text[place] == "{":
            return place
        if text[place] == "}":
            raise ValueError("a '}' without '{'")
        skipped = _CLASS_OR_ESCAPE.match(text, place)
        place = skipped.end() if skipped else place + 1
    return None


def _alternatives(text: str, opening: int) -> tuple[list[str], str]:
    """Return what stands between the commas of the brace at `opening`, and what follows it."""
    depth, begun = 0, opening + 1
    found: list[str] = []
    place = opening
    while place < len(text):
        sign = text[place]
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if depth == 0 or (depth == 1 and sign == ","):
            found.append(text[begun:place])
            begun = place + 1
        if depth == 0:
            return found, text[begun:]
        place += 2 if sign == "\\" else 1
    raise ValueError("a '{' without '}'")


def _expression(glob: str, walks: bool) -> str:
    parts, place = [], 0
    while place < len(glob):
        token = _TOKEN.match(glob, place)
        if token is None:
            raise ValueError("a '[' without ']', an empty '[]' or a '\\' at the end")
        kind = token.lastgroup or ""
        if kind in _FIXED:
            parts.append(_FIXED[kind])
        elif kind == "members":
            members = _ranges(token["members"])
            parts.append(_class(members, negated=bool(token["not"]), walks=walks))
        else:
            parts.append(str(re2.escape(token[kind])))
        place = token.end()
    return "".join(parts)


def _ranges(members: str) -> list[tuple[int, int]]:
    """Return first and last code point of each member; one range that runs backwards holds nothing."""
    found = []
    for member in _MEMBER.finditer(members):
        first, last = ord(member["first"]), ord(member["last"] or member["first"])
        if first <= last:
            found.append((first, last))
    return found


def _class(ranges: list[tuple[int, int]], *, negated: bool, walks: bool) -> str:
    """Return the class; where doublestar walks a tree it holds no slash."""
    if walks and negated:
        ranges = [*ranges, (_SLASH, _SLASH)]
    elif walks:
        ranges = [part for found in ranges for part in _without(_SLASH, *found)]
    held = "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in ranges)
    if held:
        return f"[^{held}]" if negated else f"[{held}]"
    return "." if negated else r"[^\x00-\x{10FFFF}]"


def _without(point: int, first: int, last: int) -> list[tuple[int, int]]:
    """Return what is left of a range without one code point."""
    parts = [(first, min(last, point - 1)), (max(first, point + 1), last)]
    return [part for part in parts if part[0] <= part[1]]
