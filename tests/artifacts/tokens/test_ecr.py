"""Which AWS identity fetches a token of ECR, how, and what is said where it cannot."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from airfreight.artifacts.tokens.ecr import (
    AwsIdentity,
    AwsRole,
    EcrTokens,
    read_authorization,
    region_of,
)
from airfreight.errors import (
    AirfreightError,
    ArtifactError,
    AuthenticationError,
    SettingsError,
    TransientError,
)
from tests.aws import ACCOUNT, OTHER_ACCOUNT, moto_server, without_aws
from tests.token_endpoints import Asked, TokenEndpoints

ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/pull"
WHOSE = "Connection 'airfreight_shop_ecr'"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(scope="module", autouse=True)
def nobody() -> Iterator[None]:
    with patch.dict(os.environ, without_aws(), clear=True):
        yield


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    place = tmp_path / "token"
    place.write_text("eyJ0.eyJ0.c2ln\n")
    return str(place)


def at(url: str, **identity: object) -> AwsIdentity:
    return AwsIdentity(endpoints=(("ecr", url), ("sts", url)), **identity)


def fetch(identity: AwsIdentity, region: str = "eu-west-1", *, public: bool = False):
    return EcrTokens(WHOSE, identity, region, public).fetch()


KEYS = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "s3cret-key"}

REGIONS = {
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com": "eu-west-1",
    "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com": "us-gov-west-1",
    "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn": "cn-north-1",
    "123456789012.dkr-ecr.us-east-1.on.aws": "us-east-1",
    "public.ecr.aws": None,
    "12345678901.dkr.ecr.eu-west-1.amazonaws.com": None,
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example": None,
    "evil.example.123456789012.dkr.ecr.eu-west-1.amazonaws.com": None,
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com:8443": None,
    "123456789012.dkr.ecr.eu-west-1.evil.example/.amazonaws.com": None,
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com\n": None,
    "user@123456789012.dkr.ecr.eu-west-1.amazonaws.com": None,
    "": None,
}


@pytest.mark.parametrize(("host", "region"), REGIONS.items())
def test_only_a_registry_of_ecr_has_a_region(host: str, region: str | None) -> None:
    assert region_of(host) == region


def test_an_access_key_gets_a_token_of_its_account(aws: str) -> None:
    token = fetch(at(aws, **KEYS))
    assert (token.username, token.password) == ("AWS", f"{ACCOUNT}-auth-token")


def test_a_role_of_another_account_is_assumed(aws: str) -> None:
    role = AwsRole(ROLE, arguments=json.dumps({"ExternalId": "shop", "DurationSeconds": 900}))
    assert fetch(at(aws, **KEYS, role=role)).password == f"{OTHER_ACCOUNT}-auth-token"


def test_a_role_is_assumed_by_a_web_identity_without_any_key(aws: str, token_file: str) -> None:
    role = AwsRole(ROLE, web_identity_token_file=token_file)
    assert fetch(at(aws, role=role)).password == f"{OTHER_ACCOUNT}-auth-token"


def test_irsa_is_found_without_a_key(aws: str, token_file: str) -> None:
    irsa = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": token_file}
    with patch.dict(os.environ, {**irsa, "AWS_ENDPOINT_URL_STS": aws}):
        assert fetch(at(aws)).password == f"{OTHER_ACCOUNT}-auth-token"


def test_the_role_of_an_instance_is_found_without_a_key(aws: str) -> None:
    metadata = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": aws, "AWS_EC2_METADATA_DISABLED": "false"}
    with patch.dict(os.environ, metadata):
        assert fetch(at(aws)).password == f"{ACCOUNT}-auth-token"


def authorization(user: str = "AWS:pass") -> dict[str, object]:
    token = base64.b64encode(user.encode()).decode()
    return {"authorizationToken": token, "expiresAt": 1767225600.0}


def test_the_public_registry_is_asked_in_its_own_region() -> None:
    answer = {"authorizationData": authorization("AWS:public-pass")}
    with TokenEndpoints({"/": lambda _: (200, answer)}) as fake:
        identity = AwsIdentity(**KEYS, endpoints=(("ecr-public", fake.url),))
        token = fetch(identity, "eu-west-1", public=True)
    assert (token.password, token.expires_at) == ("public-pass", 1767225600.0)
    assert "/us-east-1/ecr-public/" in fake.asked[0].headers["Authorization"]


_ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIAPROJECT</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
<Expiration>2030-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
_WHO = f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:sts::{ACCOUNT}:assumed-role/worker/i</Arn><UserId>A</UserId><Account>{ACCOUNT}</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""
_DENIED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"""


