"""YAML as Go's yaml.v3 writes it: four spaces, sorted keys, sequences within maps indented."""

from __future__ import annotations

import re
from datetime import date
from functools import cmp_to_key

import yaml
from yaml.emitter import ScalarAnalysis
from yaml.nodes import Node, ScalarNode

from airfreight.expr.gofloat import parse_float
from airfreight.expr.gotext import float_text, plain_json
from airfreight.expr.gotime import format_span, format_time
from airfreight.expr.limits import Meter
from airfreight.expr.values import Moment, Span, Value, is_number, wrap

_STEPS_PER_NODE = 10
_TEXT_TAG = "tag:yaml.org,2002:str"
_NOT_TEXT = re.compile(
    r"|~|null|Null|NULL|true|True|TRUE|false|False|FALSE"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"
    r"|y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF",
    re.ASCII,
)
_TIME = r"(\d\d?):(\d\d?):(\d\d?)(?:[.,]\d+)?"
_TIMESTAMP = re.compile(
    rf"(\d{{4}})-(\d\d?)-(\d\d?)(?:[Tt]{_TIME}(?:Z|[-+]\d\d:\d\d)| {_TIME})?", re.ASCII
)
_BASED = re.compile(r"[-+]?0(?:[xX][0-9a-fA-F]+|[oO]?[0-7]+|[bB][01]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BREAK = "[\r\n\x85\u2028\u2029]"
_BLOCK_INDICATOR = re.compile(
    r"""^(?:---|\.\.\.|[#,\[\]{}&*!|>'"%@`]|[?-](?:[ \t]|\Z))|:(?:[ \t]|\Z)"""
    "|[ \t\r\n\x85\u2028\u2029\0]#"
)
_SPECIAL = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]|\ufeff")
_LONGEST_KEY = 128


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        inside_item = bool(self.indents) and self.sequence_context
        super().increase_indent(flow, indentless and flow)
        before = self.indents[-1]
        if before is not None:
            # The dash and its space indent what stands in a list item; all else goes by fours.
            self.indent = before + 2 if inside_item else 4 * ((before + 4) // 4)

    def resolve(self, kind: type[Node], value: str | None, implicit: tuple[bool, bool]) -> str:
        # Whether a text needs quotes is `_represent_text`'s to say: Go's rules are not PyYAML's.
        if kind is ScalarNode:
            return _TEXT_TAG
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]

    def analyze_scalar(self, scalar: str) -> ScalarAnalysis:
        is_special = bool(_SPECIAL.search(scalar))
        is_multiline = bool(re.search(_BREAK, scalar))
        space_before_break = bool(re.search(f" {_BREAK}", scalar))
        is_fragile = is_special or space_before_break
        return ScalarAnalysis(
            scalar=scalar,
            empty=not scalar,
            multiline=is_multiline,
            allow_flow_plain=False,
            allow_block_plain=not (
                is_fragile
                or is_multiline
                or "\t" in scalar
                or scalar != scalar.strip(" ")
                or _BLOCK_INDICATOR.search(scalar)
            ),
            allow_single_quoted=not (
                is_fragile or "\t" in scalar or re.search(f"{_BREAK} ", scalar)
            ),
            allow_double_quoted=True,
            allow_block=not (is_fragile or scalar.endswith(" ") or not scalar),
        )

    def check_simple_key(self) -> bool:
        # All keys are scalars here.
        key: str = self.event.value  # type: ignore[union-attr]
        self.analysis = self.analyze_scalar(key)
        is_long = len(key.encode("utf-8", "replace")) > _LONGEST_KEY
        return not (self.analysis.multiline or is_long)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> ScalarNode:
    is_text = not (_NOT_TEXT.fullmatch(text) or _is_number(text) or _is_timestamp(text))
    style = "|" if "\n" in text else None if is_text else '"'
    return dumper.represent_scalar(_TEXT_TAG, text, style=style)


def _is_number(text: str) -> bool:
    if text[:1] == ".":
        return parse_float(text) is not None
    if not re.match(r"[-+0-9]", text):
        return False
    plain = text.replace("_", "")
    if _BASED.fullmatch(plain):
        return True
    return bool(_FLOAT.fullmatch(plain)) and parse_float(plain) is not None


