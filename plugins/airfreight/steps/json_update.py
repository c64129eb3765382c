"""The step json-update: sets values in a JSON file and leaves all else as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airfreight.steps.json_edit import set_values
from airfreight.steps.json_text import written
from airfreight.steps.value_update import ValueUpdateStep
from airfreight.steps.yaml_scalar import go_quoted


class JsonUpdateStep(ValueUpdateStep):
    """Sets values; makes the keys that are missing."""

    kind = "json-update"

    def changed(self, text: str, updates: Sequence[tuple[str, Any]]) -> str:
        return set_values(text, updates)

    def shown(self, value: Any) -> str:
        return go_quoted(value) if isinstance(value, str) else written("", value)
