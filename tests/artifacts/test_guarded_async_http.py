"""Names that nobody answers for: each ends in time, and holds up nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpcore
import pytest

from airfreight.artifacts.guarded_async_http import NameResolver, guarded_async_client
from airfreight.artifacts.guarded_http import checked_addresses
from airfreight.artifacts.tls import tls_context
from tests.document_server import DocumentServer, Sent

Resolve = Callable[..., list[str]]


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """What hangs until the test is over."""
    over = threading.Event()
    yield over
    over.set()


@pytest.fixture
def resolve(over: threading.Event) -> Resolve:
    """Like a machine whose resolver gets no answer for some names."""

    def resolve(host: str, port: int, *, allow_loopback: bool) -> list[str]:
        if host.startswith("dead"):
            over.wait(60)
        return checked_addresses(host, port, allow_loopback=allow_loopback)

    return resolve


async def test_a_name_that_nobody_answers_for_ends_in_time(resolve: Resolve) -> None:
    names = NameResolver(resolve, seconds=0.1)
    with pytest.raises(httpcore.ConnectTimeout) as caught:
        await names.addresses("dead.example", 443, allow_loopback=True)
    assert str(caught.value) == "dead.example was not resolved within 0.1 s"


async def test_dead_names_hold_up_neither_other_names_nor_the_work_of_the_loop(
    resolve: Resolve,
) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    names = NameResolver(resolve, seconds=50)
    dead = [
        asyncio.create_task(names.addresses(f"dead{n}.example", 443, allow_loopback=True))
        for n in range(20)
    ]
    try:
        async with asyncio.timeout(20):
            assert await names.addresses("127.0.0.1", 80, allow_loopback=True) == ["127.0.0.1"]
            assert await asyncio.to_thread(lambda: 1) == 1
        assert not any(task.done() for task in dead)
    finally:
        for task in dead:
            task.cancel()
        await asyncio.gather(*dead, return_exceptions=True)


async def test_a_client_connects_while_the_loops_own_threads_are_all_busy(
    over: threading.Event,
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    busy = loop.run_in_executor(None, over.wait, 60)
    with DocumentServer() as server:
        server.answers["/page"] = Sent(b"here")
        async with guarded_async_client(
            allow_loopback=True, timeout=20, context=tls_context()
        ) as http:
            async with asyncio.timeout(20):
                answer = await http.get(f"{server.url}/page")
        assert answer.content == b"here"
        assert not busy.done()
    over.set()
    await busy
