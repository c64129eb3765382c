"""YAML as Go's yaml.v3 writes it: four spaces, sorted keys, sequences within maps indented."""

from __future__ import annotations

import re

import yaml
from yaml.nodes import ScalarNode

from airfreight.expr.gofloat import parse_float
from airfreight.expr.gotext import float_text
from airfreight.expr.limits import Meter
from airfreight.expr.values import Value

_STEPS_PER_NODE = 10
_OLD_BOOLS = frozenset(
    form
    for word in ("y", "n", "yes", "no", "on", "off")
    for form in (word, word.capitalize(), word.upper())
)
_RESOLVED = re.compile(
    r"|~|null|Null|NULL|true|True|TRUE|false|False|FALSE|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    r"|\d{4}-\d\d?-\d\d?(?:[Tt ].*)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"
    r"|[-+]?0(?:x[0-9a-fA-F_]+|o?[0-7_]+|b[01_]+)"
)


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        inside_item = bool(self.indents) and self.sequence_context and not flow
        super().increase_indent(flow, indentless and flow)
        before = self.indents[-1]
        if before is not None and not flow:
            # The dash and its space indent what stands in a list item; all else goes by fours.
            self.indent = before + 2 if inside_item else 4 * ((before + 4) // 4)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> ScalarNode:
    style = None
    if _RESOLVED.fullmatch(text) or text in _OLD_BOOLS or _is_number(text):
        style = '"'
    elif "\n" in text:
        style = "|"
    elif any(ord(character) > 0xFFFF for character in text):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _is_number(text: str) -> bool:
    return text[:1] in "+-.0123456789" and parse_float(text.replace("_", "")) is not None


def _represent_float(dumper: yaml.SafeDumper, number: float) -> ScalarNode:
    text = float_text(number, smallest=1e-4, largest=1e6)
    text = {"+Inf": ".inf", "-Inf": "-.inf", "NaN": ".nan"}.get(text, text)
    # Go writes 3.0 as 3: the tag that plain text resolves to keeps PyYAML from writing one out.
    tag = dumper.resolve(ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return dumper.represent_scalar(tag, text)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(float, _represent_float)


def _sorted(value: Value, meter: Meter) -> Value:
    """Return `value` with its keys in order, counted as the writing of it will cost."""
    meter.step(_STEPS_PER_NODE)
    if isinstance(value, dict):
        meter.step(_STEPS_PER_NODE * len(value))
        return {key: _sorted(value[key], meter) for key in sorted(value, key=_natural)}
    if isinstance(value, list):
        return [_sorted(item, meter) for item in value]
    if isinstance(value, str):
        meter.step(len(value) // 2)
    return value


def _natural(key: str) -> list[tuple[int, int, str]]:
    """Order as Go's YAML does: numbers within keys by value, letters after everything else."""
    return [
        (1, int(part[:300]), "") if part.isdigit() else (2 if part.isalpha() else 0, 0, part)
        for part in re.findall(r"[0-9]+|[^0-9]", key)
        if not part.isdigit() or part.isascii()
    ]


def yaml_text(value: Value, meter: Meter) -> str:
    """Return the document of a value that `plain_json` made; it ends with a newline."""
    text = yaml.dump(
        _sorted(value, meter),
        Dumper=_Dumper,
        indent=4,
        allow_unicode=True,
        width=float("inf"),
        sort_keys=False,
    )
    return text.removesuffix("...\n")
