"""Answers that are packed, and how little of them is unpacked before they are refused."""

from __future__ import annotations

import gzip
import zlib

import httpx
import pytest

from airfreight.artifacts.oci.client import RegistryClient
from airfreight.artifacts.unpacking import Unpacker, body_of
from airfreight.errors import ArtifactError, TransientError
from tests.scripted_registry import Reply, ScriptedRegistry

TAGS = b'{"tags": ["1.0.0"]}'
BOMB = gzip.compress(bytes(4 * 2**20), 9)


def packed(body: bytes, encoding: str) -> Reply:
    return Reply(body=body, headers={"Content-Encoding": encoding})


async def tags_of(reply: Reply) -> list[str]:
    with ScriptedRegistry(lambda asked: reply) as registry:
        async with httpx.AsyncClient(trust_env=False) as http:
            client = RegistryClient(http, host=registry.host, credential=None, plain_http=True)
            return await client.list_tags("acme/web")


async def test_a_list_of_tags_may_be_packed_once():
    assert await tags_of(packed(gzip.compress(TAGS), "gzip")) == ["1.0.0"]


REFUSED = {
    "twice": (gzip.compress(gzip.compress(TAGS)), "gzip, gzip", "packed by 'gzip, gzip'"),
    "by deflate": (zlib.compress(TAGS), "deflate", "packed by 'deflate'; expected gzip"),
    "by nothing": (TAGS, "gzip", "sent a body that is not gzip"),
    "beyond the limit": (gzip.compress(bytes(9 * 2**20)), "gzip", "sent more than 8388608 bytes"),
}


@pytest.mark.parametrize(("body", "encoding", "reason"), REFUSED.values(), ids=REFUSED)
async def test_what_is_packed_in_another_way_is_refused(body, encoding, reason):
    with pytest.raises(ArtifactError, match=reason):
        await tags_of(packed(body, encoding))


async def test_a_part_of_what_was_packed_is_no_answer():
    with pytest.raises(TransientError, match="sent a part of a body only"):
        await tags_of(packed(gzip.compress(TAGS)[:-9], "gzip"))


async def test_a_refusal_that_is_packed_in_another_way_is_still_a_refusal():
    with pytest.raises(TransientError, match="answered HTTP 503"):
        await tags_of(Reply(503, b"x", {"Content-Encoding": "gzip, gzip"}))


def test_a_bomb_is_unpacked_piece_by_piece():
    pieces = list(map(len, Unpacker("r.example").feed(BOMB)))
    assert sum(pieces) == 4 * 2**20
    assert max(pieces) == 2**16


def test_a_blocking_client_takes_one_layer_too():
    def sent(encoding: str, body: bytes) -> httpx.Response:
        request = httpx.Request("GET", "https://r.example/")
        headers = {"content-encoding": encoding}
        return httpx.Response(200, headers=headers, content=iter([body]), request=request)

    assert b"".join(body_of(sent("gzip", gzip.compress(TAGS)))) == TAGS
    with pytest.raises(ArtifactError, match=r"r\.example sent a body packed by 'gzip, gzip'"):
        list(body_of(sent("gzip, gzip", BOMB)))
