import json
from pathlib import Path

import pytest

from airfreight.model.urls import normalize_chart, normalize_git, normalize_image, sanitize_url
from tests.rows import check_rows

ROWS = json.loads((Path(__file__).parents[1] / "conformance/urls.json").read_text())["cases"]
FUNCTIONS = {
    "SanitizeURL": sanitize_url,
    "NormalizeGit": normalize_git,
    "NormalizeImage": normalize_image,
    "NormalizeChart": normalize_chart,
}


def test_a_url_is_normalised_as_kargo_does():
    def check(row):
        assert FUNCTIONS[row["function"]](row["input"]) == row["output"]

    check_rows(ROWS, check)


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example/a b",
        "https://git\x00.example/a",
        "https://us er@git.example/a",
        "https://git.example:/a",
        "git@git.example:1:2",
        "git@git.example:/" + "a" * 5000,
    ],
)
def test_normalising_twice_changes_nothing(url):
    once = normalize_git(url)
    assert normalize_git(once) == once


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("https://github.com/org/repo", "https://github.com.evil.example/org/repo"),
        ("https://github.com/org/repo", "https://github.com@evil.example/org/repo"),
        ("https://github.com/org/repo", "https://github.com./org/repo"),
        ("https://github.com/org/repo", "https://github.com:8443/org/repo"),
        ("https://github.com/org/repo", "http://github.com/org/repo"),
    ],
)
def test_look_alike_hosts_stay_apart(left, right):
    assert normalize_git(left) != normalize_git(right)
