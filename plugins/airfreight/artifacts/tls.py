"""The TLS context that clients share."""

from __future__ import annotations

import functools
import ssl

import httpx


@functools.lru_cache(maxsize=64)
def tls_context(*, verify: bool = True, authority: str = "") -> ssl.SSLContext:
    """Return the one context of all clients that trust the same.

    Reading the machine's certificates takes 30 ms. With `authority`, a certificate in PEM, that alone is trusted;
    raises ssl.SSLError where it is none.
    """
    if verify and authority:
        return ssl.create_default_context(cadata=authority)
    return httpx.create_ssl_context(verify=verify, trust_env=False)
