"""How much of a bucket or folder is listed: servers here always say that there is more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from airfreight.artifacts.documents import Egress
from airfreight.artifacts.objects import Storage
from airfreight.errors import ArtifactError
from airfreight.model.credential import Credential
from tests.document_server import DocumentServer, Sent

EGRESS = Egress(
    credential=Credential("AKIAEXAMPLE", "s3cret"),
    allow_credentials_over_http=True,
    allow_loopback=True,
)
NAMES = ("all/a", "all/b", "all/c")
S3_PAGE = f"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>data</Name><IsTruncated>true</IsTruncated>
<NextContinuationToken>more</NextContinuationToken>{
    "".join(
        f"<Contents><Key>{name}</Key><Size>1</Size><LastModified>2026-05-01T10:00:00.000Z</LastModified></Contents>"
        for name in NAMES
    )
}</ListBucketResult>"""
GS_PAGE = {
    "kind": "storage#objects",
    "nextPageToken": "more",
    "items": [{"name": name, "bucket": "data", "size": "1", "generation": "1"} for name in NAMES],
}


@pytest.fixture
def server() -> Iterator[DocumentServer]:
    with DocumentServer() as server:
        server.answers["/data"] = Sent(
            S3_PAGE.encode(), headers={"Content-Type": "application/xml"}
        )
        server.answers["/storage/v1/b/data/o"] = Sent(json.dumps(GS_PAGE).encode())
        yield server


@pytest.mark.parametrize("scheme", ["s3", "gs"])
async def test_a_listing_of_a_bucket_ends_at_the_first_object_too_many(
    server: DocumentServer, scheme: str
) -> None:
    storage = Storage(f"{scheme}://data/all", server.url, "us-east-1" if scheme == "s3" else "", 2)
    egress = EGRESS if scheme == "s3" else replace(EGRESS, credential=None)
    with pytest.raises(ArtifactError) as caught:
        await storage.list(egress)
    assert str(caught.value) == (
        f"{scheme}://data/all holds more than 2 objects; make the prefix longer"
    )
    assert len(server.asked) == 1


@pytest.mark.parametrize("scheme", ["s3", "gs"])
@pytest.mark.parametrize("size", [9, 7], ids=["one page", "all pages"])
async def test_no_more_of_a_listing_is_read_than_it_needs(
    server: DocumentServer, scheme: str, size: int
) -> None:
    """Several pages of 7 MiB are too much together, one of 9 MiB alone."""
    padding = b" " * (size * 2**20)
    page = S3_PAGE.encode() if scheme == "s3" else json.dumps(GS_PAGE).encode()
    head, brace, rest = page.partition(b">" if scheme == "s3" else b"{")
    server.answers["/data"] = server.answers["/storage/v1/b/data/o"] = Sent(
        [head + brace, padding, rest], headers={"Content-Type": "application/xml"}
    )
    storage = Storage(f"{scheme}://data/all", server.url, "us-east-1" if scheme == "s3" else "")
    egress = EGRESS if scheme == "s3" else replace(EGRESS, credential=None)
    with pytest.raises(ArtifactError) as caught:
        await storage.list(egress)
    assert str(caught.value) == (
        f"{scheme}://data/all: the storage sent more than a list of 10000 objects needs; "
        "make the prefix longer"
    )
    pages = {asked.path for asked in server.asked}  # a library asks again, and gets nothing
    assert len(pages) == (1 if size > 8 else 2)


async def test_a_walk_through_a_folder_ends_at_the_first_file_too_many(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "file").touch()
    url = f"file://{tmp_path}"
    listed = await Storage(url, most=3).list(EGRESS)
    assert sorted(one.path for one in listed) == ["0/file", "1/file", "2/file"]
    with pytest.raises(ArtifactError, match="holds more than 2 objects"):
        await Storage(url, most=2).list(EGRESS)
