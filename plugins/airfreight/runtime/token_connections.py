"""Connections whose login is a token: those of the clouds by their type, those with a GitHub App by their extra.

The fields are the ones that Airflow's own providers give these Connections. A cloud's token goes to that cloud's
registries and to the one that the Connection names as `registry`: a Secret, which says what a Connection opens, is
written by pipeline authors, and must lead no token anywhere else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from airfreight.artifacts.git_urls import web_address
from airfreight.artifacts.oci.protocol import parse_reference
from airfreight.artifacts.tokens import acr, artifact_registry, ecr
from airfreight.artifacts.tokens.acr import AcrTokens, AzureIdentity
from airfreight.artifacts.tokens.artifact_registry import GoogleTokens
from airfreight.artifacts.tokens.ecr import AwsIdentity, AwsRole, EcrTokens
from airfreight.artifacts.tokens.github_app import GitHubAppTokens, may_open, read_private_key
from airfreight.artifacts.tokens.token import TokenProvider
from airfreight.errors import ArtifactError, SettingsError
from airfreight.runtime.settings import Settings

REGISTRY_KINDS: Final = ("image", "helm")
_WEB_IDENTITY = "assume_role_with_web_identity"
_APP_ID = ("githubAppClientID", "githubAppID")
_APP_FIELDS = (*_APP_ID, "githubAppInstallationID", "githubAppPrivateKey")


@dataclass(frozen=True)
class Repository:
    """What is to be opened, and for which project; `kind` is git, helm or image, as of a Secret."""

    kind: str
    url: str
    project: str

    @property
    def registry(self) -> str:
        """The ``host[:port]`` of an image's or chart's registry in lower case; empty where there is none."""
        if self.kind not in REGISTRY_KINDS:
            return ""
        try:
            return parse_reference(self.url.removeprefix("oci://")).host.lower()
        except ArtifactError:
            return ""


@dataclass(frozen=True)
class ConnectionFields:
    """What a Connection of Airflow says; `host` has the port with it."""

    conn_id: str
    conn_type: str = ""
    host: str = ""
    login: str = ""
    password: str = field(default="", repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def whose(self) -> str:
        """What errors call it."""
        return f"Connection {self.conn_id!r}"

    def text(self, *names: str) -> str:
        """Return the first of these of the extra that is set; raises SettingsError where it is no text."""
        for name in names:
            value = self.extra.get(name)
            if value is None or value == "":
                continue
            if isinstance(value, bool) or not isinstance(value, str | int):
                raise self.fault(f"{name} in the extra: expected a text")
            return str(value)
        return ""

    def mapping(self, *names: str) -> Mapping[str, Any]:
        """Return the first of these of the extra that is set: an object, or the JSON of one."""
        for name in names:
            value = self.extra.get(name)
            if value is None or value == "":
                continue
            try:
                found = json.loads(value) if isinstance(value, str) else value
            except (ValueError, RecursionError):
                found = None
            if not isinstance(found, Mapping):
                raise self.fault(f"{name} in the extra: expected a JSON object")
            return found
        return {}

    def refuse(self, *names: str, instead: str) -> None:
        """Raise SettingsError where the extra sets one of these: to pass it over would mean another identity."""
        for name in names:
            if self.extra.get(name):
                raise self.fault(f"{name} in the extra is not supported; {instead}")

    def fault(self, what: str) -> SettingsError:
        """Return the error that says what is wrong with this Connection."""
        return SettingsError(f"{self.whose}: {what}")


def token_provider(
    connection: ConnectionFields, repository: Repository | None, settings: Settings
) -> TokenProvider | None:
    """Return what fetches the tokens of a Connection, or None where its login is the one it holds.

    Raises SettingsError, which names the Connection and what was expected, where it is not usable, and where it does
    not open `repository`; without one no token can be had.
    """
    make = _maker(connection)
    if make is None:
        return None
    if repository is None:
        raise connection.fault("its login is a token for repositories, and here is none to open")
    return make(connection, repository, settings)


_Maker = Callable[[ConnectionFields, Repository, Settings], TokenProvider]


def _maker(connection: ConnectionFields) -> _Maker | None:
    is_app = any(connection.extra.get(name) for name in _APP_FIELDS)
    if is_app or (connection.conn_type == "github" and connection.extra.get("app_id")):
        return _github_app
    if connection.conn_type == "azure_container_registry" and connection.password:
        # The registry's own user, or a token of the registry, unless it is a service principal's.
        return _azure if connection.text("tenantId", "tenant_id") else None
    return _MAKERS.get(connection.conn_type)


def _registry(
    connection: ConnectionFields,
    repository: Repository,
    service: str,
    is_own: Callable[[str], object],
) -> str:
    """Return the registry to open; raises SettingsError where it is none of the service's."""
    host = repository.registry
    if host and (host == connection.text("registry").lower() or is_own(host)):
        return host
    raise connection.fault(
        f"it is of type {connection.conn_type} and opens images and charts of {service}; "
        f"{repository.url} ({repository.kind}) is none. Where that leads to such a registry, name its host as "
        "`registry` in the extra"
    )


