"""The TLS context that clients share."""

from __future__ import annotations

import functools
import ssl

import httpx

from airfreight.errors import ArtifactError


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


def untrusted_certificate(where: str, error: BaseException | None) -> ArtifactError | None:
    """Return what is to be said of the server `where`, if behind `error` is that its certificate is not trusted."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return ArtifactError(
                f"{where} has a certificate that is not trusted: {error.verify_message}; where a private authority "
                "signed it, put the authority's own into `ca_certificate` of the Connection's extra"
            )
        error = error.__cause__ or error.__context__
    return None
