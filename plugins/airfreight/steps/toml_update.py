"""The step toml-update: sets values in a TOML file and leaves all else as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airfreight.steps.toml_edit import set_values, written
from airfreight.steps.value_update import ValueUpdateStep


class TomlUpdateStep(ValueUpdateStep):
    """Sets scalars that exist."""

    kind = "toml-update"

    def changed(self, text: str, updates: Sequence[tuple[str, Any]]) -> str:
        return set_values(text, updates)

    def shown(self, value: Any) -> str:
        return written("", value)
