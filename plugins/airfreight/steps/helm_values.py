"""Values that a step sets for a chart, handed to helm in files: an argument would show in the list of processes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from pydantic import Field

from airfreight.steps.base import StepConfig

# What helm reads as another type than a string, and the characters that mean something to it.
_TYPED = re.compile(r"0|[-+]?[1-9][0-9]*|true|false|null", re.IGNORECASE)
_SPECIAL = re.compile(r"[,\\{}\[\]]|^\s|\s$")
_PLAIN_KEY = re.compile(r"[^,\\=\"']+")


class SetValue(StepConfig):
    """A value for a chart: as ``--set`` reads it, or as it stands where `literal`."""

    key: str = Field(min_length=1)
    value: str
    literal: bool = False


def set_arguments(values: Sequence[SetValue], home: Path) -> Iterator[str]:
    """Yield helm's options for the values.

    A string goes through a file in `home`. What only helm's own syntax can say (numbers, lists, escapes) is an
    argument, and so is what shares its first key with such a value, as helm reads arguments before files.
    """
    numbers = count()
    for literal, option, in_file in (
        (False, "--set", _is_string),
        (True, "--set-literal", _has_plain_key),
    ):
        chosen = [value for value in values if value.literal == literal]
        spoken = {_first_key(value) for value in chosen if not in_file(value)}
        for value in chosen:
            if _first_key(value) in spoken:
                yield f"{option}={value.key}={value.value}"
            else:
                yield from _from_file(value, home / f"value-{next(numbers)}")


def _from_file(value: SetValue, file: Path) -> Iterator[str]:
    file.touch(mode=0o600)
    file.write_bytes(value.value.encode())
    yield f"--set-file={value.key}={file}"


def _is_string(value: SetValue) -> bool:
    typed = _TYPED.fullmatch(value.value) or _SPECIAL.search(value.value)
    return _has_plain_key(value) and not typed


def _has_plain_key(value: SetValue) -> bool:
    return bool(_PLAIN_KEY.fullmatch(value.key))


def _first_key(value: SetValue) -> str:
    return re.split(r"[.\[]", value.key, maxsplit=1)[0]
