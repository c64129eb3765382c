"""What was learned about repositories, kept on this machine's disk for all its processes and for the next start.

SQLite, because many processes read and write at once, one query answers for twenty thousand tags, a killed writer
leaves nothing behind, and values are JSON, which runs nothing when it is read. A cache that cannot be used is an
empty one: it never fails a look at a repository.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from airfreight.artifacts.private_folder import private_folder
from airfreight.errors import SettingsError

_log = logging.getLogger(__name__)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    scope TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, used REAL NOT NULL,
    PRIMARY KEY (scope, name)
) WITHOUT ROWID
"""
_NEWER = """
INSERT INTO entries VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET value = excluded.value, used = excluded.used
"""
_OLDEST = """
DELETE FROM entries WHERE used <= (
    SELECT used FROM entries ORDER BY used LIMIT 1 OFFSET (SELECT count(*) / 4 FROM entries)
)
"""
_BUSY_SECONDS = 5.0
# What is read is marked as used no more often than this: reading would write otherwise.
_USED_SECONDS = 86400.0
# Of so many names one look at the whole scope is faster.
_MANY_NAMES = 500


class DiskCache:
    """Scopes of names with plain JSON; about `size` bytes, of which those go first that were not used for longest.

    A scope says whose the entries are: whatever is known of one repository has it in its scope, and is only asked for
    by who was let into that repository just now. Values hold no credential.
    """

    def __init__(self, folder: Path, *, size: int, clock: Callable[[], float] = time.time) -> None:
        self._file = folder / "registries-v1.sqlite3"
        self._size = size
        self._clock = clock

    async def get(self, scope: str, names: Iterable[str] | None = None) -> dict[str, Any]:
        """Return what is known of `names`, or of all names of the scope."""
        wanted = None if names is None else list(names)
        return await asyncio.to_thread(self._get, scope, wanted)

    async def put(self, scope: str, values: Mapping[str, Any]) -> None:
        """Keep plain JSON under each name; what is too long is left out."""
        if values:
            await asyncio.to_thread(self._put, scope, dict(values))

    def _get(self, scope: str, names: list[str] | None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        with self._faults(), closing(self._open()) as connection, connection:
            for name, text, used in _rows(connection, scope, names):
                with suppress(ValueError, RecursionError):
                    found[name] = json.loads(text)
                if used < self._clock() - _USED_SECONDS:
                    touch = "UPDATE entries SET used = ? WHERE scope = ? AND name = ?"
                    connection.execute(touch, (self._clock(), scope, name))
        return found

    def _put(self, scope: str, values: Mapping[str, Any]) -> None:
        now = self._clock()
        texts = ((name, json.dumps(value)) for name, value in values.items() if _is_text(name))
        rows = [(scope, name, text, now) for name, text in texts if len(text) <= self._size // 4]
        with self._faults(), closing(self._open()) as connection, connection:
            connection.executemany(_NEWER, rows)
            while _used_bytes(connection) > self._size and connection.execute(_OLDEST).rowcount:
                pass

    def _open(self) -> sqlite3.Connection:
        # For each call anew, half a millisecond beside requests of several: a connection that is kept may not be used
        # after a fork, and goes on with a file that another process has removed as damaged.
        private_folder(self._file.parent)
        # Made here first, so that nobody else can read it.
        os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self._file, timeout=_BUSY_SECONDS)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(_SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            _log.warning("the cache %s cannot be used now: %s", self._file, error)
        except sqlite3.DatabaseError as error:
            _log.warning("the cache %s is damaged and begins anew: %s", self._file, error)
            self._remove()
        except (ValueError, RecursionError) as error:
            # One who brings what cannot be kept costs nobody else what is.
            _log.warning("the cache %s does not keep this: %s", self._file, error)
        except SettingsError as error:
            _log.warning("nothing is kept: %s", error)
        except OSError as error:
            _log.warning("the cache %s cannot be used: %s", self._file, error.strerror)

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)


def _rows(
    connection: sqlite3.Connection, scope: str, names: list[str] | None
) -> list[tuple[str, str, float]]:
    query = "SELECT name, value, used FROM entries WHERE scope = ?"
    if names is None or len(names) > _MANY_NAMES:
        wanted = None if names is None else frozenset(names)
        rows = connection.execute(query, (scope,))
        return [row for row in rows if wanted is None or row[0] in wanted]
    one = query + " AND name = ?"
    found = (connection.execute(one, (scope, name)).fetchone() for name in names if _is_text(name))
    return [row for row in found if row is not None]


def _is_text(name: str) -> bool:
    """Say whether it has UTF-8, in which SQLite keeps it: half a character out of JSON has none."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _used_bytes(connection: sqlite3.Connection) -> int:
    def ask(what: str) -> int:
        return int(connection.execute(f"PRAGMA {what}").fetchone()[0])

    return (ask("page_count") - ask("freelist_count")) * ask("page_size")
