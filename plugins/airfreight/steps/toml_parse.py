"""The step toml-parse: puts out what expressions find in a TOML file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from airfreight.errors import TerminalStepError
from airfreight.steps.document_parse import DocumentParseStep
from airfreight.steps.toml_text import parse_toml


class TomlParseStep(DocumentParseStep):
    """Reads the document; dates and times become strings, as JSON has none."""

    kind = "toml-parse"

    def parsed(self, text: str) -> Mapping[str, Any]:
        data = parse_toml(text)
        return {name: _plain(value) for name, value in data.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, float) and not math.isfinite(value):
        raise TerminalStepError(f"the TOML has a value that JSON does not know: {value}")
    return value
