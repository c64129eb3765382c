"""What a Warehouse makes Freight of: all subscriptions or nothing, the newest or what a person chose."""

from __future__ import annotations

import pytest

from airfreight.errors import AuthenticationError, NotFoundError, RefusedError, TransientError
from airfreight.model.freight import (
    ChartArtifact,
    FreightOrigin,
    GenericArtifact,
    GitCommit,
    ImageArtifact,
)
from airfreight.runtime.discovery import content_of, discover, is_news
from airfreight.runtime.sightings import as_data, describe
from airfreight.sources.base import Rejected
from tests.runtime.sources import FakeSource, no_access

ID = "4f1c" + 36 * "0"
IMAGE, REPO, CHARTS = "r.example/web", "https://git.example/app.git", "https://charts.example"


def image(tag: str) -> ImageArtifact:
    return ImageArtifact(repo_url=IMAGE, tag=tag, digest=f"sha256:{tag}")


IMAGES = FakeSource(IMAGE, (image("1.1.0"), image("1.0.0")))
COMMITS = FakeSource(REPO, (GitCommit(repo_url=REPO, id=ID, branch="main"),), name="config")
CHART = FakeSource(CHARTS, (ChartArtifact(repo_url=CHARTS, name="app", version="2.0.0"),))
MODEL = FakeSource(
    "model", (GenericArtifact(subscription_name="model", version="7"),), name="model"
)
NOTHING = FakeSource("r.example/empty")


async def test_the_newest_of_every_subscription_makes_a_freight():
    found = await discover([IMAGES, COMMITS, CHART, MODEL], no_access)
    content = content_of(FreightOrigin(name="web"), [one.artifact for one in found.newest])
    assert [one.tag for one in content.images] == ["1.1.0"]
    assert [one.id for one in content.commits] == [ID]
    assert [one.version for one in (*content.charts, *content.artifacts)] == ["2.0.0", "7"]
    assert found.seen[IMAGE] == f"mark of {IMAGE}"
    assert found.lacking == ""


async def test_a_subscription_without_anything_is_named():
    found = await discover([IMAGES, NOTHING, CHART], no_access)
    assert found.lacking == "r.example/empty has nothing that meets the subscription"


async def test_what_fails_fails_the_whole_look_and_all_of_it_is_told():
    down = FakeSource("r.example/down", fault=TransientError("the registry is down", 7.0))
    gone = FakeSource("r.example/gone", fault=NotFoundError("there is no such repository"))
    with pytest.raises(
        TransientError,
        match=r"^r.example/down: the registry is down; r.example/gone: there is no such repository$",
    ) as caught:
        await discover([IMAGES, down, gone], no_access)
    assert caught.value.retry_after == 7


async def test_a_refused_login_is_told_apart():
    shut = FakeSource("r.example/shut", fault=AuthenticationError("the login was refused"))
    with pytest.raises(AuthenticationError, match=r"r.example/shut: the login was refused"):
        await discover([shut, IMAGES], no_access)


async def test_a_fault_of_ours_is_not_taken_for_one_of_a_repository():
    with pytest.raises(KeyError):
        await discover([FakeSource("x", fault=KeyError("bug"))], no_access)  # type: ignore[arg-type]


CHOICES = {
    "by URL": ({IMAGE: "1.0.0", REPO: ID}, ["1.0.0", ID]),
    "by name, and by the beginning of an id": ({IMAGE: "1.1.0", "config": ID[:7]}, ["1.1.0", ID]),
}


@pytest.mark.parametrize(("versions", "expected"), CHOICES.values(), ids=CHOICES)
async def test_a_person_chooses_among_what_was_discovered(versions, expected):
    found = await discover([IMAGES, COMMITS], no_access)
    chosen = [one.artifact for one in found.chosen(versions)]
    assert [getattr(one, "tag", "") or getattr(one, "id", "") for one in chosen] == expected


REFUSED = {
    "one is left out": (
        {IMAGE: "1.0.0"},
        f"nothing is chosen of {REPO}; every subscription needs one",
    ),
    "not there": (
        {IMAGE: "9.9.9", REPO: ID},
        f"{IMAGE} shows no '9.9.9' now; it shows 1.1.0, 1.0.0",
    ),
    "an id too short to be one": ({IMAGE: "1.0.0", REPO: ID[:4]}, f"{REPO} shows no '4f1c' now"),
    "an unknown subscription": (
        {IMAGE: "1.0.0", REPO: ID, "other": "1"},
        f"the Warehouse has no subscription 'other'; it has {IMAGE}, {REPO}",
    ),
    "one twice": (
        {IMAGE: "1.0.0", REPO: ID, "config": ID},
        f"the Warehouse has no subscription '{REPO}'",
    ),
}


@pytest.mark.parametrize(("versions", "message"), REFUSED.values(), ids=REFUSED)
async def test_a_choice_that_is_not_one_of_each_is_refused(versions, message):
    found = await discover([IMAGES, COMMITS], no_access)
    with pytest.raises(RefusedError) as refused:
        found.chosen(versions)
    assert str(refused.value).startswith(message)


NEWS = {
    "another tag": (image("1.1.0"), "1.0.0", True),
    "the same tag": (image("1.1.0"), "1.1.0", False),
    "the same tag and digest": (image("1.1.0"), "1.1.0@sha256:1.1.0", False),
    "a tag that moved": (image("1.1.0"), "1.1.0@sha256:before", True),
    "nothing known": (image("1.1.0"), "", True),
    "the same commit": (GitCommit(repo_url=REPO, id=ID), ID, False),
}


@pytest.mark.parametrize(("artifact", "after", "expected"), NEWS.values(), ids=NEWS)
def test_news_is_another_version_or_another_digest_of_a_tag(artifact, after, expected):
    assert is_news(artifact, after) is expected


async def test_what_was_seen_is_told_with_the_rule_that_drops_the_rest():
    rejected = (
        Rejected("latest", "not a version"),
        *(Rejected(f"0.{i}.0", "old") for i in range(30)),
    )
    found = await discover([FakeSource(IMAGE, (image("1.1.0"),), rejected=rejected)], no_access)
    lines = list(describe(found))
    assert lines[:2] == [f"{IMAGE} takes 1.1.0", "  not latest: not a version"]
    assert lines[-1] == "  and 11 more"
    data = as_data(found)[IMAGE]
    assert data["taken"] == ["1.1.0"]
    assert len(data["rejected"]) == 20


async def test_a_long_name_is_cut_where_it_is_told():
    rejected = (Rejected("r" * 1000, "old"), Rejected("s" * 200, "old"))
    found = await discover([FakeSource(IMAGE, (image("t" * 1000),), rejected=rejected)], no_access)
    assert list(describe(found)) == [
        f"{IMAGE} takes {'t' * 199}…",
        f"  not {'r' * 199}…: old",
        f"  not {'s' * 200}: old",
    ]
    assert as_data(found)[IMAGE] == {
        "taken": [f"{'t' * 199}…"],
        "rejected": {f"{'r' * 199}…": "old", "s" * 200: "old"},
    }
