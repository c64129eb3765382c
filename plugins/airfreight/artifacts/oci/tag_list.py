"""The list of a repository's tags: page by page, bounded, and conditional where the registry has validators."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from airfreight.artifacts.documents import validator_of
from airfreight.artifacts.oci import protocol
from airfreight.artifacts.oci.session import Answer, Question
from airfreight.errors import ArtifactError, TransientError

PAGE_SIZE = 1000
_PAGE_BYTES = 8 * 2**20
_MOST_PAGES = 1000
_MOST_TAGS = 200_000
_MOST_CHARACTERS = 32 * 2**20
# A thousand pages at twenty a second, and as long again for each of them to come.
_SECONDS = 300.0


class PageStore(Protocol):
    """Where pages with a validator are kept from one visit to the next."""

    async def get(self, url: str) -> Any:
        """Return what was put there for the page, or None."""

    async def put(self, url: str, page: Any) -> None:
        """Keep plain JSON for the page."""


@dataclass(frozen=True)
class _Page:
    tags: list[str]
    next: str | None


async def read_tag_list(
    ask: Callable[[Question], Awaitable[Answer]],
    first: str,
    where: str,
    pages: PageStore | None = None,
) -> list[str]:
    """Return the tags of all pages, in their order.

    Raises ArtifactError where they are too many or never end, TransientError where they take too long.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            return await _read_pages(_Reader(ask, where, pages), first)
    except TimeoutError:
        raise TransientError(f"{where} did not list its tags within {_SECONDS:g} s") from None


async def _read_pages(reader: _Reader, first: str) -> list[str]:
    tags: list[str] = []
    seen: set[str] = set()
    characters = 0
    url: str | None = first
    while url is not None:
        if url in seen:
            raise ArtifactError(
                f"{reader.where} has a list of tags without end: a page comes again"
            )
        if len(seen) == _MOST_PAGES:
            raise ArtifactError(f"{reader.where} has more than {_MOST_PAGES} pages of tags")
        seen.add(url)
        page = await reader.read(url)
        tags += page.tags
        characters += sum(map(len, page.tags))
        if len(tags) > _MOST_TAGS or characters > _MOST_CHARACTERS:
            raise ArtifactError(
                f"{reader.where} has more than {_MOST_TAGS} tags or {_MOST_CHARACTERS} characters of"
                " them; delete old ones, or watch another repository"
            )
        url = page.next
    return tags


@dataclass(frozen=True)
class _Reader:
    ask: Callable[[Question], Awaitable[Answer]]
    where: str
    pages: PageStore | None

    async def read(self, url: str) -> _Page:
        kept = _known(await self.pages.get(url)) if self.pages else None
        if kept is None:
            answer = await self.ask(Question("GET", url, _PAGE_BYTES))
            return await self._take(url, answer)
        validator, page = kept
        conditional = Question(
            "GET",
            url,
            _PAGE_BYTES,
            headers={"If-None-Match": validator},
            expected=(httpx.codes.OK, httpx.codes.NOT_MODIFIED),
        )
        answer = await self.ask(conditional)
        return page if answer.status == httpx.codes.NOT_MODIFIED else await self._take(url, answer)

    async def _take(self, url: str, answer: Answer) -> _Page:
        # In a thread: a registry may send fifty thousand tags as one page.
        tags = await asyncio.to_thread(_tags, answer.body, self.where)
        page = _Page(tags, protocol.next_page(answer.headers.get("link", ""), answer.url))
        validator = validator_of(answer.headers, "etag")
        if self.pages and validator:
            await self.pages.put(url, {"etag": validator, "tags": page.tags, "next": page.next})
        return page


def _tags(body: bytes, where: str) -> list[str]:
    tags = protocol.read_json(body, "list of tags").get("tags") or []
    if not _are_tags(tags):
        raise ArtifactError(f"{where} sent a list of tags that is none")
    return list(filter(protocol.is_tag, tags))


def _are_tags(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(tag, str) for tag in value)


def _known(kept: Any) -> tuple[str, _Page] | None:
    """Read a kept page; None where it is none, whoever wrote it."""
    if not isinstance(kept, dict) or not isinstance(kept.get("etag"), str):
        return None
    following = kept.get("next")
    if not _are_tags(kept.get("tags")) or not isinstance(following, str | None):
        return None
    return kept["etag"], _Page(kept["tags"], following)
