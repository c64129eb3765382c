"""The body of an answer, packed once at most and unpacked piece by piece.

258 bytes that were packed three times unpack to more than a gigabyte before anybody can count them.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator

import httpx

from airfreight.errors import ArtifactError, TransientError

_PIECE = 2**16


class Unpacker:
    """Unpacks gzip as it comes; raises ArtifactError where it is none. `who` is the server, for messages."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._unpacker = zlib.decompressobj(wbits=31)

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """Yield what `packed` unpacks to, never more than a piece at once."""
        while not self._unpacker.eof:
            try:
                piece = self._unpacker.decompress(packed, _PIECE)
            except zlib.error:
                raise ArtifactError(f"{self._who} sent a body that is not gzip") from None
            packed = self._unpacker.unconsumed_tail
            if not (piece or packed):
                return
            yield piece

    def check_end(self) -> None:
        """Raise TransientError where the end is missing."""
        if not self._unpacker.eof:
            raise TransientError(f"{self._who} sent a part of a body only")


def encoding_of(response: httpx.Response, who: str) -> str:
    """Return ``gzip`` or ``identity``; raises ArtifactError where the body is packed in another way, or twice."""
    encoding = str(response.headers.get("content-encoding", "")).strip().lower() or "identity"
    if encoding not in ("gzip", "identity"):
        raise ArtifactError(f"{who} sent a body packed by {encoding[:20]!r}; expected gzip")
    return encoding


def body_of(response: httpx.Response) -> Iterator[bytes]:
    """Yield the unpacked body in pieces, which the caller counts."""
    who = response.url.host
    if encoding_of(response, who) == "identity":
        yield from response.iter_bytes()
        return
    unpacker = Unpacker(who)
    for packed in response.iter_raw():
        yield from unpacker.feed(packed)
    unpacker.check_end()


def read_whole(response: httpx.Response, most: int) -> bytes:
    """Return the unpacked body and close the answer; raises ArtifactError where it has more than `most` bytes."""
    content = bytearray()
    try:
        for piece in body_of(response):
            content += piece
            if len(content) > most:
                raise ArtifactError(f"{response.url.host} sent more than {most} bytes")
    finally:
        response.close()
    return bytes(content)


async def async_body_of(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield the same from an asynchronous client."""
    who = response.url.host
    if encoding_of(response, who) == "identity":
        async for piece in response.aiter_bytes():
            yield piece
        return
    unpacker = Unpacker(who)
    async for packed in response.aiter_raw():
        for piece in unpacker.feed(packed):
            yield piece
    unpacker.check_end()
