"""Which commits a git subscription discovers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airfreight.errors import ArtifactError
from airfreight.model.freight import GitCommit
from airfreight.sources.base import Discovered, Rejected
from tests.git_http import git
from tests.sources.watched import SETTINGS, Watched, day, moment, subscribe, within


@pytest.fixture
def history(app: Watched) -> Watched:
    """Five commits on main, the fourth a merge; tags of both kinds, made in another order than named."""
    app.commit("one", "charts/a/values.yaml", "README.md", on=1)
    app.git("tag", "v1.0.0")
    app.commit("two", "src/main.py", on=2)
    app.git("tag", "-a", "v1.2.0", "--message=Second release\n\nwith a body", on=9)
    app.git("checkout", "--quiet", "-b", "side")
    app.commit("aside", "docs/a..b.md", on=3)
    app.git("checkout", "--quiet", "main")
    app.git("merge", "--quiet", "--no-ff", "--message=merge", "side", on=4)
    app.git("tag", "v1.10.0-rc.1")
    app.git("mv", "src/main.py", "lib.py")
    app.commit("moved", on=5)
    app.git("tag", "-a", "nightly", "--message=night", on=6)
    app.push()
    return app


TAKEN = [
    pytest.param({}, ["moved", "merge", "two", "one"], id="the default branch, newest first"),
    pytest.param({"branch": "side"}, ["aside", "two", "one"], id="a branch that is named"),
    pytest.param({"limit": 2}, ["moved", "merge"], id="no more than the limit"),
    pytest.param({"since": day(4)}, ["moved", "merge"], id="since takes what is as old itself"),
    pytest.param(
        {"expressionFilter": "subject contains 'o'"}, ["moved", "two", "one"], id="a filter"
    ),
    pytest.param(
        {"expressionFilter": f"commitDate.Before(date('{day(3)}')) && author == committer"},
        ["two", "one"],
        id="a filter that asks for the date and the people",
    ),
    pytest.param(
        {"expressionFilter": "id == '' ? '1' : 'f'"}, [], id="a filter that yields text for a bool"
    ),
    pytest.param({"includePaths": ["charts"]}, ["one"], id="a base directory"),
    pytest.param({"includePaths": ["chart"]}, [], id="a base directory is no prefix of a name"),
    pytest.param({"includePaths": ["docs"]}, ["merge"], id="a merge is what it brought to main"),
    pytest.param({"includePaths": ["src/main.py"]}, ["moved", "two"], id="both names of a rename"),
    pytest.param({"includePaths": ["glob:**/*.py"]}, ["moved", "two"], id="a glob"),
    pytest.param({"includePaths": [r"regex:a\.\."]}, ["merge"], id="a regular expression"),
    pytest.param({"includePaths": [r"regexp:^s.*y$"]}, ["moved", "two"], id="the other prefix"),
    pytest.param(
        {"excludePaths": ["src", "glob:*.py"]}, ["merge", "one"], id="all changes are excluded"
    ),
    pytest.param(
        {"includePaths": ["charts"], "excludePaths": ["glob:**/values.yaml"]},
        [],
        id="what is included and excluded is excluded",
    ),
    pytest.param(
        {"commitSelectionStrategy": "NewestTag"},
        ["v1.2.0", "nightly", "v1.10.0-rc.1", "v1.0.0"],
        id="tags by the date of an annotated tag, else of the commit",
    ),
    pytest.param(
        {"commitSelectionStrategy": "NewestTag", "since": day(6)},
        ["v1.2.0", "nightly"],
        id="since goes by the tag's date",
    ),
    pytest.param(
        {"commitSelectionStrategy": "SemVer"},
        ["v1.10.0-rc.1", "v1.2.0", "v1.0.0"],
        id="versions in their order",
    ),
    pytest.param(
        {"commitSelectionStrategy": "SemVer", "semverConstraint": "<1.2"},
        ["v1.0.0"],
        id="versions that meet a constraint",
    ),
    pytest.param(
        {"commitSelectionStrategy": "Lexical"},
        ["v1.2.0", "v1.10.0-rc.1", "v1.0.0", "nightly"],
        id="tags by alphabet",
    ),
    pytest.param(
        {
            "commitSelectionStrategy": "Lexical",
            "allowTagsRegexes": ["^v"],
            "ignoreTagsRegexes": ["rc"],
        },
        ["v1.2.0", "v1.0.0"],
        id="allowed tags but for ignored ones",
    ),
    pytest.param(
        {
            "commitSelectionStrategy": "NewestTag",
            "expressionFilter": "tagger startsWith 'Test' && annotation == 'Second release'"
            " && subject == 'two' && tag == 'v1.2.0' && creatorDate.Day() == 9",
        },
        ["v1.2.0"],
        id="a filter sees tagger and annotation",
    ),
    pytest.param(
        {"commitSelectionStrategy": "Lexical", "expressionFilter": "tagger + annotation == ''"},
        ["v1.10.0-rc.1", "v1.0.0"],
        id="a lightweight tag has neither",
    ),
    pytest.param(
        {"commitSelectionStrategy": "SemVer", "includePaths": ["src"]},
        ["v1.2.0"],
        id="a tag is what its own commit changed",
    ),
    pytest.param({"as_of": moment(4)}, ["merge", "two", "one"], id="as of a day, by the committer"),
    pytest.param(
        {"as_of": moment(6), "commitSelectionStrategy": "Lexical"},
        ["v1.10.0-rc.1", "v1.0.0", "nightly"],
        id="as of a day, by the tag's date",
    ),
]


@pytest.mark.parametrize(("fields", "taken"), TAKEN)
async def test_a_subscription_discovers(
    history: Watched, fields: dict[str, Any], taken: list[str]
) -> None:
    assert await history.taken(**fields) == taken


async def test_a_commit_becomes_the_artifact_that_a_freight_names(history: Watched) -> None:
    found = await history.found(branch="side", limit=1)
    assert found.artifacts == (
        Discovered(
            GitCommit(
                repo_url=history.url,
                id=history.git("rev-parse", "side"),
                branch="side",
                message="aside",
                author="Test <test@example.com>",
                committer="Test <test@example.com>",
                subscription_name="app",
            ),
            moment(3),
        ),
    )


async def test_an_annotated_tag_gives_the_commit_that_it_finally_points_to(
    history: Watched,
) -> None:
    history.git("tag", "-a", "zz", "v1.2.0", "--message=of a tag", on=10)
    history.push()
    (best,) = (await history.found(commitSelectionStrategy="Lexical", limit=1)).artifacts
    assert isinstance(best.artifact, GitCommit)
    assert best.artifact.tag == "zz"
    assert best.artifact.branch == ""
    assert best.artifact.id == history.git("rev-parse", "v1.2.0^{commit}")
    assert best.created_at == moment(10)


async def test_tags_of_what_is_no_commit_are_passed_over(history: Watched) -> None:
    history.git("tag", "zz-file", "HEAD:README.md")
    history.git("tag", "-a", "zz-folder", "HEAD^{tree}", "--message=a folder", on=20)
    history.push()
    found = await history.found(commitSelectionStrategy="NewestTag", allowTagsRegexes=["zz|n"])
    assert [one.artifact.tag for one in found.artifacts if isinstance(one.artifact, GitCommit)] == [
        "nightly"
    ]
    assert Rejected("zz-folder", "points to no commit") in found.rejected
    assert Rejected("zz-file", "points to no commit") in found.rejected


async def test_what_is_not_taken_is_told_with_the_rule(history: Watched) -> None:
    found = await history.found(branch="side", since=day(2), includePaths=["docs"])
    assert found.rejected == (
        Rejected(
            history.git("rev-parse", "side^"), "no changed path meets includePaths and excludePaths"
        ),
    )
    found = await history.found(
        commitSelectionStrategy="SemVer", semverConstraint="1.x", expressionFilter="false"
    )
    assert found.rejected == (
        Rejected("nightly", "no strict semantic version"),
        Rejected("v1.10.0-rc.1", "does not meet the constraint '1.x'"),
        Rejected("v1.2.0", "expressionFilter is false"),
        Rejected("v1.0.0", "expressionFilter is false"),
    )


async def test_a_long_subject_is_cut_to_eighty_characters(app: Watched) -> None:
    app.commit("ü" * 81)
    app.commit("ü" * 80)
    app.push()
    assert await app.taken() == ["ü" * 80, f"{'ü' * 77}..."]


async def test_the_log_is_read_on_until_enough_is_accepted(app: Watched) -> None:
    app.commit("wanted", "deep/file")
    for number in range(130):
        app.commit(f"other {number}", "flat")
    app.push()
    assert await app.taken(includePaths=["deep"]) == ["wanted"]


async def test_a_file_name_cannot_pass_for_a_commit(app: Watched) -> None:
    forged = "\x01" + "0" * 40
    app.commit("real", f"{forged}\n2024", "\nstarts with a line break")
    app.push()
    assert await app.taken(includePaths=["regex:^\n"]) == ["real"]
    assert await app.taken(includePaths=["regex:^\x010+\n2024$"]) == ["real"]


async def test_dates_that_no_calendar_has_are_no_fault(app: Watched) -> None:
    git(
        "commit",
        "--allow-empty",
        "--quiet",
        "--message=far",
        cwd=app.work,
        date="@999999999999 +9959",
    )
    app.push()
    assert await app.taken() == ["far"]


FAULTS = [
    pytest.param(
        {"expressionFilter": "subject"},
        "expressionFilter fails for {head}: expected true or false, got a value of type string",
        id="a filter that is neither true nor false",
    ),
    pytest.param({"expressionFilter": "1 +"}, "expressionFilter: ", id="a broken filter"),
    pytest.param({"includePaths": ["glob:["]}, "includePaths: bad glob '['", id="a broken path"),
    pytest.param(
        {"commitSelectionStrategy": "SemVer", "semverConstraint": "=>"},
        "semverConstraint: ",
        id="a broken constraint",
    ),
]


@pytest.mark.parametrize(("fields", "message"), FAULTS)
async def test_a_rule_that_cannot_be_applied_is_an_error(
    history: Watched, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArtifactError) as caught:
        await history.found(**fields)
    assert str(caught.value).startswith(message.format(head=history.git("rev-parse", "HEAD")))


async def test_the_mark_is_that_of_the_best(history: Watched) -> None:
    for fields in ({}, {"includePaths": ["src"]}, {"commitSelectionStrategy": "NewestTag"}):
        source = subscribe(history.url, **fields)
        found = await history.found(**fields)
        best = found.artifacts[0].artifact
        assert isinstance(best, GitCommit)
        assert found.mark == (f"{best.tag}@{best.id}" if best.tag else best.id)
        assert found.mark == await history.mark(source)


async def test_of_an_earlier_moment_no_mark_is_sought(history: Watched) -> None:
    assert (await history.found(as_of=moment(4), includePaths=["src"])).mark == ""


async def test_a_filter_costs_no_more_than_the_deployment_allows(history: Watched) -> None:
    limits = replace(SETTINGS.expression_limits, steps=3)
    few = history.at(settings=within(SETTINGS, expression_limits=limits))
    with pytest.raises(ArtifactError, match=r"^expressionFilter fails for .*: the expression"):
        await few.found(expressionFilter="all(1..9, # > 0)")
