"""How much a storage may send: the clouds' libraries read every answer whole, and ask again where that fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airfreight.errors import ArtifactError

if TYPE_CHECKING:
    from aiohttp import ClientResponse, StreamReader

_MIB = 2**20


@dataclass
class AnswerBudget:
    """Bytes that one answer of a listing may have, and all together; a real page of 1,000 objects has one or two MiB.

    Once one was too long, nothing more is read, however often a library asks again.
    """

    answer: int = 8 * _MIB
    listing: int = 32 * _MIB
    is_spent: bool = False

    async def read(self, content: StreamReader) -> bytes:
        """Return the rest of `content`; raises ArtifactError beyond the bounds."""
        body = bytearray()
        while not self.is_spent:
            piece = await content.readany()
            if not piece:
                self.listing -= len(body)
                return bytes(body)
            body += piece
            self.is_spent = len(body) > min(self.answer, self.listing)
        raise ArtifactError("the storage sent too much")

    def response(self) -> type[ClientResponse]:
        """Return what aiohttp makes of answers, read within this budget."""
        from aiohttp import ClientResponse

        budget = self

        class BoundedResponse(ClientResponse):
            async def read(self) -> bytes:
                if self._body is None:
                    try:
                        self._body = await budget.read(self.content)
                    except BaseException:
                        self.close()
                        raise
                return await super().read()

        return BoundedResponse

    def session(self) -> type[Any]:
        """Return the class of sessions for botocore, whose answers are read within this budget."""
        from aiobotocore.httpsession import AIOHTTPSession

        response = self.response()

        class BoundedSession(AIOHTTPSession):  # type: ignore[misc]  # its package has no types
            async def _get_session(self, proxy_url: str | None) -> Any:
                session = await super()._get_session(proxy_url)
                session._response_class = response
                return session

        return BoundedSession
