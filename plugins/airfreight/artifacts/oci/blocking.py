"""The asynchronous client for code that does not await: over a synchronous httpx client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx


class BlockingTransport(httpx.AsyncBaseTransport):
    """Sends each request through `client`, whose address guard and deadline so hold; blocks meanwhile.

    For an event loop that has nothing else to do. No single read or write takes longer than `patience` seconds.
    """

    def __init__(self, client: httpx.Client, *, patience: float) -> None:
        self._client = client
        self._timeout = httpx.Timeout(patience).as_dict()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = httpx.Request(
            request.method,
            request.url,
            headers=request.headers,
            stream=request.stream,
            extensions={"timeout": self._timeout},
        )
        response = self._client.send(asked, stream=True, follow_redirects=False)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._response.iter_raw():
            yield piece

    async def aclose(self) -> None:
        self._response.close()
