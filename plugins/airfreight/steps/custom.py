"""Step kinds of other packages: entry points of the group `airfreight.steps`, imported when they are first asked for.

An entry point says the kind and the class without being imported. So a package that cannot be imported takes out of
service what uses its kinds and nothing else, and a name that is taken is noticed before any of its code runs.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.metadata import entry_points
from traceback import walk_tb
from typing import Any

from airfreight.errors import SettingsError
from airfreight.steps.base import PromotionStep, StepConfig

GROUP = "airfreight.steps"


@dataclass(frozen=True, order=True)
class CustomKind:
    """One entry point: the kind's name, and its class as ``package.module:Class``."""

    kind: str
    target: str

    def load(self) -> PromotionStep[Any]:
        """Import the class and make the step; raises SettingsError, with the place, whatever the package does."""
        module, _, name = self.target.partition(":")
        try:
            found: Any = getattr(importlib.import_module(module), name) if name else None
            fault = self._fault(found)
            if fault is None:
                step: PromotionStep[Any] = found()
                return step
        except (Exception, SystemExit) as error:
            fault = _told(error, module)
        raise SettingsError(
            f"step kind {self.kind!r} cannot be loaded from {self.target}: {fault}; "
            "mend the package or remove it, then restart Airflow's components"
        )

    def _fault(self, found: Any) -> str | None:
        if not isinstance(found, type) or not issubclass(found, PromotionStep):
            return "expected package.module:Class, a class derived from PromotionStep"
        kind, config_type = getattr(found, "kind", None), getattr(found, "config_type", None)
        if kind != self.kind:
            return f"its attribute kind is {kind!r}; expected the name of the entry point"
        if not isinstance(config_type, type) or not issubclass(config_type, StepConfig):
            return "its attribute config_type is no class derived from StepConfig"
        return None


def custom_kinds() -> frozenset[CustomKind]:
    """Return what the packages on the import path declare; a package that is found twice counts once."""
    return frozenset(CustomKind(point.name, point.value) for point in entry_points(group=GROUP))


def _told(error: BaseException, module: str) -> str:
    """Return what went wrong and at which line of the package itself, where it was in one."""
    told = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {told}"
    package = module.partition(".")[0]
    places = [
        f"{frame.f_code.co_filename}:{line}: "
        for frame, line in walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] == package
    ]
    return f"{places[-1]}{told}" if places else told
