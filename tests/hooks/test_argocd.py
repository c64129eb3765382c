from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airfreight.artifacts.argocd.kubernetes import KubernetesApplications
from airfreight.artifacts.argocd.rest import RestApplications
from airfreight.errors import SettingsError
from airfreight.hooks.argocd import ArgocdHook, open_argocd
from airfreight.runtime.settings import Settings
from tests.argocd_server import TOKEN, ArgocdServer, serving

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


def kubeconfig(url: str, **user: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": user}],
    }


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
):
    connect(password=TOKEN, **fields)
    with ArgocdHook(CONNECTION).get_conn(allow_http=True) as door:
        assert isinstance(door, RestApplications)
        assert str(door.api.client.base_url).rstrip("/") == url
        assert door.api.client.headers["Authorization"] == f"Bearer {TOKEN}"
        assert door.default_namespace == "argocd"


def test_the_token_opens_argocds_server(connect: Connect, server: ArgocdServer):
    connect(host=server.url, password=TOKEN)
    with ArgocdHook(CONNECTION).get_conn(allow_http=True) as door:
        found = door.get("argocd", "web")
    assert (found is not None, server.asked) == (True, ["GET /api/v1/applications/web"])


@pytest.mark.parametrize("as_text", [True, False], ids=["text", "mapping"])
def test_a_connection_to_a_cluster_is_read_as_the_provider_reads_it(
    connect: Connect, server: ArgocdServer, as_text: bool
):
    config = kubeconfig(server.url, token=TOKEN)
    extra = {"kube_config": json.dumps(config) if as_text else config, "namespace": "cd"}
    connect("kubernetes", extra=extra)
    server.add("api", "cd")
    with ArgocdHook(CONNECTION).get_conn(allow_http=True) as door:
        assert isinstance(door, KubernetesApplications)
        found = door.get(door.default_namespace, "api")
    assert found is not None
    assert server.asked == ["GET /apis/argoproj.io/v1alpha1/namespaces/cd/applications/api"]


@pytest.mark.parametrize(
    ("conn_type", "fields", "message"),
    [
        pytest.param("http", {"password": TOKEN}, "it names no host", id="no-host"),
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
):
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
def test_a_project_reaches_only_a_connection_of_its_own(connection_id: str, message: str):
    with (
        pytest.raises(SettingsError, match=message),
        open_argocd("shop", connection_id, Settings()),
    ):
        pass


def test_the_setting_lets_a_login_travel_over_plain_http(connect: Connect, server: ArgocdServer):
    connect(host=server.url, password=TOKEN)
    settings = Settings(allow_credentials_over_http=True)
    with open_argocd("shop", CONNECTION, settings) as door:
        assert len(door.select("argocd", "!gone")) == 1
