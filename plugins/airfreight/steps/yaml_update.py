"""The step yaml-update: sets values in a YAML file and leaves all else as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airfreight.steps.value_update import ValueUpdateStep
from airfreight.steps.yaml_edit import set_values
from airfreight.steps.yaml_scalar import read_value


class YamlUpdateStep(ValueUpdateStep):
    """Sets scalars that exist."""

    kind = "yaml-update"

    def changed(self, text: str, updates: Sequence[tuple[str, Any]]) -> str:
        return set_values(text, updates)

    def shown(self, value: Any) -> str:
        return read_value("", value).printed
