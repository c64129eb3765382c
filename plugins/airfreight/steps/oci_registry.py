"""What the steps of the OCI group share: references, clients, errors."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Literal

import httpx

from airfreight.artifacts.oci.blocking import BlockingTransport
from airfreight.artifacts.oci.client import RegistryClient
from airfreight.artifacts.oci.copying import Place
from airfreight.artifacts.oci.protocol import (
    DOCKER_HUB_API,
    check_digest,
    is_this_machine,
    parse_reference,
)
from airfreight.errors import (
    ArtifactError,
    RefusedError,
    RetryableStepError,
    SettingsError,
    TerminalStepError,
)
from airfreight.steps.base import StepContext

# Seconds in which a registry that answers at all sends or takes something.
_PATIENCE = 30.0
_REFERENCE = re.compile(
    r"(?P<scheme>oci://)?(?P<name>[a-zA-Z0-9._-]+(?::[0-9]+)?(?:/[a-zA-Z0-9._-]+)*)"
    r"(?:@(?P<digest>[a-zA-Z0-9._:-]+)|:(?P<tag>[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}))"
)


@dataclass(frozen=True)
class OciReference:
    """An artifact in a registry, by tag or digest; `text` is as it was written, without ``oci://``.

    `kind` is that of the credential: helm for an ``oci://`` reference, else image.
    """

    text: str
    kind: Literal["helm", "image"]
    host: str
    repository: str
    tag: str
    digest: str

    @classmethod
    def parse(cls, text: str) -> OciReference:
        """Read ``[oci://][host[:port]/]path`` with ``:tag`` or ``@sha256:…``; raises ValueError where it is none."""
        match = _REFERENCE.fullmatch(text)
        if match is None:
            raise ValueError(
                "expected [oci://]registry/repository with :tag or @sha256:digest, not both"
            )
        try:
            place = parse_reference(match["name"])
            digest = check_digest(match["digest"]) if match["digest"] else ""
        except ArtifactError as error:
            raise ValueError(str(error)) from None
        return cls(
            text=text.removeprefix("oci://"),
            kind="helm" if match["scheme"] else "image",
            host=place.host,
            repository=place.repository,
            tag=match["tag"] or "",
            digest=digest,
        )

    @property
    def credential_url(self) -> str:
        """The repository as credentials name it."""
        host = "index.docker.io" if self.host == DOCKER_HUB_API else self.host
        return f"{'oci://' if self.kind == 'helm' else ''}{host}/{self.repository}"


class _Guarded(BlockingTransport):
    """Ends the step at an address that is refused; the fence's own RefusedError is another matter, for the engine."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await super().handle_async_request(request)
        except RefusedError as error:
            raise TerminalStepError(str(error)) from error


@asynccontextmanager
async def open_place(
    reference: OciReference,
    context: StepContext,
    *,
    seconds: float,
    verify: bool,
    actions: Literal["pull", "pull,push"] = "pull",
) -> AsyncIterator[Place]:
    """Give the repository of a reference, with the project's login for it; all ends after so many `seconds`."""
    credential = context.credentials.find(reference.kind, reference.credential_url)
    authority = credential.ca_certificate if credential else ""
    with context.http(timeout=seconds, verify=verify, authority=authority) as guarded:
        transport = _Guarded(guarded, patience=_PATIENCE)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as http:
            client = RegistryClient(
                http,
                host=reference.host,
                credential=credential,
                plain_http=is_this_machine(reference.host),
                allow_credentials_over_http=context.settings.allow_credentials_over_http,
                actions=actions,
            )
            yield Place(client, reference.repository)


@contextmanager
def registry_faults() -> Iterator[None]:
    """Raise what a registry did not give as a step error; as in Kargo, all of that may pass."""
    try:
        yield
    except SettingsError as error:
        raise TerminalStepError(str(error)) from error
    except ArtifactError as error:
        raise RetryableStepError(str(error)) from error
