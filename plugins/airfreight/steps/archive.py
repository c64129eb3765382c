"""How large an archive may be, packed by tar or unpacked by untar."""

from __future__ import annotations

from dataclasses import dataclass

from airfreight.errors import TerminalStepError

MIB = 1024 * 1024


@dataclass(frozen=True)
class ArchiveLimits:
    """How large an archive may be, in bytes unpacked; `file` and `total` are Kargo's.

    The others bound the work that a small hostile file causes: `skipped` what is unpacked to get past entries that are
    left out, `headers` what describes the entries, `entries` and `depth` how many there are and how many folders deep.
    """

    file: int = 50 * MIB
    total: int = 100 * MIB
    skipped: int = 512 * MIB
    headers: int = 64 * MIB
    entries: int = 50_000
    depth: int = 100


KARGO_LIMITS = ArchiveLimits()


class Contents:
    """Adds up the sizes of files; raises TerminalStepError where one or all are too large."""

    def __init__(self, limits: ArchiveLimits) -> None:
        self._limits = limits
        self._total = 0

    def add(self, name: str, size: int) -> None:
        """Count a file of `size` bytes."""
        self._total += size
        if size > self._limits.file:
            raise TerminalStepError(f"{name!r} is larger than {self._limits.file / MIB:g} MiB")
        if self._total > self._limits.total:
            raise TerminalStepError(
                f"the files are larger than {self._limits.total / MIB:g} MiB together"
            )
