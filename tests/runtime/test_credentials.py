from __future__ import annotations

import pytest

from airfreight.errors import SettingsError
from airfreight.model.connections import ConnectionIds
from airfreight.model.project import RepositoryCredential
from airfreight.runtime.credentials import find_connection


def credential(url: str, **fields) -> RepositoryCredential:
    known = {"name": "a", "cred_type": "git", "connection_id": "airfreight_shop_git"}
    return RepositoryCredential(repo_url=url, **{**known, **fields})


def find(*credentials: RepositoryCredential, url: str, kind: str = "git") -> str | None:
    return find_connection(
        credentials, ConnectionIds("shop", frozenset({"shop-payments", "shared-x"})), kind, url
    )


REPOSITORY = "https://github.com/acme/app"

SAME = {
    "itself": ("git", REPOSITORY, REPOSITORY),
    "another case": ("git", REPOSITORY, "https://GitHub.com/Acme/App"),
    "with .git": ("git", REPOSITORY, f"{REPOSITORY}.git"),
    "with a slash": ("git", REPOSITORY, f"{REPOSITORY}/"),
    "scp form": ("git", "ssh://git@github.com/acme/app", "git@github.com:acme/app.git"),
    "image": ("image", "docker.io/library/nginx", "nginx"),
    "a server": ("generic", "https://mlflow.example.com/", "https://mlflow.example.com"),
    "chart": ("helm", "oci://ghcr.io/acme/chart", "ghcr.io/acme/chart"),
}


@pytest.mark.parametrize(("kind", "known", "asked"), SAME.values(), ids=SAME)
def test_a_credential_opens_its_repository_however_that_is_spelt(kind, known, asked):
    opened = find(credential(known, cred_type=kind), url=asked, kind=kind)
    assert opened == "airfreight_shop_git"


FOREIGN = {
    "a longer host": "https://github.com.evil.example/acme/app",
    "the host as user": "https://github.com@evil.example/acme/app",
    "a trailing dot": "https://github.com./acme/app",
    "another port": "https://github.com:8443/acme/app",
    "an escaped slash": "https://github.com%2facme/app",
    "the address in the query": f"https://evil.example/?{REPOSITORY}",
    "the address in the path": f"https://evil.example/{REPOSITORY}",
    "the address in the fragment": f"https://evil.example/#{REPOSITORY}",
    "a longer path": f"{REPOSITORY}-secret",
    "a deeper path": f"{REPOSITORY}/sub",
    "without TLS": "http://github.com/acme/app",
    "a letter whose lower case is ours": "https://g\u0130thub.com/acme/app",
    "a sign that nobody sees": "https://git\u00adhub.com/acme/app",
}
AS_WRITTEN = credential(REPOSITORY)
AS_PATTERN = credential(r"https://github\.com/acme/app", repo_url_is_regex=True)


@pytest.mark.parametrize("known", [AS_WRITTEN, AS_PATTERN], ids=["as written", "as a pattern"])
@pytest.mark.parametrize("url", FOREIGN.values(), ids=FOREIGN)
def test_a_credential_opens_no_look_alike(known, url):
    assert find(known, url=url) is None


def test_a_pattern_has_to_match_the_whole_address():
    known = credential(r"https://github\.com/acme/.*", repo_url_is_regex=True)
    assert find(known, url=REPOSITORY) == "airfreight_shop_git"
    assert find(known, url=f"https://evil.example/?x={REPOSITORY}") is None


def test_a_pattern_is_tried_on_the_one_spelling_too():
    assert find(AS_PATTERN, url="https://GitHub.com/Acme/App.git") == "airfreight_shop_git"


def test_a_pattern_without_the_flag_is_an_address():
    assert find(credential(r"https://github\.com/.*"), url=REPOSITORY) is None


def test_a_pattern_that_would_backtrack_for_ever_answers_at_once():
    known = credential(r"(a+)+$", repo_url_is_regex=True)
    assert find(known, url="a" * 5000 + "!") is None


@pytest.mark.parametrize("kind", ["helm", "image", "generic"])
def test_a_credential_of_another_kind_opens_nothing(kind):
    assert find(credential(REPOSITORY, cred_type=kind), url=REPOSITORY) is None


def test_of_several_the_first_by_name_counts():
    second = credential(REPOSITORY, name="b", connection_id="airfreight_shop_second")
    first = credential(REPOSITORY, name="a", connection_id="airfreight_shared_first")
    assert find(second, first, url=REPOSITORY) == "airfreight_shared_first"


def test_the_projects_own_credential_counts_before_one_that_all_projects_share():
    shared = credential(REPOSITORY, name="a", connection_id="airfreight_shared_first", shared=True)
    assert find(shared, credential(REPOSITORY, name="b"), url=REPOSITORY) == "airfreight_shop_git"
    assert find(shared, url=REPOSITORY) == "airfreight_shared_first"


OTHERS = {
    "Airflow's own": "aws_default",
    "another project's": "airfreight_ops_git",
    "no prefix": "git",
    "the prefix within": "x_airfreight_shop_git",
    "another case": "AIRFREIGHT_SHOP_git",
}


@pytest.mark.parametrize("connection_id", OTHERS.values(), ids=OTHERS)
def test_a_project_reaches_no_connection_but_its_own_and_the_shared_ones(connection_id):
    known = credential(REPOSITORY, connection_id=connection_id)
    with pytest.raises(SettingsError) as refusal:
        find(known, url=REPOSITORY)
    assert str(refusal.value) == (
        f"project shop may not use Connection {connection_id!r}; "
        "its Connections begin with airfreight_shop_ or airfreight_shared_"
    )


@pytest.mark.parametrize(
    "connection_id", ["airfreight_shop_payments_gitops", "airfreight_shared_x_git"]
)
def test_a_connection_of_a_project_beside_is_none_of_ours_though_its_id_begins_as_ours(
    connection_id,
):
    with pytest.raises(SettingsError, match=r"belongs to project (shop-payments|shared-x)"):
        find(credential(REPOSITORY, connection_id=connection_id), url=REPOSITORY)
