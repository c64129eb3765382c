"""All step kinds by name: unknown and duplicate names are errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from airfreight.steps.base import PromotionStep


class StepRegistry:
    """Finds a step kind by the name that manifests use."""

    def __init__(self, steps: Iterable[PromotionStep[Any]]) -> None:
        self._steps: dict[str, PromotionStep[Any]] = {}
        for step in steps:
            taken = self._steps.get(step.kind)
            if taken is not None:
                raise ValueError(
                    f"step kind {step.kind!r} is registered twice: "
                    f"{type(taken).__qualname__} and {type(step).__qualname__}"
                )
            self._steps[step.kind] = step

    @property
    def kinds(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._steps))

    def find(self, kind: str) -> PromotionStep[Any] | None:
        """Return the step kind, or None where the name is not registered."""
        return self._steps.get(kind)

    def explain_unknown(self, kind: str) -> str:
        """Say that `kind` is not registered, with the nearest name where one is near."""
        near = difflib.get_close_matches(kind, self._steps, n=1)
        suggestion = f"; did you mean {near[0]!r}?" if near else ""
        return f"step kind {kind!r} is not registered{suggestion}"