def _is_timestamp(text: str) -> bool:
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return False
    year, month, day, *clock = (int(part) for part in found.groups() if part is not None)
    if any(part >= bound for part, bound in zip(clock, (24, 60, 60), strict=False)):
        return False
    try:
        # Go has a year 0, which is a leap year.
        return bool(date(year or 2000, month, day))
    except ValueError:
        return False


def _represent_plain(dumper: yaml.SafeDumper, text: str) -> ScalarNode:
    return dumper.represent_scalar(_TEXT_TAG, text)


def _represent_float(dumper: yaml.SafeDumper, number: float) -> ScalarNode:
    text = float_text(number, smallest=1e-4, largest=1e6)
    text = {"+Inf": ".inf", "-Inf": "-.inf", "NaN": ".nan"}.get(text, text)
    return _represent_plain(dumper, text)


def _represent_time(dumper: yaml.SafeDumper, moment: Moment) -> ScalarNode:
    return _represent_plain(dumper, format_time(moment, "2006-01-02T15:04:05.999999999Z07:00"))


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(float, _represent_float)
_Dumper.add_representer(int, lambda dumper, number: _represent_plain(dumper, str(number)))
_Dumper.add_representer(
    bool, lambda dumper, value: _represent_plain(dumper, "true" if value else "false")
)
_Dumper.add_representer(type(None), lambda dumper, _: _represent_plain(dumper, "null"))
_Dumper.add_representer(Moment, _represent_time)


def _plain(value: Value, meter: Meter) -> Value:
    """Return `value` as YAML has it: durations as text, bytes as numbers, maps in their order.

    Counted as the writing of it will cost.
    """
    meter.step(_STEPS_PER_NODE)
    if isinstance(value, dict):
        meter.container(len(value))
        meter.step(_STEPS_PER_NODE * len(value))
        keys = sorted(value, key=cmp_to_key(_key_order))
        return {key: _plain(value[key], meter) for key in keys}
    if isinstance(value, list | bytes):
        meter.container(len(value))
        return [_plain(item, meter) for item in value]
    if isinstance(value, Span):
        return format_span(value)
    if isinstance(value, str):
        meter.step(len(value) // 2)
    return value if isinstance(value, Moment) else plain_json(value, meter)


def _key_order(left: Value, right: Value) -> int:
    """Compare as Go's YAML does: numbers within keys by value, letters after everything else."""
    if not isinstance(left, str) or not isinstance(right, str):
        return _other_order(left, right)
    index = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), None)
    if index is None:
        return len(left) - len(right)
    a, b = left[index], right[index]
    if a.isalpha() and b.isalpha():
        return -1 if a < b else 1
    if a.isalpha() or b.isalpha():
        after_digit = index > 0 and left[index - 1].isdecimal()
        return -1 if a.isalpha() == after_digit else 1
    return -1 if _number_at(left, index, a, b) < _number_at(right, index, a, b) else 1


def _number_at(key: str, index: int, *differing: str) -> tuple[int, int, str]:
    """Return what keys that differ from `index` on are compared by: the number there, its length."""
    digits = re.match(r"\d*", key[index:])
    run = digits[0] if digits else ""
    before = re.search(r"\d*$", key[:index])
    is_continued = "0" in differing and before is not None and before[0].strip("0")
    # 64 digits decide: Go's integers overflow, and 2**64 divides 10**64.
    number = wrap(int(("1" if is_continued else "0") + run[-64:]))
    return number, len(run), key[index]


def _other_order(left: Value, right: Value) -> int:
    if is_number(left) and is_number(right):
        return -1 if left < right else 1
    return -1 if is_number(left) or isinstance(right, str) else 1


def yaml_text(value: Value, meter: Meter) -> str:
    """Return the document of a value; it ends with a newline."""
    text = yaml.dump(
        _plain(value, meter),
        Dumper=_Dumper,
        indent=4,
        allow_unicode=True,
        width=float("inf"),
        sort_keys=False,
    )
    return text.removesuffix("...\n")
