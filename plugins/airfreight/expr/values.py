"""The value model of Go, as far as expressions see it.

nil, bool, int (64 bits), float, string, bytes, list and map are Python's own None, bool, int, float,
str, bytes, list and dict. What Go has besides is here. Attributes of Python objects are never reached:
a value shows its map keys, the declared fields of a `Struct`, and the methods that
`airfreight.expr.time_functions` lists.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeAlias

from airfreight.errors import ExpressionError

Value: TypeAlias = Any
"""One of the above, or a class of this module; the elements of lists and maps likewise."""


@dataclass(frozen=True)
class Struct:
    """A Go struct that an injected function returns.

    :param type_name: its name in messages, such as ``Image``.
    :param fields: what ``.Name`` reaches; a `Function` among them is a method. A name in lower case is
        not reached: it only tells values apart.
    :param json_names: field → key in JSON; a field that is not named keeps its own name.
    :param methods: methods that tell no values apart.
    :param text: its form in JSON and as text, where that is not made of its fields.
    """

    type_name: str
    fields: Mapping[str, Any]
    json_names: Mapping[str, str] = field(default_factory=dict)
    methods: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    text: str | None = None

    @property
    def members(self) -> Mapping[str, Any]:
        """What ``.Name`` reaches: Go shows the names in upper case only."""
        shown = {name: value for name, value in self.fields.items() if name[:1].isupper()}
        return {**shown, **self.methods}


class AnyMap(dict[Hashable, Any]):
    """A map whose keys may be other than strings: what ``groupBy`` and ``fromPairs`` make."""

    def entry(self, key: Value) -> Value:
        """Return the value at a key of the same type, nil where there is none."""
        if isinstance(key, list | dict):
            raise ExpressionError(f"a map is not indexed by a value of type {type_name(key)}")
        if key not in self:
            return self.missing()
        same = any(type(known) is type(key) and known == key for known in self)
        return self[key] if same else self.missing()

    def missing(self) -> Value:
        """Return what Go gives for a key that is not there."""
        return None


class Groups(AnyMap):
    """What ``groupBy`` makes: lists by key."""

    def missing(self) -> Value:
        """Return an empty list, as of any key without elements."""
        return []


@dataclass(frozen=True)
class Moment:
    """A time: nanoseconds since 1970 (UTC), shown in `zone`."""

    nanoseconds: int
    zone: tzinfo

    @classmethod
    def of(cls, moment: datetime) -> Moment:
        """Return an aware datetime as a time in UTC."""
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
        microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        return cls(microseconds * 1_000, UTC)


@dataclass(frozen=True, order=True)
class Span:
    """A duration in nanoseconds."""

    nanoseconds: int


@dataclass(frozen=True)
class Zone:
    """A time zone with its IANA name."""

    name: str
    info: tzinfo


@dataclass(frozen=True)
class Named:
    """A number with a name, such as a weekday or a month."""

    type_name: str
    number: int
    text: str


_TYPE_NAMES: dict[type, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "string",
    bytes: "array",
    list: "array",
    dict: "map",
    AnyMap: "map",
    Groups: "map",
    Moment: "time.Time",
    Span: "time.Duration",
    Zone: "time.Location",
}


def type_name(value: Value) -> str:
    """Return what the built-in ``type`` says, and what messages call the value."""
    if value is None:
        return "nil"
    if isinstance(value, Struct | Named):
        return value.type_name
    return _TYPE_NAMES.get(type(value), "unknown")


def is_number(value: Value) -> bool:
    """Tell whether `value` is an int or a float; a bool is neither in Go."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_integer(value: Value) -> bool:
    """Tell whether `value` is an int; a bool is not one in Go."""
    return isinstance(value, int) and not isinstance(value, bool)


def wrap(number: int) -> int:
    """Return `number` as 64 bits hold it: Go's integers overflow silently."""
    return (number + 2**63) % 2**64 - 2**63


def parse_bool(text: str) -> bool | None:
    """Read a text as Go's strconv.ParseBool does; None where it is neither."""
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    return False if text in ("0", "f", "F", "false", "FALSE", "False") else None
