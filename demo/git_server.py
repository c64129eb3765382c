"""A Git smart-HTTP server in pure Python over a folder of bare repositories, behind Basic auth.

The protocol is dulwich's; the HTTP face is ours. One thing is put right on the way: dulwich reports a push as done
even where the branch has moved since the client looked, so two racing pushes would both be told that they had won.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hmac
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

from dulwich.errors import GitProtocolError, HookError, NotGitRepository
from dulwich.objects import ObjectID
from dulwich.protocol import ReceivableProtocol
from dulwich.refs import Ref
from dulwich.repo import Repo
from dulwich.server import (
    BackendRepo,
    DictBackend,
    FileSystemBackend,
    ReceivePackHandler,
    UploadPackHandler,
)
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

USER = "airfreight"
PASSWORD = "airfreight"  # a demo on loopback: printed on the terminal, guards nothing

_NO_CACHE = {"Cache-Control": "no-cache, max-age=0, must-revalidate"}
_ABSENT = b"0" * 40


class CarefulReceivePackHandler(ReceivePackHandler):
    """A receive-pack that refuses a branch which moved since the client looked, in git's own words.

    Git's clients know "cannot lock ref" as the loser's answer of a push race.
    """

    _one_push_at_a_time = threading.Lock()

    def _apply_pack(
        self, refs: list[tuple[ObjectID, ObjectID, Ref]]
    ) -> Iterator[tuple[bytes, bytes]]:
        # Between the check in _on_update and the write of the ref nobody else may write.
        with self._one_push_at_a_time:
            yield from list(super()._apply_pack(refs))

    def _on_update(self, ref_name: Ref, old_sha: ObjectID, new_sha: ObjectID) -> bytes | None:
        present = self.repo.get_refs().get(ref_name, ObjectID(_ABSENT))
        if present == old_sha:
            return super()._on_update(ref_name, old_sha, new_sha)
        if old_sha == _ABSENT:
            return b"cannot lock ref '%s': reference already exists" % ref_name
        return b"cannot lock ref '%s': is at %s but expected %s" % (ref_name, present, old_sha)


_SERVICES: dict[str, Callable[..., UploadPackHandler | ReceivePackHandler]] = {
    "git-upload-pack": UploadPackHandler,
    "git-receive-pack": CarefulReceivePackHandler,
}


class GitServer:
    """The three endpoints of Git's smart HTTP protocol over one folder."""

    def __init__(self, folder: Path) -> None:
        self._backend = FileSystemBackend(str(folder))

    async def advertise(self, request: Request) -> Response:
        """``GET /<repository>/info/refs?service=``: the branches and what the server can do."""
        service = request.query_params.get("service", "")
        return await self._serve(request, service, b"", advertise=True)

    async def serve(self, request: Request) -> Response:
        """``POST /<repository>/<service>``: one fetch or push."""
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        return await self._serve(request, request.path_params["service"], body, advertise=False)

    async def _serve(
        self, request: Request, service: str, body: bytes, *, advertise: bool
    ) -> Response:
        if not _is_login(request.headers.get("authorization", "")):
            challenge = {"WWW-Authenticate": 'Basic realm="the demo\'s Git server"'}
            return PlainTextResponse("login required\n", 401, challenge)
        handler = _SERVICES.get(service)
        if handler is None:
            return PlainTextResponse("only the smart HTTP protocol is served\n", 403)
        repository: str = request.path_params["repository"]
        try:
            answer = await run_in_threadpool(self._talk, handler, repository, body, advertise)
        except NotGitRepository:
            return PlainTextResponse("there is no such repository\n", 404)
        except (GitProtocolError, HookError) as error:
            return PlainTextResponse(f"{error}\n", 400)
        kind = "advertisement" if advertise else "result"
        if advertise:
            banner = b"# service=%s\n" % service.encode()
            answer = b"%04x%s0000%s" % (len(banner) + 4, banner, answer)
        return Response(answer, media_type=f"application/x-{service}-{kind}", headers=_NO_CACHE)

    def _talk(
        self,
        handler: Callable[..., UploadPackHandler | ReceivePackHandler],
        repository: str,
        body: bytes,
        advertise: bool,
    ) -> bytes:
        answer = BytesIO()
        protocol = ReceivableProtocol(BytesIO(_without_shallow(body)).read, answer.write)
        with self._open(repository) as opened:
            repositories: dict[str, BackendRepo] = {repository: opened}
            backend = DictBackend(repositories)
            handler(
                backend, [repository], protocol, stateless_rpc=True, advertise_refs=advertise
            ).handle()
        return answer.getvalue()

    def _open(self, repository: str) -> Repo:
        opened = self._backend.open_repository(repository)
        if not isinstance(opened, Repo):
            raise NotGitRepository(repository)
        return opened


def _without_shallow(body: bytes) -> bytes:
    """Drop the lines by which a push from a shallow clone tells where its history ends.

    dulwich takes them for branches; a server that has the whole history does not need them. A fetch keeps its own:
    they never come first there.
    """
    while body[4:12] == b"shallow ":
        body = body[int(body[:4], 16) :]
    return body


def _is_login(header: str) -> bool:
    scheme, _, encoded = header.partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return False
    expected = f"{USER}:{PASSWORD}".encode()
    return scheme.lower() == "basic" and hmac.compare_digest(given, expected)


def git_app(folder: Path) -> Starlette:
    """The server as an ASGI application over the bare repositories in the folder."""
    server = GitServer(folder)
    return Starlette(
        routes=[
            Route("/{repository:path}/info/refs", server.advertise, methods=["GET"]),
            Route("/{repository:path}/{service}", server.serve, methods=["POST"]),
        ]
    )
