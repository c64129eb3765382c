"""An OCI distribution registry, small but by the specification, for pushing and pulling images on loopback.

Source of the rules: the OCI distribution specification 1.1. It asks for no login, deletes nothing, and mounts no
blob from another repository (the specification lets a registry answer with an upload instead).
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.content import ContentStore, Manifest, digest_of, is_digest, is_name, is_tag

_PAGE = 1000
_MANIFEST_BYTES = 4 * 1024 * 1024


class RegistryError(Exception):
    """A refusal with the specification's error code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Registry:
    """The endpoints over one content store; unfinished uploads live in memory and end with the process."""

    def __init__(self, store: ContentStore) -> None:
        self._store = store
        self._uploads: dict[str, bytearray] = {}

    async def base(self, _request: Request) -> Response:
        """``GET /v2/``: this is a registry of API version 2."""
        return JSONResponse({}, headers={"Docker-Distribution-API-Version": "registry/2.0"})

    async def tags(self, request: Request) -> Response:
        """``GET /v2/<name>/tags/list?n=&last=``: a page of tags, the next page in `Link`."""
        name = _name(request)
        tags = self._store.tags(name)
        if tags is None:
            raise RegistryError(404, "NAME_UNKNOWN", f"there is no repository {name}")
        count = _page_size(request)
        rest = [tag for tag in tags if tag > request.query_params.get("last", "")]
        page = rest[:count]
        headers = {}
        if page and len(rest) > count:
            query = urlencode({"last": page[-1], "n": count})
            headers["Link"] = f'</v2/{name}/tags/list?{query}>; rel="next"'
        return JSONResponse({"name": name, "tags": page}, headers=headers)

    async def get_manifest(self, request: Request) -> Response:
        """``GET`` or ``HEAD /v2/<name>/manifests/<tag or digest>``."""
        name, reference = _name(request), _reference(request)
        manifest = self._store.manifest(name, reference)
        if manifest is None:
            raise RegistryError(404, "MANIFEST_UNKNOWN", f"{name} has no manifest {reference}")
        return Response(
            manifest.content,
            media_type=manifest.media_type,
            headers={"Docker-Content-Digest": manifest.digest, "ETag": f'"{manifest.digest}"'},
        )

    async def put_manifest(self, request: Request) -> Response:
        """``PUT /v2/<name>/manifests/<tag or digest>``: everything it refers to must be here already."""
        name, reference = _name(request), _reference(request)
        content = await request.body()
        if len(content) > _MANIFEST_BYTES:
            raise RegistryError(413, "SIZE_INVALID", "a manifest may have 4 MiB")
        manifest = self._checked_manifest(name, content, request.headers.get("content-type"))
        if is_digest(reference) and reference != manifest.digest:
            raise RegistryError(
                400, "DIGEST_INVALID", f"the manifest's digest is {manifest.digest}"
            )
        self._store.put_manifest(name, manifest, None if is_digest(reference) else reference)
        return _created(f"/v2/{name}/manifests/{manifest.digest}", manifest.digest)

    async def get_blob(self, request: Request) -> Response:
        """``GET`` or ``HEAD /v2/<name>/blobs/<digest>``."""
        digest = _digest(request.path_params["digest"])
        content = self._store.blob(digest)
        if content is None:
            raise RegistryError(404, "BLOB_UNKNOWN", f"{_name(request)} has no blob {digest}")
        return Response(
            content,
            media_type="application/octet-stream",
            headers={"Docker-Content-Digest": digest, "ETag": f'"{digest}"'},
        )

    async def start_upload(self, request: Request) -> Response:
        """``POST /v2/<name>/blobs/uploads/``: a session, or with ``?digest=`` the whole blob at once."""
        name = _name(request)
        if "digest" in request.query_params:
            return self._finish(name, request, await request.body())
        session = uuid.uuid4().hex
        self._uploads[session] = bytearray()
        return self._progress(name, session)

    async def upload_chunk(self, request: Request) -> Response:
        """``PATCH`` of a session: the next chunk, which must begin where the last one ended."""
        name, session = _name(request), request.path_params["session"]
        upload = self._session(session)
        chunk = await request.body()
        start = re.match(r"(?:bytes[ =])?(\d+)-", request.headers.get("content-range", ""))
        if start is not None and int(start[1]) != len(upload):
            raise RegistryError(416, "BLOB_UPLOAD_INVALID", f"the next byte is {len(upload)}")
        upload += chunk
        return self._progress(name, session)

    async def finish_upload(self, request: Request) -> Response:
        """``PUT`` of a session with ``?digest=``: the last bytes, if any, and the end."""
        name, session = _name(request), request.path_params["session"]
        content = bytes(self._session(session)) + await request.body()
        response = self._finish(name, request, content)
        del self._uploads[session]
        return response

    def _finish(self, name: str, request: Request, content: bytes) -> Response:
        expected = _digest(request.query_params.get("digest", ""))
        if digest_of(content) != expected:
            raise RegistryError(400, "DIGEST_INVALID", f"the content's digest is not {expected}")
        self._store.put_blob(content)
        return _created(f"/v2/{name}/blobs/{expected}", expected)

    def _session(self, session: str) -> bytearray:
        if session not in self._uploads:
            raise RegistryError(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload")
        return self._uploads[session]

    def _progress(self, name: str, session: str) -> Response:
        location = f"/v2/{name}/blobs/uploads/{session}"
        last = max(len(self._uploads[session]) - 1, 0)
        headers = {"Location": location, "Range": f"0-{last}", "Docker-Upload-UUID": session}
        return Response(status_code=202, headers=headers)

    def _checked_manifest(self, name: str, content: bytes, media_type: str | None) -> Manifest:
        try:
            document = json.loads(content)
            missing = [d for d in _referred(document) if self._store.blob(_digest(d)) is None]
        except (ValueError, TypeError, KeyError, AttributeError):
            raise RegistryError(400, "MANIFEST_INVALID", f"{name}: not an OCI manifest") from None
        if missing:
            raise RegistryError(404, "MANIFEST_BLOB_UNKNOWN", f"{name} has no blob {missing[0]}")
        declared = media_type or document.get("mediaType") or "application/octet-stream"
        return Manifest(content, declared)


def _referred(document: dict[str, Any]) -> Iterator[str]:
    """Digests that an image manifest (config, layers) or an index (manifests) needs."""
    if "config" in document:
        yield document["config"]["digest"]
    for part in (*document.get("layers", []), *document.get("manifests", [])):
        yield part["digest"]


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    if not is_name(name):
        raise RegistryError(400, "NAME_INVALID", "not a repository name")
    return name


def _reference(request: Request) -> str:
    reference: str = request.path_params["reference"]
    if not is_tag(reference) and not is_digest(reference):
        raise RegistryError(400, "TAG_INVALID", "neither a tag nor a SHA-256 digest")
    return reference


def _digest(text: str) -> str:
    if not is_digest(text):
        raise RegistryError(400, "DIGEST_INVALID", "expected sha256:<64 hexadecimal digits>")
    return text


def _page_size(request: Request) -> int:
    text = request.query_params.get("n", str(_PAGE))
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise RegistryError(400, "PAGINATION_NUMBER_INVALID", "n is not a number of tags")
    return min(int(text), _PAGE)


def _created(location: str, digest: str) -> Response:
    headers = {"Location": location, "Docker-Content-Digest": digest}
    return Response(status_code=201, headers=headers)


async def _refuse(_request: Request, error: Exception) -> Response:
    status, code = (error.status, error.code) if isinstance(error, RegistryError) else (500, "")
    return JSONResponse({"errors": [{"code": code, "message": str(error)}]}, status_code=status)


def registry_app(folder: Path) -> Starlette:
    """The registry as an ASGI application that keeps its content under the folder."""
    registry = Registry(ContentStore(folder))

    def route(path: str, methods: str, endpoint: Callable[[Request], Awaitable[Response]]) -> Route:
        return Route(f"/v2/{path}", endpoint, methods=methods.split())

    return Starlette(
        routes=[
            route("", "GET", registry.base),
            route("{name:path}/tags/list", "GET", registry.tags),
            route("{name:path}/manifests/{reference}", "GET", registry.get_manifest),
            route("{name:path}/manifests/{reference}", "PUT", registry.put_manifest),
            route("{name:path}/blobs/uploads/", "POST", registry.start_upload),
            route("{name:path}/blobs/uploads/{session}", "PATCH", registry.upload_chunk),
            route("{name:path}/blobs/uploads/{session}", "PUT", registry.finish_upload),
            route("{name:path}/blobs/{digest}", "GET", registry.get_blob),
        ],
        exception_handlers={RegistryError: _refuse},
    )