class Aws:
    """An AWS that knows the worker, and a project's role where `role` says so; tokens tell the key that asked."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.asked_roles: list[str] = []

    def answer(self, asked: Asked) -> tuple[int, object]:
        if "X-Amz-Target" in asked.headers:
            key = asked.headers["Authorization"].split("Credential=")[1].split("/")[0]
            return 200, {"authorizationData": [authorization(f"AWS:{key}")]}
        if asked.form["Action"] == "GetCallerIdentity":
            return 200, _WHO
        self.asked_roles.append(asked.form["RoleArn"])
        return (200, _ASSUMED) if self.role == "" else (403, _DENIED.format(code=self.role))


PROJECT_ROLES = {
    "which it may assume": ("", "ASIAPROJECT"),
    "which is not there, or not for the worker": ("AccessDenied", "AKIAEXAMPLE"),
}


@pytest.mark.parametrize(("refusal", "asks"), PROJECT_ROLES.values(), ids=PROJECT_ROLES)
def test_the_worker_acts_in_the_role_of_the_project(refusal: str, asks: str) -> None:
    cloud = Aws(refusal)
    with TokenEndpoints({"/": cloud.answer}) as fake:
        token = fetch(at(fake.url, **KEYS, project="shop"))
    assert token.password == asks
    assert cloud.asked_roles == [f"arn:aws:iam::{ACCOUNT}:role/kargo-project-shop"]


def test_a_worker_whose_own_key_is_refused_is_not_taken_for_one_without_a_role() -> None:
    with (
        TokenEndpoints({"/": Aws("ExpiredToken").answer}) as fake,
        pytest.raises(AuthenticationError, match="ExpiredToken to AssumeRole"),
    ):
        fetch(at(fake.url, **KEYS, project="shop"))


def refusing(status: int, code: str, message: str) -> dict[str, object]:
    return {"/": lambda _: (status, {"__type": code, "message": message})}


REFUSALS = {
    "a wrong key": (
        refusing(400, "UnrecognizedClientException", "The security token is invalid."),
        AuthenticationError,
        f"AWS refused {WHOSE}: UnrecognizedClientException to GetAuthorizationToken: "
        "The security token is invalid.",
    ),
    "no right": (
        refusing(400, "AccessDeniedException", "User: arn:aws:iam::1:user/ci is not authorized"),
        AuthenticationError,
        f"AWS refused {WHOSE}: AccessDeniedException to GetAuthorizationToken: "
        "User: arn:aws:iam::1:user/ci is not authorized",
    ),
    "too many": (
        refusing(400, "ThrottlingException", "Rate exceeded"),
        TransientError,
        f"{WHOSE}: AWS has trouble: ThrottlingException to GetAuthorizationToken: Rate exceeded",
    ),
    "trouble": (
        refusing(500, "ServerException", "sorry"),
        TransientError,
        f"{WHOSE}: AWS has trouble: ServerException to GetAuthorizationToken: sorry",
    ),
    "no token in the answer": (
        {"/": lambda _: (200, {"authorizationData": []})},
        ArtifactError,
        f"{WHOSE}: ECR sent no token",
    ),
}


@pytest.mark.parametrize(("answers", "kind", "message"), REFUSALS.values(), ids=REFUSALS)
def test_what_aws_refuses_is_told(answers, kind: type[AirfreightError], message: str) -> None:
    with TokenEndpoints(answers) as fake, pytest.raises(kind) as caught:
        fetch(at(fake.url, **KEYS))
    assert str(caught.value) == message
    assert type(caught.value) is kind
    assert KEYS["secret_access_key"] not in str(caught.value)


UNUSABLE = {
    "nobody": (AwsIdentity(), f"{WHOSE} finds no AWS identity: Unable to locate credentials; "),
    "an unknown profile": (
        AwsIdentity(profile="nope"),
        f"{WHOSE} finds no AWS identity: The config profile (nope) could not be found; ",
    ),
    "a role that is none": (
        AwsIdentity(**KEYS, role=AwsRole("pull")),
        f"{WHOSE} cannot ask AWS: Parameter validation failed: Invalid length for parameter RoleArn",
    ),
    "no file of a token": (
        AwsIdentity(role=AwsRole(ROLE, web_identity_token_file="/nowhere/token")),
        f"{WHOSE} cannot ask AWS: [Errno 2] No such file or directory: '/nowhere/token'",
    ),
    "an endpoint that is no address": (
        AwsIdentity(**KEYS, endpoints=(("ecr", "moto"),)),
        f"{WHOSE} cannot ask AWS: Invalid endpoint: moto",
    ),
}


@pytest.mark.parametrize(("identity", "message"), UNUSABLE.values(), ids=UNUSABLE)
def test_an_identity_that_is_not_usable_is_told(identity: AwsIdentity, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        fetch(identity)
    assert str(caught.value).startswith(message)


def test_an_endpoint_that_does_not_answer_is_worth_another_try() -> None:
    with pytest.raises(TransientError, match="AWS did not answer: Could not connect"):
        fetch(AwsIdentity(**KEYS, endpoints=(("ecr", "http://127.0.0.1:9"),)))


def test_a_token_ends_when_ecr_says_so() -> None:
    end = datetime(2026, 1, 1, 12, tzinfo=UTC)
    data = {"authorizationToken": base64.b64encode(b"AWS:a:b").decode(), "expiresAt": end}
    assert read_authorization([data], WHOSE).expires_at == end.timestamp()
    assert read_authorization([data], WHOSE).password == "a:b"


def test_no_secret_shows_in_a_repr() -> None:
    identity = AwsIdentity("AKIA", "s3cret-key", session_token="s3cret-session")
    assert "s3cret" not in repr(EcrTokens(WHOSE, identity, "eu-west-1"))
