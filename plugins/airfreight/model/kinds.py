"""Kinds that manifests name: those that come with Airfreight, and those that other packages add by entry points.

An entry point says the kind and the class without being imported. So a package that cannot be imported takes out of
service what uses its kinds and nothing else, and a name that is taken is noticed before any of its code runs.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from traceback import walk_tb
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from airfreight.errors import SettingsError
from airfreight.model.suggestions import suggest


class Kind(Protocol):
    """One kind; `kind` is its name in manifests."""

    kind: ClassVar[str]


KindT = TypeVar("KindT", bound=Kind)


@dataclass(frozen=True, order=True)
class EntryPoint(Generic[KindT]):
    """The kind's name, and its class as ``package.module:Class``.

    A class for each sort of kinds says its `noun`, the classes that a kind and its config derive from.
    """

    kind: str
    target: str
    noun: ClassVar[str]
    base: ClassVar[type[Any]]
    config_base: ClassVar[type[Any]]

    def load(self) -> KindT:
        """Import the class and make the kind; raises SettingsError, with the place, whatever the package does."""
        module, _, name = self.target.partition(":")
        try:
            found: Any = getattr(importlib.import_module(module), name) if name else None
            fault = self._fault(found)
            if fault is None:
                kind: KindT = found()
                return kind
        except (Exception, SystemExit) as error:
            fault = _told(error, module)
        raise SettingsError(
            f"{self.noun} {self.kind!r} cannot be loaded from {self.target}: {fault}; "
            "mend the package or remove it, then restart Airflow's components"
        )

    def _fault(self, found: Any) -> str | None:
        if not isinstance(found, type) or not issubclass(found, self.base):
            return f"expected package.module:Class, a class derived from {self.base.__name__}"
        kind, config_type = getattr(found, "kind", None), getattr(found, "config_type", None)
        if kind != self.kind:
            return f"its attribute kind is {kind!r}; expected the name of the entry point"
        if not isinstance(config_type, type) or not issubclass(config_type, self.config_base):
            return f"its attribute config_type is no class derived from {self.config_base.__name__}"
        return None


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


class KindRegistry(Generic[KindT]):
    """Finds a kind by its name; unknown and duplicate names are errors.

    :param builtin: the kinds that come with Airfreight; nothing takes the place of one.
    :param custom: the kinds of other packages; each is loaded when it is first asked for.
    """

    noun: ClassVar[str]

    def __init__(self, builtin: Iterable[KindT], custom: Iterable[EntryPoint[KindT]] = ()) -> None:
        self._loaded: dict[str, KindT] = {}
        for one in builtin:
            taken = self._loaded.get(one.kind)
            if taken is not None:
                raise ValueError(
                    f"{self.noun} {one.kind!r} is registered twice: "
                    f"{type(taken).__qualname__} and {type(one).__qualname__}"
                )
            self._loaded[one.kind] = one
        self._custom: dict[str, list[EntryPoint[KindT]]] = {}
        for point in sorted(custom):
            self._custom.setdefault(point.kind, []).append(point)
        self._unusable: dict[str, str] = {}
        self.clashes = tuple(self._clashes())

    def _clashes(self) -> Iterator[str]:
        """Yield what is wrong with names, and take the kinds out of service whose class is not certain."""
        for kind, found in self._custom.items():
            targets = " and ".join(one.target for one in found)
            if kind in self._loaded:
                yield f"{self.noun} {kind!r} of {targets} is built in; rename the entry point"
            elif len(found) > 1:
                self._unusable[kind] = (
                    f"{self.noun} {kind!r} is registered twice: {targets}; remove one of the packages"
                )
                yield self._unusable[kind]

    @property
    def kinds(self) -> tuple[str, ...]:
        """All names, sorted; those that cannot be loaded included."""
        return tuple(sorted(self._loaded.keys() | self._custom.keys()))

    def find(self, kind: str) -> KindT | None:
        """Return the kind, or None where there is none that can be used; `explain_unknown` says why."""
        if kind not in self._loaded and kind in self._custom and kind not in self._unusable:
            try:
                self._loaded[kind] = self._custom[kind][0].load()
            except SettingsError as error:
                self._unusable[kind] = str(error)
        return self._loaded.get(kind)

    def explain_unknown(self, kind: str) -> str:
        """Say why `find` gave nothing for `kind`, with the nearest name where none is so called."""
        if kind in self._unusable:
            return self._unusable[kind]
        hint = suggest(kind, self.kinds)
        return f"{self.noun} {kind!r} is not registered" + (f"; {hint}" if hint else "")
