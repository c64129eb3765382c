"""Programs that download what a manifest names: confined, and with the guard as their way out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from airfreight.artifacts.git_guard import NetworkGuard
from airfreight.errors import RetryableStepError
from airfreight.steps.base import StepContext
from airfreight.steps.confined import Confined, confined
from airfreight.steps.landlock import ports_can_be_closed
from airfreight.steps.ways_out import all_lead_through


@contextmanager
def guarded(context: StepContext) -> Iterator[Confined]:
    """As `confined` with the network open, but for the addresses that the guard closes.

    An error tells what the guard refused, of which a program knows only that there was no connection. Where the worker
    has a proxy of its own, the programs go through that. Where it has none and this machine is closed to them, the
    kernel lets them connect to the guard's port alone, if it can.
    """
    allow_loopback = context.settings.allow_loopback
    with (
        NetworkGuard(allow_loopback=allow_loopback) as guard,
        confined(context, network=True) as place,
    ):
        proxy = f"socks5://127.0.0.1:{guard.port}"
        closed = (
            not allow_loopback and all_lead_through(os.environ, proxy) and ports_can_be_closed()
        )
        try:
            yield replace(place, proxy=proxy, only_port=guard.port if closed else None)
        except RetryableStepError as error:
            told = dict.fromkeys((str(error), *guard.problems))
            raise RetryableStepError("; ".join(told)) from None
