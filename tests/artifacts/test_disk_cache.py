from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from airfreight.artifacts.disk_cache import DiskCache

SIZE = 2**20


def file_of(folder: Path) -> Path:
    (found,) = folder.glob("*.sqlite3")
    return found


def used_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


async def test_what_was_put_is_found_by_its_scope_and_after_a_restart(tmp_path):
    await DiskCache(tmp_path, size=SIZE).put("tags a", {"1.0": {"digest": "x"}, "1.1": None})
    again = DiskCache(tmp_path, size=SIZE)
    assert await again.get("tags a", ["1.0", "2.0"]) == {"1.0": {"digest": "x"}}
    assert await again.get("tags a") == {"1.0": {"digest": "x"}, "1.1": None}
    assert await again.get("tags b") == {}


async def test_many_names_are_found_as_few_are(tmp_path):
    cache = DiskCache(tmp_path, size=SIZE)
    await cache.put("s", {str(number): number for number in range(2000)})
    assert len(await cache.get("s", map(str, range(1000, 3000)))) == 1000


async def test_it_stays_within_its_size_and_what_was_used_last_stays(tmp_path):
    now = 0.0
    cache = DiskCache(tmp_path, size=SIZE, clock=lambda: now)
    for number in range(60):
        now += 100_000
        await cache.put("s", {f"{number}.{part}": "x" * 1000 for part in range(50)})
        await cache.get("s", ["0.0"])
    assert used_bytes(tmp_path) < 3 * SIZE
    kept = await cache.get("s")
    assert {"0.0", "59.0"} <= kept.keys()
    assert "1.0" not in kept


async def test_a_value_that_would_push_all_others_out_is_not_kept(tmp_path):
    cache = DiskCache(tmp_path, size=SIZE)
    await cache.put("s", {"small": 1, "large": "x" * SIZE})
    assert await cache.get("s") == {"small": 1}


@pytest.mark.parametrize("content", [b"not a database", b"SQLite format 3\x00" + b"\xff" * 4096])
async def test_a_damaged_file_is_an_empty_cache_and_begins_anew(tmp_path, content):
    cache = DiskCache(tmp_path, size=SIZE)
    await cache.put("s", {"a": 1})
    file_of(tmp_path).write_bytes(content)
    assert await cache.get("s") == {}
    await cache.put("s", {"a": 2})
    assert await cache.get("s") == {"a": 2}


HALF = "\ud800x"


async def test_a_name_that_is_no_text_is_a_miss_and_costs_nobody_what_is_kept(tmp_path):
    cache = DiskCache(tmp_path, size=SIZE)
    await cache.put("others", {"a": 1})
    await cache.put("s", {HALF: 1, "b": 2})
    assert await cache.get("s", [HALF, "b"]) == {"b": 2}
    await cache.put(f"s {HALF}", {"c": 3})
    assert await cache.get(f"s {HALF}", ["c"]) == {}
    assert await cache.get("others") == {"a": 1}


@pytest.mark.parametrize("text", ["{", "[" * 100_000], ids=["cut off", "too deep"])
async def test_a_value_that_is_no_json_is_a_miss_and_costs_nobody_what_is_kept(tmp_path, text):
    cache = DiskCache(tmp_path, size=SIZE)
    await cache.put("s", {"a": 1, "b": 2})
    with closing(sqlite3.connect(file_of(tmp_path))) as connection, connection:
        connection.execute("UPDATE entries SET value = ? WHERE name = 'a'", (text,))
    assert await cache.get("s") == {"b": 2}
    assert await cache.get("s", ["b"]) == {"b": 2}


async def test_a_folder_that_cannot_be_made_is_an_empty_cache(tmp_path):
    (tmp_path / "file").write_text("")
    cache = DiskCache(tmp_path / "file" / "cache", size=SIZE)
    await cache.put("s", {"a": 1})
    assert await cache.get("s") == {}


async def test_nobody_else_may_read_it(tmp_path):
    await DiskCache(tmp_path / "cache", size=SIZE).put("s", {"a": 1})
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700
    assert stat.S_IMODE(file_of(tmp_path / "cache").stat().st_mode) == 0o600


def write(folder: Path, scope: str) -> None:
    async def run() -> None:
        cache = DiskCache(folder, size=SIZE)
        for number in range(20):
            await cache.put(scope, {str(number): number})

    asyncio.run(run())


async def test_processes_write_at_the_same_time(tmp_path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=write, args=(tmp_path, f"s{n}")) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join, 60)
    cache = DiskCache(tmp_path, size=SIZE)
    assert [len(await cache.get(f"s{n}")) for n in range(3)] == [20, 20, 20]
