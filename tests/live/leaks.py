"""Finds a secret wherever a run of Airflow may have left it."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg2
from psycopg2 import sql

from tests.repeating import repeating

if TYPE_CHECKING:
    from tests.live.world import World


def forms_of(secret: str) -> list[bytes]:
    """Return the secret as it is, URL-encoded, and what is fixed of its Base64 at each of the three offsets."""
    forms = {secret, quote(secret), quote(secret, safe="")}
    for offset in range(3):
        encoded = base64.b64encode(b"x" * offset + secret.encode()).decode()
        # The first and last characters depend on what stands around.
        forms.add(encoded[4 if offset else 0 : (len(secret) + offset) // 3 * 4])
    return [form.encode() for form in forms]


def leaks(world: World, secrets: list[str]) -> list[str]:
    """Return where the secrets are found: files, logs among them, rows of the database, objects of Git repositories."""
    forms = [form for secret in secrets for form in forms_of(secret)]
    found = [f"file {path}" for path in _files(world) if _holds(path.read_bytes(), forms)]
    found += [f"table {name}" for name, rows in _tables(world) if _holds(rows, forms)]
    found += [
        f"git {name}" for name, objects in _objects(world.folder / "git") if _holds(objects, forms)
    ]
    return found


def _holds(text: bytes, forms: list[bytes]) -> bool:
    return any(form in text for form in forms)


def _files(world: World) -> Iterator[Path]:
    for path in world.folder.rglob("*"):
        if path.is_file() and "database" not in path.parts:
            yield path


def _tables(world: World) -> Iterator[tuple[str, bytes]]:
    address = world.stack.env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "")
    connection = psycopg2.connect(address)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
            )
            for (name,) in cursor.fetchall():
                table = sql.Identifier(name)
                cursor.execute(sql.SQL("SELECT t::text FROM {} AS t").format(table))
                yield name, "\n".join(row[0] for row in cursor.fetchall()).encode()
    finally:
        connection.close()


def _objects(repositories: Path) -> Iterator[tuple[str, bytes]]:
    for folder in sorted(repositories.rglob("*.git")):
        argv = ["git", "-C", str(folder), "cat-file", "--batch-all-objects", "--batch"]
        done = subprocess.run(argv, capture_output=True, check=False)
        yield str(folder.relative_to(repositories)), done.stdout


def watched_arguments(secrets: list[str], leaking: Path) -> AbstractContextManager[None]:
    """Look at the arguments of every process five times a second; the file fills with the names of those that leak."""
    forms = [form for secret in secrets for form in forms_of(secret)]
    leaking.touch()

    def look() -> None:
        for process in Path("/proc").glob("[0-9]*"):
            # It may have ended by now.
            with suppress(OSError):
                arguments = (process / "cmdline").read_bytes().replace(b"\0", b" ")
                if _holds(arguments, forms):
                    name = (process / "comm").read_text()
                    with leaking.open("a") as names:
                        names.write(name)

    return repeating(look, 0.2)
