"""Amazon's Elastic Container Registry: a user name and password of 12 hours for an AWS identity (boto3)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from airfreight.artifacts.tokens.token import Token, in_short, needs
from airfreight.errors import ArtifactError, AuthenticationError, SettingsError, TransientError

PUBLIC_HOST = "public.ecr.aws"
# The only region that gives tokens for the public registry.
_PUBLIC_REGION = "us-east-1"
_HOST = re.compile(
    r"\d{12}\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d+)"
    r"\.(?:amazonaws\.com(?:\.cn)?|on\.aws)"
)
_TIMEOUT = 10  # seconds, for each of three tries
_SESSION = "airfreight"
_MAY_PASS = re.compile(r"Throttl|TooManyRequests|RequestLimit|ServiceUnavailable|InternalFailure")


def region_of(host: str) -> str | None:
    """Return the region of a private registry's host, or None where it is none."""
    match = _HOST.fullmatch(host)
    return match["region"] if match else None


@dataclass(frozen=True)
class AwsRole:
    """A role to assume; `arguments` are those of the STS call besides, as JSON.

    With `web_identity_token_file` it is assumed by the token in this file, without any other identity.
    """

    arn: str
    web_identity_token_file: str = ""
    arguments: str = "{}"


@dataclass(frozen=True)
class AwsIdentity:
    """Who asks AWS. Without a key it is whom boto3 finds: IRSA, Pod Identity, the instance's role, a profile.

    `endpoints` are pairs of a service (ecr, ecr-public, sts) and the URL where it is asked instead of AWS. `ca_file`
    has the authorities that are trusted for that. With `project`, the role ``kargo-project-<project>`` of the same
    account is assumed where it may be, as in Kargo.
    """

    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    profile: str = ""
    region: str = ""
    role: AwsRole | None = None
    endpoints: tuple[tuple[str, str], ...] = ()
    ca_file: str = ""
    project: str = ""


@dataclass(frozen=True)
class EcrTokens:
    """Tokens for all registries of one `region` that the identity may read; `public` is for public.ecr.aws."""

    whose: str
    identity: AwsIdentity
    region: str
    public: bool = False

    def fetch(self) -> Token:
        """Ask for a new token; blocks."""
        with needs("boto3", self.whose):
            import boto3
        identity = self.identity
        service = "ecr-public" if self.public else "ecr"
        with _aws_errors(self.whose):
            session = boto3.Session(
                aws_access_key_id=identity.access_key_id or None,
                aws_secret_access_key=identity.secret_access_key or None,
                aws_session_token=identity.session_token or None,
                profile_name=identity.profile or None,
                region_name=identity.region or self.region,
            )
            session = _in_role(session, identity, identity.region or self.region)
            region = _PUBLIC_REGION if self.public else self.region
            answer = _client(session, service, region, identity).get_authorization_token()
        return read_authorization(answer["authorizationData"], self.whose)


def read_authorization(data: Any, whose: str) -> Token:
    """Read what ECR sends as ``authorizationData``: one entry, or a list of one."""
    entry = data[0] if isinstance(data, list) and data else data
    try:
        pair = base64.b64decode(entry["authorizationToken"], validate=True).decode()
        expires_at: datetime = entry["expiresAt"]
        username, colon, password = pair.partition(":")
        if not colon:
            raise ValueError
        return Token(username, password, expires_at.timestamp())
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ArtifactError(f"{whose}: ECR sent no token") from None


def _in_role(session: Any, identity: AwsIdentity, region: str) -> Any:
    if identity.role is not None:
        return _assume(session, identity.role, identity, region)
    if identity.project:
        return _in_project_role(session, identity, region)
    return session


def _in_project_role(session: Any, identity: AwsIdentity, region: str) -> Any:
    """Return a session in the project's role, or `session` where nobody made that role or let this identity in."""
    import botocore.exceptions

    own = _client(session, "sts", region, identity).get_caller_identity()
    partition, account = own["Arn"].split(":")[1], own["Account"]
    arn = f"arn:{partition}:iam::{account}:role/kargo-project-{identity.project}"
    try:
        return _assume(session, AwsRole(arn), identity, region)
    except botocore.exceptions.ClientError as error:
        if error.response.get("Error", {}).get("Code") != "AccessDenied":
            raise
        return session


def _assume(session: Any, role: AwsRole, identity: AwsIdentity, region: str) -> Any:
    import boto3

    arguments = {
        "RoleSessionName": _SESSION,
        **json.loads(role.arguments),
        "RoleArn": role.arn,
    }
    sts = _client(session, "sts", region, identity)
    if role.web_identity_token_file:
        token = Path(role.web_identity_token_file).read_text()
        answer = sts.assume_role_with_web_identity(**arguments, WebIdentityToken=token.strip())
    else:
        answer = sts.assume_role(**arguments)
    found: Mapping[str, str] = answer["Credentials"]
    return boto3.Session(
        aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"],
        aws_session_token=found["SessionToken"],
        region_name=region,
    )


def _client(session: Any, service: str, region: str, identity: AwsIdentity) -> Any:
    from botocore.config import Config

    patience = Config(
        connect_timeout=_TIMEOUT, read_timeout=_TIMEOUT, retries={"total_max_attempts": 3}
    )
    return session.client(
        service,
        region_name=region,
        endpoint_url=dict(identity.endpoints).get(service),
        verify=identity.ca_file or None,
        config=patience,
    )


@contextmanager
def _aws_errors(whose: str) -> Iterator[None]:
    import botocore.exceptions as aws

    try:
        yield
    except aws.ClientError as error:
        raise _refusal(error, whose) from None
    except (aws.NoCredentialsError, aws.PartialCredentialsError, aws.ProfileNotFound) as error:
        raise SettingsError(
            f"{whose} finds no AWS identity: {in_short(error)}; give it an access key as login and password, "
            "or the worker a role"
        ) from None
    except (aws.ParamValidationError, aws.NoRegionError, ValueError, OSError) as error:
        raise SettingsError(f"{whose} cannot ask AWS: {in_short(error)}") from None
    except aws.BotoCoreError as error:
        raise TransientError(f"{whose}: AWS did not answer: {in_short(error)}") from None


def _refusal(error: Any, whose: str) -> ArtifactError:
    answer = error.response.get("Error", {})
    code = str(answer.get("Code") or "")
    said = f"{code} to {error.operation_name}: {in_short(answer.get('Message') or '')}"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if _MAY_PASS.search(code) or status >= 500:
        return TransientError(f"{whose}: AWS has trouble: {said}")
    return AuthenticationError(f"AWS refused {whose}: {said}")
