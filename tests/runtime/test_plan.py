from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from airfreight.model.promotion import InflatedStep
from airfreight.model.waiting import Person
from airfreight.runtime.plan import describe_request, describe_wait, escape_markdown
from tests.runtime.memory import Pipeline, record, sources, stage

RENDERER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


class Page(HTMLParser):
    """What a browser shows of a page, and the tags that it is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def show(cell: str) -> Page:
    return Page(RENDERER.render(f"| a | b |\n| --- | --- |\n| x{escape_markdown(cell)}x | y |\n"))


NOTHING = show("").tags
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "image": '<img src=x onerror="alert(1)">',
    "link": "[click](javascript:alert(1))",
    "picture": "![x](https://evil.example/x.png)",
    "autolink": "<https://evil.example>",
    "another cell": "1.0 | 2.0 |\n| more |",
    "code": "`rm -rf`",
    "emphasis": "**bold** _it_ ~~no~~",
    "heading": "\n# Approve me",
    "entity": "&lt;b&gt; &#60;",
    "backslash": r"\<b>\| \\",
    "reference": "[x][y]",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_comes_from_outside_is_shown_and_never_obeyed(text):
    page = show(text)
    assert page.tags == NOTHING
    assert " ".join(text.split()) in " ".join(page.text.split())


@given(st.text(max_size=60))
def test_no_text_adds_a_tag_or_a_cell(text):
    assert show(text).tags == NOTHING


INVISIBLE = {
    "right-to-left override": "1.0\u202e0.2",
    "zero-width space": "1.0\u200b",
    "NUL": "1.\x000",
    "escape": "\x1b[31m1.0",
}


@pytest.mark.parametrize("text", INVISIBLE.values(), ids=INVISIBLE)
def test_what_would_make_one_version_look_like_another_is_shown(text):
    assert "\ufffd" in escape_markdown(text)


def test_the_request_says_what_is_there_what_comes_and_where_it_was_verified():
    pipeline = Pipeline()
    old, new = pipeline.find("1.0.0"), pipeline.find("1.1.0", 1)
    pipeline.verify("prod", old, hour=2)
    pipeline.verify("dev", new, hour=3)
    subject, body = describe_request(new, stage("prod", sources("dev")), pipeline.registers)
    assert subject == f"Promote {new.alias} to prod?"
    assert "| artifact | now in prod | coming |" in body
    assert "| registry.example/web | 1.0.0 \\(sha256:1.0.0\\) | 1.1.0 \\(sha256:1.1.0\\) |" in body
    assert "discovered 2026-03-01 13:00:00 UTC; verified in dev on 2026-03-01 15:00:00 UTC." in body
    assert f"prod holds {old.alias} since 2026-03-01 14:00:00 UTC." in body


def test_the_request_for_an_empty_stage_says_so():
    pipeline = Pipeline()
    _, body = describe_request(pipeline.find("1.0.0"), stage("dev"), pipeline.registers)
    assert "| nothing |" in body
    assert "dev holds nothing of Warehouse/web yet." in body


def test_the_request_of_a_step_says_which_and_shows_what_is_promoted_and_obeys_no_text():
    pipeline = Pipeline()
    new = pipeline.find("1.1.0")
    begun = record(new)
    step = InflatedStep(uses="x", alias="task::`ask`")
    promotion = begun.promotion.model_copy(update={"steps": (step,)})
    wait = Person(subject="Which?", options=("Submit",), display="*now*", fault="<b>: no")
    subject, body = describe_wait(
        wait,
        begun.model_copy(update={"promotion": promotion}),
        stage("dev"),
        pipeline.registers,
    )
    assert subject == f"dev, step task::`ask` for {new.alias}: Which?"
    page = Page(RENDERER.render(body))
    assert "The last answer did not fit: <b>: no" in page.text
    assert "*now*" in page.text
    assert "Step task::`ask` of Promotion dev.01.x waits." in page.text
    assert "1.1.0" in page.text
    assert not {"em", "b"} & set(page.tags)
