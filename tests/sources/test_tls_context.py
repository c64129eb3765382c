from __future__ import annotations

import ssl

import pytest

from airfreight.artifacts.documents import Egress, egress_client
from airfreight.artifacts.guarded_http import guarded_client
from airfreight.artifacts.tls import tls_context
from airfreight.errors import ArtifactError
from airfreight.model.credential import Credential
from airfreight.sources.registries import registry_client


@pytest.mark.parametrize(
    ("verify", "expected"),
    [(True, ssl.CERT_REQUIRED), (False, ssl.CERT_NONE)],
    ids=["checks certificates", "checks none"],
)
def test_each_kind_of_client_has_one_context(verify, expected):
    assert tls_context(verify=verify).verify_mode == expected
    assert tls_context(verify=verify) is tls_context(verify=verify)


async def test_a_second_client_reads_no_certificates():
    """Guard: the cache of `tls_context`; the triggerer makes a client for every poll."""
    before = tls_context.cache_info().misses
    for _ in range(3):
        async with registry_client(
            "registry.example/web", credential=None, allow_credentials_over_http=False
        ):
            pass
    assert tls_context.cache_info().misses - before <= 1
    assert tls_context.cache_info().hits >= 2


@pytest.mark.parametrize("authority", ["no PEM", "zertifikat für uns"])
async def test_an_authority_that_is_no_certificate_is_named(authority):
    login = Credential("", "", ca_certificate=authority)
    with pytest.raises(ArtifactError, match="ca_certificate of the Connection is no"):
        async with registry_client(
            "registry.example/web", credential=login, allow_credentials_over_http=False
        ):
            pass
    with pytest.raises(ArtifactError, match="ca_certificate of the Connection is no"):
        async with egress_client(Egress(login)):
            pass


def test_clients_of_steps_share_it():
    """Guard: `guarded_client`; a promotion makes a client for every request."""
    before = tls_context.cache_info()
    for _ in range(3):
        guarded_client(allow_loopback=True, timeout=1).close()
    after = tls_context.cache_info()
    assert after.hits + after.misses - before.hits - before.misses == 3
    assert after.misses - before.misses <= 1
