from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airfreight.artifacts.argocd.kubernetes import KubernetesApplications
from airfreight.artifacts.argocd.rest import RestApplications
from airfreight.errors import SettingsError, TransientError
from airfreight.hooks.argocd import ArgocdHook, open_argocd
from airfreight.model.connections import ConnectionIds
from airfreight.runtime.settings import Settings
from tests.argocd_server import TOKEN, ArgocdServer, kubeconfig, serving

CONNECTION = "airfreight_shop_argocd"
Connect = Callable[..., None]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Make the Connection, as a deployment may, in the environment."""

    def made(conn_type: str = "http", **fields: Any) -> None:
        value = json.dumps({"conn_type": conn_type, **fields})
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", value)

    return made


@pytest.fixture
def server() -> Iterator[ArgocdServer]:
    with serving() as server:
        server.add()
        yield server


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine that no system knows, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "argocd")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36500))
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "authority.pem"
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, *plain))
    return file


@pytest.fixture
def tls_server(authority: Path) -> Iterator[ArgocdServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    with serving(context) as server:
        server.add()
        yield server


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        pytest.param({"host": "cd.example.com"}, "https://cd.example.com", id="host"),
        pytest.param({"host": "https://cd.example.com/"}, "https://cd.example.com", id="url"),
        pytest.param({"host": "https://x.org/argo/"}, "https://x.org/argo", id="path"),
        pytest.param({"host": "cd", "port": 8443}, "https://cd:8443", id="port"),
        pytest.param({"host": "https://x.org/a", "port": 1}, "https://x.org:1/a", id="port-path"),
        pytest.param({"host": "cd", "schema": "http"}, "http://cd", id="schema"),
    ],
)
def test_a_connection_with_a_host_is_argocds_own_server(
    connect: Connect, fields: dict[str, Any], url: str
) -> None:
    connect(password=TOKEN, **fields)
    with ArgocdHook(CONNECTION).get_conn(allow_http=True) as door:
        assert isinstance(door, RestApplications)
        assert str(door.api.client.base_url).rstrip("/") == url
        assert door.api.client.headers["Authorization"] == f"Bearer {TOKEN}"
        assert door.default_namespace == "argocd"


def test_the_token_opens_argocds_server(connect: Connect, server: ArgocdServer) -> None:
    connect(host=server.url, password=TOKEN)
    with ArgocdHook(CONNECTION).get_conn(allow_http=True) as door:
        found = door.get("argocd", "web")
    assert (found is not None, server.asked) == (True, ["GET /api/v1/applications/web"])


@pytest.mark.parametrize("as_text", [True, False], ids=["text", "mapping"])
def test_a_connection_to_a_cluster_is_read_as_the_provider_reads_it(
    connect: Connect, server: ArgocdServer, as_text: bool
) -> None:
    config = kubeconfig(server.url, token=TOKEN)
    extra = {"kube_config": json.dumps(config) if as_text else config, "namespace": "cd"}
    connect("kubernetes", extra=extra)
    server.add("api", "cd")
    with ArgocdHook(CONNECTION).get_conn(allow_http=True) as door:
        assert isinstance(door, KubernetesApplications)
        found = door.get(door.default_namespace, "api")
    assert found is not None
    assert server.asked == ["GET /apis/argoproj.io/v1alpha1/namespaces/cd/applications/api"]


@pytest.mark.parametrize("verifies", [True, False], ids=["by-its-authority", "not-at-all"])
def test_a_server_with_a_certificate_of_its_own_is_reached(
    connect: Connect, tls_server: ArgocdServer, authority: Path, verifies: bool
) -> None:
    extra = {"verify": str(authority) if verifies else False}
    connect(host=tls_server.url, password=TOKEN, extra=extra)
    with ArgocdHook(CONNECTION).get_conn() as door:
        assert door.get("argocd", "web") is not None


def test_a_server_whose_certificate_nobody_knows_gets_no_token(
    connect: Connect, tls_server: ArgocdServer
) -> None:
    connect(host=tls_server.url, password=TOKEN)
    with (
        ArgocdHook(CONNECTION).get_conn() as door,
        pytest.raises(TransientError, match="request to Argo CD failed: ConnectError"),
    ):
        door.get("argocd", "web")
    assert tls_server.asked == []


@pytest.mark.parametrize("verifies", [True, False], ids=["by-its-authority", "not-at-all"])
def test_a_cluster_with_a_certificate_of_its_own_is_reached(
    connect: Connect, tls_server: ArgocdServer, authority: Path, verifies: bool
) -> None:
    config = kubeconfig(tls_server.url, token=TOKEN)
    certificate = base64.b64encode(authority.read_bytes().split(b"-----BEGIN PRIVATE")[0]).decode()
    trust = {"certificate-authority-data": certificate, "insecure-skip-tls-verify": False}
    skip = {"insecure-skip-tls-verify": True}
    config["clusters"][0]["cluster"] |= trust if verifies else skip
    connect("kubernetes", extra={"kube_config": config})
    with ArgocdHook(CONNECTION).get_conn() as door:
        assert door.get("argocd", "web") is not None


@pytest.mark.parametrize(
    ("conn_type", "fields", "message"),
    [
        pytest.param("http", {"password": TOKEN}, "it names no host", id="no-host"),
        pytest.param(
            "http",
            {"host": "cd", "password": TOKEN, "extra": {"verify": "/no/such/file"}},
            "host or verify is wrong: FileNotFoundError",
            id="no-authority",
        ),
        pytest.param(
            "http",
            {"host": "cd:x", "password": TOKEN},
            "it cannot be used: InvalidURL",
            id="bad-host",
        ),
        pytest.param(
            "http",
            {"host": "cd", "password": f"{TOKEN}\u20ac"},
            "it cannot be used: UnicodeEncodeError",
            id="bad-token",
        ),
        pytest.param(
            "http",
            {"host": "http://cd", "password": TOKEN},
            "its login would travel over plain http",
            id="plain-http",
        ),
        pytest.param(
            "kubernetes",
            {"extra": {"kube_config": kubeconfig("http://k", token=TOKEN)}},
            "its login would travel over plain http",
            id="plain-http-to-a-cluster",
        ),
        pytest.param(
            "kubernetes",
            {"extra": {"kube_config": {"users": [{"name": TOKEN}]}}},
            "its cluster cannot be read: ",
            id="no-kubeconfig",
        ),
    ],
)
def test_a_connection_that_leads_nowhere_says_so_and_shows_no_login(
    connect: Connect, conn_type: str, fields: dict[str, Any], message: str
) -> None:
    connect(conn_type, **fields)
    with pytest.raises(SettingsError, match=message) as caught, ArgocdHook(CONNECTION).get_conn():
        pass
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("connection_id", "message"),
    [
        ("", "annotate its Project with airfreight/argocd-connection"),
        ("airfreight_shop_none", "there is none of this id"),
        ("airfreight_other_argocd", "project shop may not use Connection"),
    ],
    ids=["none-named", "missing", "another-project's"],
)
def test_a_project_reaches_only_a_connection_of_its_own(connection_id: str, message: str) -> None:
    with (
        pytest.raises(SettingsError, match=message),
        open_argocd(ConnectionIds("shop"), connection_id, Settings()),
    ):
        pass


def test_the_setting_lets_a_login_travel_over_plain_http(
    connect: Connect, server: ArgocdServer
) -> None:
    connect(host=server.url, password=TOKEN)
    settings = Settings(allow_credentials_over_http=True)
    with open_argocd(ConnectionIds("shop"), CONNECTION, settings) as door:
        assert len(door.select("argocd", "!gone")) == 1
