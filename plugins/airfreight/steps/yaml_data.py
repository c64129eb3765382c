"""What a YAML text says, as data of JSON: what yaml-parse gives to expressions and yaml-merge compares."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from airfreight.errors import TerminalStepError
from airfreight.steps.yaml_events import events

# Counted with every alias written out: shared in memory, but not in an output.
MAX_VALUES = 1_000_000

_BOM = "\ufeff"
_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.CSafeLoader):
    """Scalars as Kargo's reader has them: dates and ``22:22`` are strings, ``1e3`` is a number."""

    yaml_implicit_resolvers = {
        first: [
            (tag, pattern)
            for tag, pattern in resolvers
            if tag.rpartition(":")[2] in ("bool", "null", "merge")
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Make keys strings at once: to Python, 1 and true are one key."""
        self.flatten_mapping(node)
        return {
            _name(self.construct_object(key, deep=True)): self.construct_object(value, deep=deep)
            for key, value in node.value
        }

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Write merge keys out, the pairs that win last; they must not multiply without end."""
        merged, own = list[Any](), list[Any]()
        for key, value in node.value:
            if key.tag != _MERGE:
                own.append((key, value))
                continue
            sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for source in reversed(sources):
                if not isinstance(source, yaml.MappingNode):
                    raise ValueError("a merge key takes a map or a list of maps")
                self.flatten_mapping(source)
                merged += source.value
                if len(merged) > MAX_VALUES:
                    raise TerminalStepError(f"merge keys make more than {MAX_VALUES} values")
        node.value = merged + own


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"
        r"|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
    ),
    list("-+.0123456789"),
)


def _construct_int(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node).replace("_", "").lower()
    sign, digits = (-1 if text.startswith("-") else 1), text.lstrip("+-")
    octal = re.fullmatch(r"0o?([0-7]+)", digits)
    return sign * (int(octal[1], 8) if octal else int(digits, 0))


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)


def load_yaml(text: str) -> Any:
    """Return the first document of `text` as dicts with string keys, lists, strings, numbers, bools and None.

    Raises TerminalStepError where the text is no YAML, or has a tag of its own, a value that JSON does not know, an
    alias within what it stands for, or more than `MAX_VALUES` values.
    """
    body = text.removeprefix(_BOM)
    for _ in events(body):
        pass  # Before anything is built: the depth, and the places of faults.
    loader = _Loader(body)
    try:
        data = loader.get_data() if loader.check_data() else None  # type: ignore[no-untyped-call]
        return _Plain().value(data)
    except (yaml.YAMLError, ValueError) as error:
        raise TerminalStepError(f"not valid YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise TerminalStepError("the YAML is nested too deeply") from error
    finally:
        loader.dispose()


class _Plain:
    """Turns loaded data into JSON's; what an alias shares stays shared."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[Any, int]] = {}
        self._open: set[int] = set()

    def value(self, data: Any) -> Any:
        return self._sized(data)[0]

    def _sized(self, data: Any) -> tuple[Any, int]:
        """Return the data and how many values it has, aliases written out."""
        if not isinstance(data, dict | list):
            return _scalar(data), 1
        if id(data) in self._open:
            raise TerminalStepError("not valid YAML: an alias is within what it stands for")
        if id(data) not in self._made:
            self._open.add(id(data))
            self._made[id(data)] = self._collection(data)
            self._open.remove(id(data))
        return self._made[id(data)]

    def _collection(self, data: dict[Any, Any] | list[Any]) -> tuple[Any, int]:
        inside = data.values() if isinstance(data, dict) else data
        items = [self._sized(item) for item in inside]
        size = 1 + sum(size for _, size in items)
        if size > MAX_VALUES:
            raise TerminalStepError(f"the YAML has more than {MAX_VALUES} values, aliases included")
        plain = [item for item, _ in items]
        if isinstance(data, list):
            return plain, size
        return dict(zip(data, plain, strict=True)), size


def _name(key: Any) -> str:
    """Return a key as JSON has it."""
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, dict | list):
        raise ValueError("a map has a map or a list for a key")
    return "null" if key is None else str(key)


def _scalar(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise TerminalStepError(f"the YAML has a value that JSON does not know: {value!r:.60}")
