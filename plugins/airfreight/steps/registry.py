"""All step kinds by name: unknown and duplicate names are errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from airfreight.errors import SettingsError
from airfreight.steps.base import PromotionStep
from airfreight.steps.custom import CustomKind


class StepRegistry:
    """Finds a step kind by the name that manifests use.

    :param steps: the kinds that come with Airfreight; nothing takes the place of one.
    :param custom: the kinds of other packages; each is loaded when it is first asked for.
    """

    def __init__(
        self, steps: Iterable[PromotionStep[Any]], custom: Iterable[CustomKind] = ()
    ) -> None:
        self._steps: dict[str, PromotionStep[Any]] = {}
        for step in steps:
            taken = self._steps.get(step.kind)
            if taken is not None:
                raise ValueError(
                    f"step kind {step.kind!r} is registered twice: "
                    f"{type(taken).__qualname__} and {type(step).__qualname__}"
                )
            self._steps[step.kind] = step
        self._custom: dict[str, list[CustomKind]] = {}
        for one in sorted(custom):
            self._custom.setdefault(one.kind, []).append(one)
        self._unusable: dict[str, str] = {}
        self.clashes = tuple(self._clashes())

    def _clashes(self) -> Iterator[str]:
        """Yield what is wrong with names, and take the kinds out of service whose class is not certain."""
        for kind, found in self._custom.items():
            targets = " and ".join(one.target for one in found)
            if kind in self._steps:
                yield f"step kind {kind!r} of {targets} is built in; rename the entry point"
            elif len(found) > 1:
                self._unusable[kind] = (
                    f"step kind {kind!r} is registered twice: {targets}; remove one of the packages"
                )
                yield self._unusable[kind]

    @property
    def kinds(self) -> tuple[str, ...]:
        """All names, sorted; those that cannot be loaded included."""
        return tuple(sorted(self._steps.keys() | self._custom.keys()))

    def find(self, kind: str) -> PromotionStep[Any] | None:
        """Return the step kind, or None where there is none that can be used; `explain_unknown` says why."""
        if kind not in self._steps and kind in self._custom and kind not in self._unusable:
            try:
                self._steps[kind] = self._custom[kind][0].load()
            except SettingsError as error:
                self._unusable[kind] = str(error)
        return self._steps.get(kind)

    def explain_unknown(self, kind: str) -> str:
        """Say why `find` gave nothing for `kind`, with the nearest name where none is so called."""
        if kind in self._unusable:
            return self._unusable[kind]
        near = difflib.get_close_matches(kind, self.kinds, n=1)
        suggestion = f"; did you mean {near[0]!r}?" if near else ""
        return f"step kind {kind!r} is not registered{suggestion}"
