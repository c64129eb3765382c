"""The TLS context that clients share."""

from __future__ import annotations

import functools
import ssl

import httpx


@functools.cache
def tls_context(*, verify: bool) -> ssl.SSLContext:
    """Return the one context of all clients.

    Reading the certificates takes 30 ms, in which the triggerer's loop stands still; the rest of a poll takes 4.
    """
    return httpx.create_ssl_context(verify=verify, trust_env=False)
