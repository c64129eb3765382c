"""`freightCreationCriteria` over what was just discovered (`kargo.md` §3.5)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airfreight.errors import ExpressionError
from airfreight.expr.limits import DEFAULT_LIMITS
from airfreight.model.freight import ChartArtifact, GenericArtifact, GitCommit, ImageArtifact
from airfreight.runtime.criteria import meets_criteria
from airfreight.sources.base import Discovered

AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
NEWEST = (
    Discovered(ImageArtifact(repo_url="r.example/web", tag="1.1.0", annotations={"a": "b"}), AT),
    Discovered(
        GitCommit(repo_url="https://git.example/App.git", id="4f1c", branch="main", message="go"),
        AT,
    ),
    Discovered(ChartArtifact(repo_url="https://charts.example", name="app", version="2.0.0")),
    Discovered(GenericArtifact(artifact_type="pypi", subscription_name="lib", version="7")),
)
YIELDS = {
    "imageFrom('r.example/web').Tag == '1.1.0'": True,
    "imageFrom('r.example/web').Annotations.a == 'c'": False,
    "imageFrom('r.example/web').CreatedAt.Year() == 2026": True,
    "commitFrom('https://git.example/app').Subject == 'go'": True,
    "chartFrom('https://charts.example', 'app').Version matches '^2'": True,
    "artifactFrom('lib').Version == '7'": True,
    "imageFrom('r.example/other') == nil": True,
    "'true'": True,
    "'F'": False,
}
FAILS = {
    "'yes'": "expected true or false, got str",
    "1": "expected true or false, got int",
    "imageFrom('r.example/other').Tag": 'cannot take "Tag" of nil',
}


@pytest.mark.parametrize(("expression", "expected"), YIELDS.items(), ids=YIELDS)
def test_criteria_see_the_newest_of_each_subscription(expression, expected):
    assert meets_criteria(expression, NEWEST, DEFAULT_LIMITS) is expected


@pytest.mark.parametrize(("expression", "message"), FAILS.items(), ids=FAILS)
def test_criteria_that_yield_no_bool_are_an_error(expression, message):
    with pytest.raises(ExpressionError, match=message):
        meets_criteria(expression, NEWEST, DEFAULT_LIMITS)