def _ecr(
    connection: ConnectionFields, repository: Repository, _settings: Settings
) -> TokenProvider:
    def is_own(host: str) -> bool:
        return host == ecr.PUBLIC_HOST or ecr.region_of(host) is not None

    host = _registry(connection, repository, "ECR", is_own)
    identity = _aws_identity(connection)
    region = ecr.region_of(host) or identity.region
    if not region and host != ecr.PUBLIC_HOST:
        raise connection.fault(f"region_name in the extra is missing: {host} does not tell it")
    return EcrTokens(connection.whose, identity, region, public=host == ecr.PUBLIC_HOST)


def _aws_identity(connection: ConnectionFields) -> AwsIdentity:
    key, secret = connection.login, connection.password
    if not key and not secret:
        key = connection.text("aws_access_key_id")
        secret = connection.text("aws_secret_access_key")
    if bool(key) != bool(secret):
        raise connection.fault("expected both, access key as login and secret key as password")
    if connection.extra.get("verify") in (False, "false", "False"):
        raise connection.fault("verify in the extra: expected the file of the authorities to trust")
    authorities = connection.extra.get("verify")
    return AwsIdentity(
        access_key_id=key,
        secret_access_key=secret,
        session_token=connection.text("aws_session_token"),
        profile=connection.text("profile_name"),
        region=connection.text("region_name"),
        role=_aws_role(connection),
        endpoints=tuple(_endpoints(connection).items()),
        ca_file=authorities if isinstance(authorities, str) else "",
    )


def _aws_role(connection: ConnectionFields) -> AwsRole | None:
    arn = connection.text("role_arn")
    if not arn:
        return None
    method = connection.text("assume_role_method") or "assume_role"
    if method not in ("assume_role", _WEB_IDENTITY):
        raise connection.fault(
            f"assume_role_method in the extra: expected assume_role or {_WEB_IDENTITY}, got {method!r}"
        )
    token_file = ""
    if method == _WEB_IDENTITY:
        token_file = connection.text(f"{_WEB_IDENTITY}_token_file")
        if not token_file:
            raise connection.fault(
                f"{_WEB_IDENTITY}_token_file in the extra is missing: the file of the token"
            )
    arguments = json.dumps(dict(connection.mapping("assume_role_kwargs")), sort_keys=True)
    return AwsRole(arn, token_file, arguments)


def _endpoints(connection: ConnectionFields) -> dict[str, str]:
    """Return where services are asked: as with Airflow's hooks, `endpoint_url` is not for the assuming of roles."""
    usual = connection.text("endpoint_url")
    found = {"ecr": usual, "ecr-public": usual, "sts": ""}
    for service, config in connection.mapping("service_config").items():
        if service in found and isinstance(config, Mapping):
            found[service] = str(config.get("endpoint_url") or found[service])
    return {service: url for service, url in found.items() if url}


def _google(
    connection: ConnectionFields, repository: Repository, _settings: Settings
) -> TokenProvider:
    service = "Google's Artifact Registry"
    _registry(connection, repository, service, artifact_registry.is_google)
    ways = "give the key as keyfile_dict or key_path"
    connection.refuse("key_secret_name", "is_anonymous", "idp_issuer_url", instead=ways)
    long = "extra__google_cloud_platform__"
    key = connection.mapping("keyfile_dict", f"{long}keyfile_dict")
    file = connection.text("key_path", f"{long}key_path")
    federated = connection.extra.get("credential_config_file")
    if federated and not isinstance(federated, str):
        key = connection.mapping("credential_config_file")
    elif federated:
        inline = federated.lstrip().startswith("{")
        key = connection.mapping("credential_config_file") if inline else key
        file = file if inline else federated
    if key and file:
        raise connection.fault("expected one key, keyfile_dict or key_path, and not both")
    chain = connection.extra.get("impersonation_chain") or ()
    accounts = chain.split(",") if isinstance(chain, str) else chain
    return GoogleTokens(
        connection.whose,
        key=json.dumps(dict(key), sort_keys=True) if key else "",
        key_file=file,
        impersonate=tuple(str(account).strip() for account in accounts),
    )


