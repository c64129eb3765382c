"""Which Connections give tokens, for which repositories, by whose identity; every wrong one with its message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airfreight.artifacts.tokens.acr import AcrTokens, AzureIdentity
from airfreight.artifacts.tokens.artifact_registry import GoogleTokens
from airfreight.artifacts.tokens.ecr import AwsIdentity, AwsRole, EcrTokens
from airfreight.artifacts.tokens.github_app import GitHubAppTokens
from airfreight.artifacts.tokens.token import TokenProvider
from airfreight.errors import SettingsError
from airfreight.runtime.ambient import ambient_provider
from airfreight.runtime.settings import Settings
from airfreight.runtime.token_connections import ConnectionFields, Repository, token_provider

WHOSE = "Connection 'airfreight_shop_x'"
ECR = Repository("image", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/web", "shop")
PUBLIC = Repository("image", "public.ecr.aws/nginx/nginx", "shop")
CHART = Repository("helm", "oci://123456789012.dkr.ecr.eu-west-1.amazonaws.com/charts/web", "shop")
PROXY = Repository("image", "docker.acme.example/shop/web", "shop")
GAR = Repository("image", "europe-west1-docker.pkg.dev/acme/shop/web", "shop")
ACR = Repository("image", "acme.azurecr.io/shop/web", "shop")
HUB = Repository("image", "nginx", "shop")
CLASSIC = Repository("helm", "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com", "shop")
GIT = Repository("git", "https://github.com/acme/gitops.git", "shop")
ENTERPRISE = Repository("git", "https://git.acme.example/acme/gitops", "shop")
ROLE = "arn:aws:iam::210987654321:role/pull"
APP = {"githubAppID": 7, "githubAppInstallationID": 42, "githubAppPrivateKey": "-----BEGIN KEY"}
KEY = {"type": "service_account"}


def connection(conn_type: str, **fields: Any) -> ConnectionFields:
    return ConnectionFields("airfreight_shop_x", conn_type, **fields)


def provider(fields: ConnectionFields, repository: Repository | None) -> TokenProvider | None:
    return token_provider(fields, repository, Settings())


def ecr(**identity: Any) -> EcrTokens:
    return EcrTokens(WHOSE, AwsIdentity(**identity), "eu-west-1")


def app(address: str = "https://github.com/acme/gitops", **fields: Any) -> GitHubAppTokens:
    known = {"app": "7", "installation": "42", "private_key": "-----BEGIN KEY"}
    return GitHubAppTokens(WHOSE, **{**known, **fields}, web_address=address)


def azure(**identity: str) -> AcrTokens:
    return AcrTokens(WHOSE, AzureIdentity(**identity), "acme.azurecr.io")


ASKS: dict[str, tuple[ConnectionFields, Repository, TokenProvider | None]] = {
    "aws, whom boto3 finds": (connection("aws"), ECR, ecr()),
    "aws, a chart": (connection("aws"), CHART, ecr()),
    "aws, the public registry": (
        connection("aws", extra={"region_name": "eu-west-1"}),
        PUBLIC,
        EcrTokens(WHOSE, AwsIdentity(region="eu-west-1"), "eu-west-1", public=True),
    ),
    "aws, an access key": (
        connection("aws", login="AKIA", password="s3cret", extra={"aws_session_token": "t"}),
        ECR,
        ecr(access_key_id="AKIA", secret_access_key="s3cret", session_token="t"),
    ),
    "aws, an access key in the extra": (
        connection("aws", extra={"aws_access_key_id": "A", "aws_secret_access_key": "s"}),
        ECR,
        ecr(access_key_id="A", secret_access_key="s"),
    ),
    "aws, a role, as Airflow's hooks read it": (
        connection(
            "aws",
            extra={
                "role_arn": ROLE,
                "region_name": "us-east-1",
                "assume_role_kwargs": {"ExternalId": "x9"},
                "endpoint_url": "https://vpce.example",
                "service_config": {"sts": {"endpoint_url": "https://sts.example"}, "s3": {}},
                "verify": "/etc/authority.pem",
                "profile_name": "ci",
            },
        ),
        ECR,
        ecr(
            profile="ci",
            region="us-east-1",
            role=AwsRole(ROLE, arguments='{"ExternalId": "x9"}'),
            endpoints=(
                ("ecr", "https://vpce.example"),
                ("ecr-public", "https://vpce.example"),
                ("sts", "https://sts.example"),
            ),
            ca_file="/etc/authority.pem",
        ),
    ),
    "aws, a web identity": (
        connection(
            "aws",
            extra={
                "role_arn": ROLE,
                "assume_role_method": "assume_role_with_web_identity",
                "assume_role_with_web_identity_token_file": "/token",
            },
        ),
        ECR,
        ecr(role=AwsRole(ROLE, "/token")),
    ),
    "aws, a registry behind another name": (
        connection("aws", extra={"registry": "docker.acme.example", "region_name": "eu-north-1"}),
        PROXY,
        EcrTokens(WHOSE, AwsIdentity(region="eu-north-1"), "eu-north-1"),
    ),
    "google, whom google-auth finds": (
        connection("google_cloud_platform"),
        GAR,
        GoogleTokens(WHOSE),
    ),
    "google, a key": (
        connection("google_cloud_platform", extra={"keyfile_dict": json.dumps(KEY)}),
        GAR,
        GoogleTokens(WHOSE, json.dumps(KEY)),
    ),
    "google, a key under the long name": (
        connection(
            "google_cloud_platform", extra={"extra__google_cloud_platform__keyfile_dict": KEY}
        ),
        GAR,
        GoogleTokens(WHOSE, json.dumps(KEY)),
    ),
    "google, a file": (
        connection("google_cloud_platform", extra={"key_path": "/key.json"}),
        GAR,
        GoogleTokens(WHOSE, key_file="/key.json"),
    ),
    "google, a federated identity in a file": (
        connection("google_cloud_platform", extra={"credential_config_file": "/config.json"}),
        GAR,
        GoogleTokens(WHOSE, key_file="/config.json"),
    ),
    "google, a federated identity": (
        connection("google_cloud_platform", extra={"credential_config_file": json.dumps(KEY)}),
        GAR,
        GoogleTokens(WHOSE, json.dumps(KEY)),
    ),
    "google, another account": (
        connection("google_cloud_platform", extra={"impersonation_chain": "a@x, b@x"}),
        GAR,
        GoogleTokens(WHOSE, impersonate=("a@x", "b@x")),
    ),
    "azure, whom azure-identity finds": (
        connection("azure", extra={"managed_identity_client_id": "m"}),
        ACR,
        azure(managed_identity_client_id="m"),
    ),
    "azure, a service principal": (
        connection("azure", login="app", password="s", extra={"tenantId": "t"}),
        ACR,
        azure(tenant="t", client_id="app", client_secret="s"),
    ),
    "azure, a storage's service principal": (
        connection("wasb", login="app", password="s", extra={"tenant_id": "t"}),
        ACR,
        azure(tenant="t", client_id="app", client_secret="s"),
    ),
    "azure, another cloud": (
        connection(
            "azure",
            login="app",
            password="s",
            extra={
                "tenantId": "t",
                "client_secret_auth_config": {"authority": "https://login.example", "x": 1},
            },
        ),
        ACR,
        azure(
            tenant="t",
            client_id="app",
            client_secret="s",
            authority="https://login.example",
            options='{"x": 1}',
        ),
    ),
    "azure, the registry's own user": (
        connection("azure_container_registry", login="acme", password="s"),
        ACR,
        None,
    ),
    "azure, the registry without a password": (
        connection("azure_container_registry", login="acme"),
        ACR,
        azure(),
    ),
    "a GitHub App": (connection("generic", extra=APP), GIT, app()),
    "a GitHub App by its client id": (
        connection("http", extra={**APP, "githubAppClientID": "Iv23"}),
        GIT,
        app(app="Iv23"),
    ),
    "a GitHub App, as Airflow's provider names it": (
        connection(
            "github",
            extra={"app_id": 7, "installation_id": 42, "githubAppPrivateKey": "-----BEGIN KEY"},
        ),
        GIT,
        app(),
    ),
    "a GitHub App for SSH": (
        connection("generic", extra=APP),
        Repository("git", "git@github.com:acme/gitops.git", "shop"),
        app(),
    ),
    "a GitHub App on an Enterprise Server": (
        connection("generic", host="https://git.acme.example/api/v3", extra=APP),
        ENTERPRISE,
        app("https://git.acme.example/acme/gitops"),
    ),
    "a GitHub App with data residency": (
        connection("generic", host="api.acme.ghe.com", extra=APP),
        Repository("git", "https://acme.ghe.com/acme/gitops", "shop"),
        app("https://acme.ghe.com/acme/gitops"),
    ),
    "a GitHub App that the project may use here": (
        connection("generic", extra={**APP, "githubTokenScopes": {"shop": ["a", "GitOps"]}}),
        GIT,
        app(),
    ),
    "a token of GitHub": (connection("github", password="ghp_1"), GIT, None),
    "login and password": (connection("generic", login="a", password="b"), HUB, None),
    "nothing": (connection(""), HUB, None),
}


@pytest.mark.parametrize(("fields", "repository", "asked"), ASKS.values(), ids=ASKS)
def test_a_connection_asks_for_tokens_by(
    fields: ConnectionFields, repository: Repository, asked: TokenProvider | None
) -> None:
    assert provider(fields, repository) == asked


def refused(service: str, kind: str, repository: Repository) -> str:
    return (
        f"it is of type {kind} and opens images and charts of {service}; {repository.url} "
        f"({repository.kind}) is none. Where that leads to such a registry, name its host as `registry` in the extra"
    )


GITHUB_IS_ELSEWHERE = (
    "its GitHub App is at github.com, and {url} is not. The host of a GitHub Enterprise Server belongs into the "
    "Connection's host"
)
EVIL = Repository("git", "https://github.com.evil.example/acme/gitops", "shop")
USER = Repository("git", "https://github.com@evil.example/acme/gitops", "shop")

WRONG: dict[str, tuple[ConnectionFields, Repository | None, str]] = {
    "aws, another registry": (connection("aws"), HUB, refused("ECR", "aws", HUB)),
    "aws, git": (connection("aws"), GIT, refused("ECR", "aws", GIT)),
    "aws, a classic chart repository": (
        connection("aws"),
        CLASSIC,
        refused("ECR", "aws", CLASSIC),
    ),
    "aws, a proxy that it does not name": (
        connection("aws", extra={"registry": "other.example"}),
        PROXY,
        refused("ECR", "aws", PROXY),
    ),
    "aws, a proxy without a region": (
        connection("aws", extra={"registry": "docker.acme.example"}),
        PROXY,
        "region_name in the extra is missing: docker.acme.example does not tell it",
    ),
    "aws, half a key": (
        connection("aws", login="AKIA"),
        ECR,
        "expected both, access key as login and secret key as password",
    ),
    "aws, SAML": (
        connection("aws", extra={"role_arn": ROLE, "assume_role_method": "assume_role_with_saml"}),
        ECR,
        "assume_role_method in the extra: expected assume_role or assume_role_with_web_identity, got "
        "'assume_role_with_saml'",
    ),
    "aws, a web identity without its file": (
        connection(
            "aws",
            extra={"role_arn": ROLE, "assume_role_method": "assume_role_with_web_identity"},
        ),
        ECR,
        "assume_role_with_web_identity_token_file in the extra is missing: the file of the token",
    ),
    "aws, certificates unchecked": (
        connection("aws", extra={"verify": False}),
        ECR,
        "verify in the extra: expected the file of the authorities to trust",
    ),
    "aws, a role that is no text": (
        connection("aws", extra={"role_arn": [ROLE]}),
        ECR,
        "role_arn in the extra: expected a text",
    ),
    "aws, arguments that are no object": (
        connection("aws", extra={"role_arn": ROLE, "assume_role_kwargs": "x"}),
        ECR,
        "assume_role_kwargs in the extra: expected a JSON object",
    ),
    "aws, no repository": (
        connection("aws", login="AKIA", password="s3cret"),
        None,
        "its login is a token for repositories, and here is none to open",
    ),
    "google, another registry": (
        connection("google_cloud_platform"),
        ECR,
        refused("Google's Artifact Registry", "google_cloud_platform", ECR),
    ),
    "google, a key that is no JSON": (
        connection("google_cloud_platform", extra={"keyfile_dict": "s3cret"}),
        GAR,
        "keyfile_dict in the extra: expected a JSON object",
    ),
    "google, two keys": (
        connection("google_cloud_platform", extra={"keyfile_dict": KEY, "key_path": "/k"}),
        GAR,
        "expected one key, keyfile_dict or key_path, and not both",
    ),
    "google, a key in its secret manager": (
        connection("google_cloud_platform", extra={"key_secret_name": "k"}),
        GAR,
        "key_secret_name in the extra is not supported; give the key as keyfile_dict or key_path",
    ),
    "google, anonymous": (
        connection("google_cloud_platform", extra={"is_anonymous": True}),
        GAR,
        "is_anonymous in the extra is not supported; give the key as keyfile_dict or key_path",
    ),
    "azure, another registry": (
        connection("azure"),
        GAR,
        refused("Azure's Container Registry", "azure", GAR),
    ),
    "azure, a secret without a tenant": (
        connection("azure", login="app", password="s3cret"),
        ACR,
        "expected the service principal's id as login, its secret as password and tenantId in the extra",
    ),
    "azure, a storage account's key": (
        connection("wasb", login="account", password="s3cret"),
        ACR,
        "expected the service principal's id as login, its secret as password and tenantId in the extra",
    ),
    "azure, a key file": (
        connection("azure", extra={"key_path": "/k.json"}),
        ACR,
        "key_path in the extra is not supported; give the service principal's id and secret",
    ),
    "GitHub App, an image": (
        connection("generic", extra=APP),
        HUB,
        "a GitHub App opens git repositories, and nginx is of kind image",
    ),
    "GitHub App, no repository": (
        connection("generic", extra=APP),
        None,
        "its login is a token for repositories, and here is none to open",
    ),
    "GitHub App, without an id": (
        connection("generic", extra={**APP, "githubAppID": None}),
        GIT,
        "githubAppID in the extra is missing",
    ),
    "GitHub App, without an installation": (
        connection("generic", extra={**APP, "githubAppInstallationID": ""}),
        GIT,
        "githubAppInstallationID in the extra is missing",
    ),
    "GitHub App, without a key": (
        connection("github", extra={"app_id": 7, "installation_id": 42}),
        GIT,
        "githubAppPrivateKey in the extra is missing",
    ),
    "GitHub App, a file that is not there": (
        connection("github", extra={"app_id": 7, "installation_id": 42, "key_path": "/nowhere"}),
        GIT,
        "key_path in the extra cannot be read: FileNotFoundError",
    ),
    "GitHub App, a host that looks alike": (
        connection("generic", extra=APP),
        EVIL,
        GITHUB_IS_ELSEWHERE.format(url=EVIL.url),
    ),
    "GitHub App, the host as user": (
        connection("generic", extra=APP),
        USER,
        GITHUB_IS_ELSEWHERE.format(url=USER.url),
    ),
    "GitHub App, an Enterprise Server that it does not name": (
        connection("generic", extra=APP),
        ENTERPRISE,
        GITHUB_IS_ELSEWHERE.format(url=ENTERPRISE.url),
    ),
    "GitHub App, another project's": (
        connection("generic", extra={**APP, "githubTokenScopes": {"ops": ["gitops"]}}),
        GIT,
        "githubTokenScopes in the extra gives project shop no token for 'gitops'",
    ),
    "GitHub App, another repository": (
        connection("generic", extra={**APP, "githubTokenScopes": {"shop": ["git"]}}),
        GIT,
        "githubTokenScopes in the extra gives project shop no token for 'gitops'",
    ),
    "GitHub App, scopes that are no list": (
        connection("generic", extra={**APP, "githubTokenScopes": {"shop": "gitops"}}),
        GIT,
        "githubTokenScopes in the extra gives project shop no token for 'gitops'",
    ),
}


@pytest.mark.parametrize(("fields", "repository", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_connection_is_told(
    fields: ConnectionFields, repository: Repository | None, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        provider(fields, repository)
    assert str(caught.value) == f"{WHOSE}: {message}"
    assert "s3cret" not in repr(fields)


ALL = "aws, google, azure"
WORKER = "the worker's own identity (setting ambient_credentials)"
AMBIENT: dict[str, tuple[str, Repository, TokenProvider | None]] = {
    "ECR": (ALL, ECR, EcrTokens(WORKER, AwsIdentity(project="shop"), "eu-west-1")),
    "a chart of ECR": ("aws", CHART, EcrTokens(WORKER, AwsIdentity(project="shop"), "eu-west-1")),
    "Google": (ALL, GAR, GoogleTokens(WORKER, project="shop")),
    "Azure": (ALL, ACR, AcrTokens(WORKER, AzureIdentity(), "acme.azurecr.io")),
    "not unless it is allowed": ("", ECR, None),
    "not in another cloud": ("google,azure", ECR, None),
    "not for public images, which need none": (ALL, PUBLIC, None),
    "not for another host": (ALL, PROXY, None),
    "not for a classic chart repository": (ALL, CLASSIC, None),
    "not for git": (ALL, Repository("git", f"https://{ECR.url}", "shop"), None),
    "not for a host that looks alike": (
        ALL,
        Repository("image", "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example/a/b", "x"),
        None,
    ),
    "not for a host behind a user": (
        ALL,
        Repository("image", "123456789012.dkr.ecr.eu-west-1.amazonaws.com@evil.example/a", "x"),
        None,
    ),
    "not for a chart behind a user": (
        ALL,
        Repository("helm", "oci://gcr.io@evil.example/a/b", "x"),
        None,
    ),
    "not for a port, behind which anybody may listen": (
        ALL,
        Repository("image", "acme.azurecr.io:8443/a/b", "x"),
        None,
    ),
}


@pytest.mark.parametrize(("allowed", "repository", "asked"), AMBIENT.values(), ids=AMBIENT)
def test_the_workers_own_identity_opens(
    allowed: str, repository: Repository, asked: TokenProvider | None
) -> None:
    assert ambient_provider(repository, Settings(ambient_credentials=allowed)) == asked


def test_an_unknown_cloud_is_told() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(ambient_credentials="aws,gcp").ambient_clouds()
    assert str(caught.value) == (
        "setting [airfreight] ambient_credentials: expected aws, google or azure, separated by commas, "
        "got 'aws,gcp'"
    )
