"""The TLS context that clients share."""

from __future__ import annotations

import functools
import ssl

import httpx

from airfreight.errors import ArtifactError, TransientError


@functools.lru_cache(maxsize=64)
def tls_context(*, verify: bool = True, authority: str = "") -> ssl.SSLContext:
    """Return the one context of all clients that trust the same.

    Reading the machine's certificates takes 30 ms. With `authority`, a certificate in PEM, that alone is trusted;
    raises ArtifactError where it is none.
    """
    if verify and authority:
        try:
            return ssl.create_default_context(cadata=authority)
        except (ssl.SSLError, TypeError, ValueError):
            raise ArtifactError(
                "ca_certificate of the Connection is no certificate in PEM; put there the authority's own, from"
                " -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----"
            ) from None
    return httpx.create_ssl_context(verify=verify, trust_env=False)


def untrusted(where: str, reason: str) -> str:
    """Return what to say of the server `where`, whose certificate was not accepted."""
    return (
        f"{where} has a certificate that is not trusted: {reason}; where a private authority "
        "signed it, put the authority's own into `ca_certificate` of the Connection's extra"
    )


def unanswered(where: str, error: httpx.HTTPError) -> ArtifactError:
    """Return what it means that the server `where` gave no answer; httpx's own text may hold a login.

    A TransientError, unless behind `error` is that the server's certificate is not trusted.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ArtifactError(untrusted(where, cause.verify_message))
        cause = cause.__cause__ or cause.__context__
    return TransientError(f"{where} did not answer: {type(error).__name__}")
