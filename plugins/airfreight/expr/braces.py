"""Tell the brace that opens a predicate from the brace that opens a map."""

from __future__ import annotations

from collections.abc import Iterator

from lark import Token

_OPENERS = ("LPAR", "LSQB", "LBRACE")
_CLOSERS = ("RPAR", "RSQB", "RBRACE")


class PredicateBraces:
    """Marks each brace that stands where a predicate begins: after ``filter(list,`` or ``| filter(``."""

    always_accept = ()

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """Return the tokens, those braces as BLOCK."""
        # Per open bracket: the commas until its predicate, None where it takes none.
        open_brackets: list[int | None] = []
        recent = ("", "")
        for token in stream:
            kind = token.type
            if kind == "LBRACE" and recent[-1] in ("LPAR", "COMMA") and _awaits(open_brackets):
                token = Token.new_borrow_pos("BLOCK", token.value, token)
            if kind in _OPENERS:
                open_brackets.append(_commas_before(recent) if kind == "LPAR" else None)
            elif kind in _CLOSERS and open_brackets:
                open_brackets.pop()
            elif kind == "COMMA" and open_brackets and open_brackets[-1] is not None:
                open_brackets[-1] -= 1
            yield token
            recent = (recent[-1], kind)


def _commas_before(recent: tuple[str, str]) -> int | None:
    before, name = recent
    if name != "PREDICATE" or before in ("DOT", "OPTIONAL"):
        return None
    return 0 if before == "VBAR" else 1


def _awaits(open_brackets: list[int | None]) -> bool:
    return bool(open_brackets) and open_brackets[-1] == 0
