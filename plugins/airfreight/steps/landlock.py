"""One way out: Linux' Landlock lets a program connect to one TCP port and to no other.

A proxy in the environment is a request. Programs written in Go, as helm is, ask this machine without one.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

# The same on every architecture; the C library has no functions for them.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_FIRST_WITH_PORTS = 4  # Linux 6.7
_CONNECT_TCP = 2
_RULE_FOR_PORT = 2
_NO_NEW_PRIVILEGES = 38


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64))


class _PortRule(ctypes.Structure):
    _fields_ = (("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64))


@functools.cache
def ports_can_be_closed() -> bool:
    """Say whether the kernel can close ports to a program."""
    try:
        return _call(_CREATE_RULESET, None, 0, _ASK_VERSION) >= _FIRST_WITH_PORTS
    except OSError:
        return False


def with_one_port(port: int, start: Callable[[], T]) -> T:
    """Return what `start` returns; the programs that it starts can connect to this TCP port alone, on any machine.

    Landlock confines the thread that asks for it and all that comes of it, so `start` gets a thread that ends with it.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_confined, port, start).result()


def _confined(port: int, start: Callable[[], T]) -> T:
    ruleset = _Ruleset(0, _CONNECT_TCP)
    rules = _call(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.sizeof(ruleset), 0)
    try:
        _call(_ADD_RULE, rules, _RULE_FOR_PORT, ctypes.byref(_PortRule(_CONNECT_TCP, port)), 0)
        # Without it the kernel confines none but root.
        _checked(_libc().prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        _call(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
    return start()


def _call(number: int, *arguments: object) -> int:
    return _checked(_libc().syscall(number, *arguments))


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
