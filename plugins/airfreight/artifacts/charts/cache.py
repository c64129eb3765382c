"""What indexes of chart repositories hold, kept on this machine, so that an index is read once for each change.

One file for each index: a line about the index, then a line for each chart, so that one chart is read without the
others. A file appears whole or not at all, whoever else writes it. All of it blocks: it is for threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airfreight.artifacts.charts.index import ChartVersions
from airfreight.artifacts.documents import MIB

_MOST_BYTES = 256 * MIB  # an index of 50 MB leaves about one


@dataclass(frozen=True)
class IndexCache:
    """The indexes in `folder`, by a key that says whose view of which repository it is."""

    folder: Path

    def about(self, key: str) -> dict[str, Any] | None:
        """Return what was kept about the index, None where it is not here."""
        for line in self._lines(key):
            about: dict[str, Any] = json.loads(line)
            return about
        return None

    def versions(self, key: str, chart: str) -> ChartVersions | None:
        """Return the versions of a chart, none where the index has no such chart; None where the index is not here."""
        start = f"[{json.dumps(chart)}, "
        versions: ChartVersions = {}
        is_here = False
        for line in self._lines(key):
            is_here = True
            if line.startswith(start):
                # A chart may stand twice; the first word counts.
                versions = json.loads(line)[1] | versions
        return versions if is_here else None

    def keep(
        self, key: str, about: Mapping[str, Any], charts: Iterable[tuple[str, ChartVersions]]
    ) -> None:
        """Put an index in the place of the one before; of too many, those go that nobody used for longest."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".new-")
        try:
            with os.fdopen(handle, "w") as file:
                file.write(json.dumps(about) + "\n")
                for chart in charts:
                    file.write(json.dumps(chart) + "\n")
            Path(name).replace(self._file(key))
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        self._trim()

    def _file(self, key: str) -> Path:
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.jsonl"

    def _lines(self, key: str) -> Iterable[str]:
        try:
            with self._file(key).open() as file:
                os.utime(file.fileno())
                yield from file
        except FileNotFoundError:
            return

    def _trim(self) -> None:
        files = sorted(self.folder.glob("*.jsonl"), key=_last_use)
        total = sum(_size(file) for file in files)
        for file in files[:-1]:
            if total <= _MOST_BYTES:
                break
            total -= _size(file)
            file.unlink(missing_ok=True)


def _last_use(file: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return file.stat().st_mtime
    return 0.0


def _size(file: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return file.stat().st_size
    return 0
