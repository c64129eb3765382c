"""A Connection as the door to a project's Argo CD."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from airflow.sdk import BaseHook

from airfreight.artifacts.argocd.api import Api
from airfreight.artifacts.argocd.applications import Applications
from airfreight.artifacts.argocd.kubernetes import KubernetesApplications
from airfreight.artifacts.argocd.rest import RestApplications
from airfreight.errors import SettingsError
from airfreight.model.connections import ConnectionIds
from airfreight.runtime.credentials import own_connection
from airfreight.runtime.settings import Settings
from airfreight.steps.base import no_argocd

if TYPE_CHECKING:
    from airflow.sdk import Connection

_TIMEOUT = 30.0


@dataclass(frozen=True)
class Login:
    """Where an API is and what opens it; `authorization` is the whole header."""

    url: str
    authorization: str = field(repr=False)
    tls: ssl.SSLContext | bool = True
    proxy: str | None = None


class ArgocdHook(BaseHook):
    """Reads the Connection of an Argo CD.

    One of type ``kubernetes`` is read as the provider's own hook reads it: Applications are changed in the cluster.
    One of any other type has host and password: the address of Argo CD's server and a token of it.

    :param argocd_conn_id: id of the Connection.
    """

    conn_name_attr = "argocd_conn_id"
    default_conn_name = "argocd_default"
    conn_type = "airfreight_argocd"
    hook_name = "Argo CD (Airfreight)"

    def __init__(self, argocd_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.argocd_conn_id = argocd_conn_id

    @contextmanager
    def get_conn(self, *, allow_http: bool = False) -> Iterator[Applications]:
        """Open the door for as long as the context lasts; raises SettingsError where it cannot be.

        `allow_http` lets the login travel unencrypted.
        """
        connection = self._connection()
        by_cluster = connection.conn_type == "kubernetes"
        login = self._cluster() if by_cluster else self._server(connection)
        self._refuse_plain(login, allow_http)
        door = KubernetesApplications if by_cluster else RestApplications
        name = "the Kubernetes API" if by_cluster else "Argo CD"
        namespace = str(_extra(connection).get("namespace") or "argocd")
        with self._client(login) as client:
            secret = login.authorization.partition(" ")[2]
            yield door(Api(client, name, secret), namespace)

    def _connection(self) -> Connection:
        try:
            return self.get_connection(self.argocd_conn_id)
        except Exception as error:
            raise self._unusable("there is none of this id") from error

    def _cluster(self) -> Login:
        from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook

        try:
            configuration = KubernetesHook(self.argocd_conn_id).get_conn().configuration
            return _login(configuration)
        except Exception as error:
            # The text of a foreign exception may hold part of a kubeconfig.
            raise self._unusable(f"its cluster cannot be read: {type(error).__name__}") from None

    def _server(self, connection: Connection) -> Login:
        try:
            return _server_login(connection)
        except (httpx.InvalidURL, OSError) as error:
            raise self._unusable(f"host or verify is wrong: {type(error).__name__}") from None

    def _client(self, login: Login) -> httpx.Client:
        try:
            return httpx.Client(
                base_url=login.url,
                headers={"Authorization": login.authorization} if login.authorization else {},
                verify=login.tls,
                proxy=login.proxy,
                trust_env=False,
                timeout=_TIMEOUT,
            )
        except (httpx.InvalidURL, ValueError) as error:
            # The text may hold the login.
            raise self._unusable(f"it cannot be used: {type(error).__name__}") from None

    def _refuse_plain(self, login: Login, allow_http: bool) -> None:
        if not login.url.startswith(("https://", "http://")):
            raise self._unusable("it names no host")
        if login.url.startswith("http://") and login.authorization and not allow_http:
            raise self._unusable(
                "its login would travel over plain http; use https, or see the setting "
                "allow_credentials_over_http"
            )

    def _unusable(self, reason: str) -> SettingsError:
        return SettingsError(
            f"Connection {self.argocd_conn_id!r} leads to no Argo CD: {reason}; it has the type "
            "kubernetes, or http with the server as host and a token as password"
        )


@contextmanager
def open_argocd(
    ids: ConnectionIds, connection_id: str, settings: Settings
) -> Iterator[Applications]:
    """Open the Argo CD of a project; raises SettingsError where it names none, or none that it may use."""
    if not connection_id:
        no_argocd()
    hook = ArgocdHook(own_connection(connection_id, ids))
    with hook.get_conn(allow_http=settings.allow_credentials_over_http) as applications:
        yield applications


def _server_login(connection: Connection) -> Login:
    host = (connection.host or "").rstrip("/")
    url = host if "://" in host or not host else f"{connection.schema or 'https'}://{host}"
    if connection.port:
        url = str(httpx.URL(url).copy_with(port=connection.port))
    token = (connection.password or "").strip()
    return Login(url, f"Bearer {token}" if token else "", _tls(_extra(connection).get("verify")))


def _tls(verify: object) -> ssl.SSLContext | bool:
    """Return what `verify` means: False for any certificate, the path of a file for its authorities."""
    if isinstance(verify, str):
        return ssl.create_default_context(cafile=verify)
    return verify is not False


def _extra(connection: Connection) -> dict[str, Any]:
    extra: dict[str, Any] = connection.extra_dejson
    return extra


def _login(configuration: Any) -> Login:
    """Return what the Kubernetes client would use; tokens that expire are renewed by this."""
    header = configuration.auth_settings().get("BearerToken", {}).get("value") or ""
    if not header and configuration.username:
        pair = f"{configuration.username}:{configuration.password or ''}"
        header = f"Basic {base64.b64encode(pair.encode()).decode()}"
    tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        tls.load_cert_chain(configuration.cert_file, configuration.key_file)
    return Login(configuration.host, header, tls, configuration.proxy)
