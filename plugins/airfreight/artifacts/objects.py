"""Objects of S3, Google Cloud Storage or a mounted folder, listed through fsspec as Airflow's ObjectStoragePath does.

A visit without a login is anonymous: what the machine itself may read is no project's.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from airfreight.artifacts.documents import Egress
from airfreight.artifacts.guarded_http import checked_addresses
from airfreight.artifacts.object_answers import AnswerBudget
from airfreight.artifacts.oci.protocol import read_moment
from airfreight.errors import (
    ArtifactError,
    AuthenticationError,
    NotFoundError,
    RefusedError,
    SettingsError,
    TransientError,
)

SCHEMES = ("s3", "gs", "file")
_EXTRAS = {"s3": "s3fs", "gs": "gcsfs"}
_SECONDS = 60.0
_MOST_OBJECTS = 10_000
# Each listing has a loop of its own: botocore reads its models, and google-auth asks for a token, without awaiting.
_THREADS = ThreadPoolExecutor(4, "airfreight-objects")


@dataclass(frozen=True)
class StoredObject:
    """An object at a path below the URL, empty for the URL itself; `tag` changes with its content."""

    path: str
    tag: str
    digest: str
    modified_at: datetime | None


@dataclass(frozen=True)
class Storage:
    """Where objects lie: `url` is ``s3://bucket/key``, ``gs://bucket/key`` or ``file:///path``.

    `endpoint` is the server of another S3 than Amazon's, or of another Google Cloud Storage than Google's. Of more than
    `most` objects none is listed.
    """

    url: str
    endpoint: str = ""
    region: str = ""
    most: int = _MOST_OBJECTS

    @property
    def scheme(self) -> str:
        """One of `SCHEMES`."""
        return urlsplit(self.url).scheme

    async def list(self, egress: Egress) -> list[StoredObject]:
        """Return the object at the URL, or those below it; raises ArtifactError, or SettingsError without the extra."""
        listing = partial(self._list_blocking, egress)
        found = await asyncio.get_running_loop().run_in_executor(_THREADS, listing)
        if not found:
            raise NotFoundError(f"{self.url}: there is no object")
        if len(found) > self.most:
            raise ArtifactError(
                f"{self.url} holds more than {self.most} objects; make the prefix longer"
            )
        base = self._base()
        return [_object(path.removeprefix(base).strip("/"), info) for path, info in found.items()]

    def _list_blocking(self, egress: Egress) -> dict[str, Any]:
        if self.scheme == "file":
            return self._list_files()
        self._check_endpoint(egress)
        budget = AnswerBudget()
        return asyncio.run(self._list(self._filesystem(egress, budget), budget))

    async def _list(self, filesystem: Any, budget: AnswerBudget) -> dict[str, Any]:
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._list_pages(filesystem)
        except TimeoutError:
            raise TransientError(f"{self.url} was not listed within {_SECONDS:g} s") from None
        except Exception as error:
            if budget.is_spent:
                raise ArtifactError(
                    f"{self.url}: the storage sent more than a list of {self.most} objects needs; "
                    "make the prefix longer"
                ) from None
            raise self._fault(error) from None

    async def _list_pages(self, filesystem: Any) -> dict[str, Any]:
        is_s3 = self.scheme == "s3"
        session = await (filesystem.set_session() if is_s3 else filesystem._set_session())
        try:
            return await (self._find_s3(filesystem) if is_s3 else self._find_gs(filesystem))
        finally:
            await session.close()

    def _base(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.netloc}{parts.path}".rstrip("/")

    async def _find_s3(self, filesystem: Any) -> dict[str, Any]:
        found: dict[str, Any] = await filesystem._find(
            self._base(), detail=True, max_items=self.most + 1
        )
        return found

    async def _find_gs(self, filesystem: Any) -> dict[str, Any]:
        """Ask as gcsfs' own `_find` does, which reads every page there is."""
        base = self._base()
        bucket, _, key = base.partition("/")
        below, _ = await filesystem._do_list_objects(base, max_results=self.most + 1, delimiter="")
        if not below:  # the object itself comes first of all that begin as it does
            below, _ = await filesystem._do_list_objects(
                bucket, max_results=1, delimiter="", prefix=key
            )
        return {
            one["name"]: one
            for one in below
            if one["name"] == base or one["name"].startswith(f"{base}/")
        }

    def _list_files(self) -> dict[str, Any]:
        return dict(islice(_files(self._base()), self.most + 1))

    def _check_endpoint(self, egress: Egress) -> None:
        parts = urlsplit(self.endpoint)
        if not parts.hostname:
            return
        try:
            checked_addresses(
                parts.hostname, parts.port or 443, allow_loopback=egress.allow_loopback
            )
        except RefusedError as error:
            raise ArtifactError(str(error)) from None
        except Exception:
            raise TransientError(f"{parts.hostname} cannot be resolved") from None
        if parts.scheme == "http" and egress.credential and not egress.allow_credentials_over_http:
            raise AuthenticationError(
                f"{self.endpoint} would get the login over plain http; "
                "use https, or set allow_credentials_over_http"
            )

    def _filesystem(self, egress: Egress, budget: AnswerBudget) -> Any:
        plain: dict[str, Any] = {
            "asynchronous": True,
            "skip_instance_cache": True,
            "use_listings_cache": False,
            "endpoint_url": self.endpoint or None,
        }
        try:
            if self.scheme == "s3":
                from s3fs import S3FileSystem

                return S3FileSystem(**plain, **self._s3(egress, budget))
            # The one that gcsfs registers asks Google over gRPC first of which type a bucket is, whatever the endpoint.
            from gcsfs.core import GCSFileSystem

            session = {"response_class": budget.response()}
            return GCSFileSystem(**plain, token=self._gcs_token(egress), session_kwargs=session)
        except ImportError:
            extra = _EXTRAS[self.scheme]
            raise SettingsError(
                f"{self.url} needs the package {extra}; install it into the environment of every component"
            ) from None

    def _s3(self, egress: Egress, budget: AnswerBudget) -> dict[str, Any]:
        login = egress.credential
        client = {"region_name": self.region} if self.region else {}
        return {
            "anon": login is None,
            "key": login.username if login else None,
            "secret": login.password if login else None,
            "client_kwargs": client,
            "config_kwargs": {
                "connect_timeout": 10,
                "read_timeout": 20,
                "retries": {"max_attempts": 2},
                "http_session_cls": budget.session(),
            },
        }

    def _gcs_token(self, egress: Egress) -> Any:
        if egress.credential is None:
            return "anon"
        try:
            return json.loads(egress.credential.password)
        except ValueError:
            raise AuthenticationError(
                f"the login for {self.url} is no key of a service account: expected its JSON as the password"
            ) from None

    def _fault(self, error: Exception) -> ArtifactError:
        """Return what `error` means; libraries' own texts may hold a login."""
        if isinstance(error, PermissionError):
            return AuthenticationError(f"{self.url}: the login may not list it")
        if isinstance(error, FileNotFoundError):
            return NotFoundError(f"{self.url}: there is no such bucket or object")
        return TransientError(f"{self.url} could not be listed: {type(error).__name__}")


def _files(place: str) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the file at a place, or those below it; what cannot be read, or has just gone, is passed over."""
    if os.path.isfile(place):
        yield place, {"mtime": os.stat(place).st_mtime}
    folders = [place]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.is_file():
                    yield entry.path, {"mtime": entry.stat().st_mtime}


def _object(path: str, info: Mapping[str, Any]) -> StoredObject:
    modified = info.get("LastModified") or info.get("updated") or info.get("mtime")
    etag = str(info.get("ETag") or info.get("etag") or "").strip('"')
    tag = str(info.get("generation") or "") or etag
    return StoredObject(
        path=path,
        tag=tag or f"{float(modified or 0):.6f}",
        digest=f"etag:{etag}" if etag else "",
        modified_at=_moment(modified),
    )


def _moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return read_moment(value)
