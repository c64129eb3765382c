"""The step hcl-update: sets values in an HCL file and leaves all else as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airfreight.steps.hcl_edit import set_values, written
from airfreight.steps.value_update import ValueUpdateStep


class HclUpdateStep(ValueUpdateStep):
    """Sets attributes that exist."""

    kind = "hcl-update"

    def changed(self, text: str, updates: Sequence[tuple[str, Any]]) -> str:
        return set_values(text, updates)

    def shown(self, value: Any) -> str:
        return written(value)