def _azure(
    connection: ConnectionFields, repository: Repository, _settings: Settings
) -> TokenProvider:
    host = _registry(connection, repository, "Azure's Container Registry", acr.is_azure)
    connection.refuse("key_path", "key_json", instead="give the service principal's id and secret")
    tenant = connection.text("tenantId", "tenant_id")
    if connection.password and not (tenant and connection.login):
        raise connection.fault(
            "expected the service principal's id as login, its secret as password and tenantId in the extra"
        )
    options = dict(connection.mapping("client_secret_auth_config"))
    identity = AzureIdentity(
        tenant=tenant,
        client_id=connection.login if connection.password else "",
        client_secret=connection.password,
        managed_identity_client_id=connection.text("managed_identity_client_id"),
        workload_identity_tenant_id=connection.text("workload_identity_tenant_id"),
        authority=connection.text("authority") or str(options.pop("authority", "")),
        options=json.dumps(options, sort_keys=True),
    )
    return AcrTokens(connection.whose, identity, host)


def _github_app(
    connection: ConnectionFields, repository: Repository, settings: Settings
) -> TokenProvider:
    if repository.kind != "git":
        raise connection.fault(
            f"a GitHub App opens git repositories, and {repository.url} is of kind {repository.kind}"
        )
    address = _on_github(connection, repository)
    is_theirs = connection.conn_type == "github"
    own = ("app_id",) if is_theirs else ()
    found = {
        "githubAppID": connection.text(*_APP_ID, *own),
        "githubAppInstallationID": connection.text(
            "githubAppInstallationID", *(("installation_id",) if is_theirs else ())
        ),
        "githubAppPrivateKey": _private_key(connection),
    }
    missing = [name for name, value in found.items() if not value]
    if missing:
        raise connection.fault(f"{missing[0]} in the extra is missing")
    return GitHubAppTokens(
        connection.whose,
        app=found["githubAppID"],
        installation=found["githubAppInstallationID"],
        private_key=read_private_key(found["githubAppPrivateKey"]),
        web_address=address,
        allow_loopback=settings.allow_loopback,
        allow_credentials_over_http=settings.allow_credentials_over_http,
    )


def _private_key(connection: ConnectionFields) -> str:
    file = connection.text("key_path") if connection.conn_type == "github" else ""
    if not file:
        return connection.text("githubAppPrivateKey")
    try:
        return Path(file).read_text()
    except (OSError, ValueError) as error:
        raise connection.fault(
            f"key_path in the extra cannot be read: {type(error).__name__}"
        ) from None


def _on_github(connection: ConnectionFields, repository: Repository) -> str:
    """Return the address of the repository, on the App's own GitHub and among what the project may open."""
    address = web_address(repository.url)
    parts = urlsplit(address)
    host = _github_host(connection.host)
    if parts.netloc.lower() != host:
        raise connection.fault(
            f"its GitHub App is at {host}, and {repository.url} is not. The host of a GitHub Enterprise Server "
            "belongs into the Connection's host"
        )
    allowed = connection.mapping("githubTokenScopes")
    names = allowed.get(repository.project, ())
    name = parts.path.strip("/").split("/")[-1]
    if allowed and not (isinstance(names, list) and may_open(name, map(str, names))):
        raise connection.fault(
            f"githubTokenScopes in the extra gives project {repository.project} no token for {name!r}"
        )
    return address


def _github_host(host: str) -> str:
    """Return ``host[:port]`` of GitHub, however the Connection spells its address or that of its API."""
    netloc = urlsplit(host if "://" in host else f"//{host}").netloc.lower()
    return netloc.removeprefix("api.") or "github.com"


_MAKERS: Final[Mapping[str, _Maker]] = {
    "aws": _ecr,
    "google_cloud_platform": _google,
    "azure": _azure,
    "azure_container_registry": _azure,
    "wasb": _azure,
}
