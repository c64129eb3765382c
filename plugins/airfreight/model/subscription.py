"""Subscriptions of a Warehouse (`kargo.md` §1.4): where to look, and the rule that picks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, Field

from airfreight.model.base import Model, none_to_empty

IMAGE_REPOSITORY = r"^[\w.-]+(:\d+)?(/[\w.-]+)*$"
CHART_REPOSITORY = r"^(https?|oci)://"
Patterns = Annotated[tuple[str, ...], BeforeValidator(none_to_empty)]
DiscoveryLimit = Annotated[int, Field(ge=1, le=100)]


class ImageSubscription(Model):
    """A repository of container images and the rule that picks from it."""

    repo_url: str = Field(alias="repoURL", pattern=IMAGE_REPOSITORY)
    image_selection_strategy: Literal["SemVer", "Lexical", "NewestBuild", "Digest"] = "SemVer"
    strict_semvers: bool = True
    constraint: str = ""
    allow_tags_regexes: Patterns = ()
    ignore_tags_regexes: Patterns = ()
    platform: str = ""
    cache_by_tag: bool = False
    insecure_skip_tls_verify: bool = Field(default=False, alias="insecureSkipTLSVerify")
    discovery_limit: DiscoveryLimit = 20


class GitSubscription(Model):
    """A Git repository and the rule that picks a commit; `since`: nothing older counts."""

    repo_url: str = Field(alias="repoURL")
    commit_selection_strategy: Literal["NewestFromBranch", "SemVer", "Lexical", "NewestTag"] = (
        "NewestFromBranch"
    )
    branch: str = Field(default="", max_length=255)
    strict_semvers: bool = True
    semver_constraint: str = ""
    allow_tags_regexes: Patterns = ()
    ignore_tags_regexes: Patterns = ()
    expression_filter: str = ""
    include_paths: Patterns = ()
    exclude_paths: Patterns = ()
    blobless: bool = False
    insecure_skip_tls_verify: bool = Field(default=False, alias="insecureSkipTLSVerify")
    since: AwareDatetime | None = None
    discovery_limit: DiscoveryLimit = 20


class ChartSubscription(Model):
    """A Helm chart in a classic repository (``https://…`` and `name`) or in a registry (``oci://…``)."""

    repo_url: str = Field(alias="repoURL", pattern=CHART_REPOSITORY)
    name: str = ""
    semver_constraint: str = ""
    insecure_skip_tls_verify: bool = Field(default=False, alias="insecureSkipTLSVerify")
    discovery_limit: DiscoveryLimit = 20


class GenericSubscription(Model):
    """A source of another kind; `config` is what the kind's own model reads."""

    kind: str
    config: dict[str, Any] = Field(default_factory=dict)
    discovery_limit: DiscoveryLimit = 20


class Subscription(Model):
    """One entry of `spec.subscriptions`: exactly one of the four is set."""

    name: str = ""
    image: ImageSubscription | None = None
    git: GitSubscription | None = None
    chart: ChartSubscription | None = None
    generic: GenericSubscription | None = None
