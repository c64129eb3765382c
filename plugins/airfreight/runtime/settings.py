"""Settings of a deployment: Airflow's configuration section ``[airfreight]``. Each states its unit, default and why."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from airfreight.errors import SettingsError
from airfreight.expr.limits import DEFAULT_LIMITS, Limits

SECTION: Final = "airfreight"
_EXPRESSION = "expression_"
_CLOUDS: Final = frozenset({"aws", "google", "azure"})
_BOOLS: Final[Mapping[str, bool]] = {
    "true": True, "t": True, "1": True, "false": False, "f": False, "0": False,
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """The values of ``[airfreight]``, or of ``AIRFLOW__AIRFREIGHT__<NAME>``."""

    allow_credentials_over_http: bool = False
    """Whether a login may travel over plain http. Off: anybody on the way could read it."""

    ambient_credentials: str = ""
    """Clouds in which the worker's own identity opens registries that no Secret names: aws, google, azure, separated by
    commas. Empty, so none: a pipeline author must not come by that identity by naming a host."""

    allow_file_objects: bool = False
    """Whether a subscription of the kind object may name files of the machine that looks. Off: a manifest must not tell
    what lies there; on where all of them mount one storage."""

    allow_loopback: bool = False
    """Whether http and git steps may reach the machine that they run on. Off: a manifest must not reach what else is
    there."""

    allow_render_network: bool = False
    """Whether kustomize-build may fetch remote bases and charts. Off: what is rendered must be what was promoted."""

    allow_terraform: bool = False
    """Whether tf-plan, tf-apply and tf-output may run. Off: a configuration starts programs of its own choice,
    providers and provisioners, which reach every address that the worker reaches."""

    gate_look_interval: float = 3600.0
    """Seconds between two looks of a gate that waits for a person. An hour: each look takes a worker for a second, and
    answers in the seconds around it are retried. Under 30 where nobody answers by hand only."""

    git_poll_timeout: float = 60.0
    """Seconds in which a Git server must have listed its branches and tags. A minute: less than most intervals."""

    git_fetch_timeout: float = 1800.0
    """Seconds that a fetch of a Git repository may take. Half an hour: the first one brings the whole history, without
    file contents."""

    git_mirror_expiry: int = 30 * 24 * 3600
    """Seconds after which a mirror of a Git repository that no Warehouse and no git-clone wants is deleted. A month: a
    Warehouse that rests need not begin again."""

    max_git_mirrors_size: int = 20 * 2**30
    """Bytes of all mirrors of Git repositories on one machine; those wanted longest ago go first. 20 GiB: a mirror has
    no file contents, a big repository's some hundred megabytes."""

    max_git_memory: int = 2**31
    """Bytes of memory that one git that looks at a repository for a Warehouse may take. 2 GiB: a history of a million
    commits needs less, and who may push could make it need all there is."""

    github_push_max_revisions: int = 10
    """Commits that one step github-push makes anew through GitHub's API. 10, as in Kargo: each is a request, and a
    longer range mostly means a wrong target branch."""

    github_push_verify_untrusted_commits: bool = False
    """Whether github-push lets GitHub sign the commits as its own login's. Off: their authors stay, and GitHub shows
    them as not verified."""

    cache_folder: str = ""
    """Folder of this machine for what was seen of repositories: digests, mirrors. Empty: ``airfreight-cache`` in the
    system's temporary folder. It is made for this user alone, and one that others could write to is refused. It may be
    deleted at any time; the next looks take longer."""

    workspace_folder: str = ""
    """Folder for the work directories of running promotions. Empty: ``airfreight`` in the system's temporary folder."""

    shared_workspace_folder: str = ""
    """Folder that all workers share, where the work directory of a promotion waits while its step defers. Empty: beside
    the work directories, which only the LocalExecutor's workers share; any other executor needs this setting."""

    max_promotion_duration: int = 7 * 24 * 3600
    """Seconds that a promotion may take, its waits included; then the step that waits ends as Errored. A week: longer
    than a pull request is waited for, and a forgotten one does not hold its Stage for ever."""

    max_oci_push_artifact_size: int = 2**30
    """Bytes of configs and layers that oci-push copies to another repository; -1 is no limit, 0 allows no copy. 1 GiB,
    as in Kargo: each layer passes through the worker's disk."""

    max_workspace_size: int = 5 * 2**30
    """Bytes that a promotion's work directory may hold after a step. 5 GiB, what Git's hosting services allow a
    repository to grow to: each wait of a promotion copies it to the shared folder and back."""

    workspace_expiry: int = 8 * 24 * 3600
    """Seconds after which a promotion deletes work directories that others left behind. A day more than a promotion may
    take: see `workspace_lifetime`."""

    author_name: str = "Airfreight"
    """Name of the author of commits where no step names one."""

    author_email: str = "no-reply@airfreight.invalid"
    """E-mail address of the author of commits where no step names one."""

    git_push_integration_policy: str = "AlwaysRebase"
    """How git-push brings commits on top of others': AlwaysRebase, RebaseOrMerge, RebaseOrFail, AlwaysMerge or None.
    Kargo's default: the history stays linear."""

    image_registry_rate_limit: int = 20
    """Requests a second that one process sends to one registry. 20, as in Kargo: registries answer more with 429."""

    image_registry_concurrency: int = 16
    """Requests that one process has open with one registry. 16: one look has a quarter of them at most, so that a
    repository which does not answer leaves room for the others."""

    repository_backoff: float = 900.0
    """Seconds for which a repository of any kind is left alone at most after errors, and for which a server's
    Retry-After counts at most. A quarter of an hour: a fault that ended is noticed by then."""

    repository_cache_size: int = 64 * 2**20
    """Bytes of the cache on disk that says which digests tags had, what images say of themselves, and what charts' and
    packages' lists held. 64 MiB holds some 150,000 tags; one of a full cache is asked again."""

    newest_build_recheck: float = 3600.0
    """Seconds within which NewestBuild asks each tag that it knows again, spread over them. An hour: twenty thousand
    tags take a registry's rate limit for a quarter of that. The newest and new tags are asked at every look."""

    cache_by_tag_policy: str = "Allow"
    """Who decides whether tags are taken for immutable: Allow leaves it to `cacheByTag`, Forbid and Force overrule it,
    Require refuses subscriptions without it. Kargo's default."""

    operators: str = ""
    """Operators that the step airflow may run: a JSON object, name → import path. Empty, so none: an operator may do
    whatever its arguments let it, and those come from manifests."""

    notifiers: str = ""
    """Notifiers by which the step send-message may send: a JSON object, name → import path. Empty, so none, as with
    `operators`."""

    roles: str = ""
    """Who has which role in `approvers` and `responders`: a JSON object, role → ids of users. Empty: there is no role;
    Airflow does not tell a task what roles a user has."""

    expression_source_length: int = DEFAULT_LIMITS.source_length
    """Characters that one expression may have. Parsing that many takes about half a second."""

    expression_nodes: int = DEFAULT_LIMITS.nodes
    """Nodes that the tree of one expression may have. The bound of expr-lang itself."""

    expression_depth: int = DEFAULT_LIMITS.depth
    """Levels that the tree of one expression may have. Evaluation recurses, and Python's stack ends at some 1000
    frames."""

    expression_steps: int = DEFAULT_LIMITS.steps
    """Nodes evaluated and elements visited in one evaluation. They take about half a second."""

    expression_memory: int = DEFAULT_LIMITS.memory
    """Words of eight bytes of all values that one evaluation makes. The budget of expr-lang; less than 100 MB of Python
    objects."""

    expression_time: float = DEFAULT_LIMITS.time
    """Seconds of processor time of one evaluation. What an expression waits for is not counted."""

    def cache(self) -> Path:
        """Return the folder for what was seen of repositories."""
        return Path(self.cache_folder or Path(tempfile.gettempdir()) / "airfreight-cache")

    def workspace_lifetime(self) -> timedelta:
        """Return for how long nobody deletes a work directory that is not his own.

        Never less than what an open promotion may wait for, and a day for who goes on with it late.
        """
        open_promotion = timedelta(seconds=self.max_promotion_duration) + timedelta(days=1)
        return max(timedelta(seconds=self.workspace_expiry), open_promotion)

    def ambient_clouds(self) -> frozenset[str]:
        """Return the clouds of `ambient_credentials`; raises SettingsError where one is unknown."""
        named = {name.strip() for name in self.ambient_credentials.split(",")} - {""}
        if not named <= _CLOUDS:
            raise SettingsError(
                f"setting [{SECTION}] ambient_credentials: expected aws, google or azure, separated by commas, "
                f"got {self.ambient_credentials!r}"
            )
        return frozenset(named)

    def allowed_operators(self) -> dict[str, str]:
        """Return name → import path; raises SettingsError where the setting is no such object."""
        return _read_paths("operators", self.operators, '{"bash": "package.module.Operator"}')

    def allowed_notifiers(self) -> dict[str, str]:
        """Return name → import path; raises SettingsError where the setting is no such object."""
        return _read_paths("notifiers", self.notifiers, '{"chat": "package.module.Notifier"}')

    def user_roles(self) -> dict[str, tuple[str, ...]]:
        """Return role → ids of users; raises SettingsError where the setting is no such object."""
        found = _read_object("roles", self.roles)
        if not all(_is_list_of_texts(users) for users in found.values()):
            raise _not_understood("roles", 'such as {"release-manager": ["alice", "bob"]}')
        return {role: tuple(users) for role, users in found.items()}

    def expression_limits(self) -> Limits:
        """Return what one expression or template may cost."""
        return Limits(
            **{limit.name: getattr(self, _EXPRESSION + limit.name) for limit in fields(Limits)}
        )


def setting_names() -> tuple[str, ...]:
    """Return the names of all settings."""
    return tuple(field.name for field in fields(Settings))


def read_values(values: Mapping[str, str | None]) -> Settings:
    """Return the settings that `values` spell, by name; what is missing or None has its default.

    Raises SettingsError, which names section, key, value and what was expected.
    """
    return Settings(
        **{
            field.name: _read(field, text)
            for field in fields(Settings)
            if (text := values.get(field.name)) is not None
        }
    )


def environment_values(environ: Mapping[str, str]) -> dict[str, str | None]:
    """Return the settings that environment variables spell, by name."""
    return {name: environ.get(f"AIRFLOW__{SECTION}__{name}".upper()) for name in setting_names()}


def _read_object(name: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _not_understood(name, "an object")
    return found


def _read_paths(name: str, text: str, example: str) -> dict[str, str]:
    found = _read_object(name, text)
    if not all(isinstance(path, str) and "." in path for path in found.values()):
        raise _not_understood(name, f"such as {example}")
    return found


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _not_understood(name: str, expected: str) -> SettingsError:
    return SettingsError(f"setting [{SECTION}] {name}: expected JSON, {expected}")


def _read(field: Field[Any], text: str) -> Any:
    if isinstance(field.default, str):
        return _choice(field.name, text)
    bounds = _BOUNDS.get(field.name)
    try:
        value = _READERS[type(field.default)](text.split("#")[0].strip())
    except (ValueError, KeyError):
        value = None
    if value is None or (bounds and not bounds[0] <= value <= bounds[1]):
        expected = _WORDS[type(field.default)]
        limits = f" from {bounds[0]} to {bounds[1]}" if bounds else ""
        raise SettingsError(
            f"setting [{SECTION}] {field.name}: expected {expected}{limits}, got {text!r}"
        )
    return value


def _choice(name: str, text: str) -> str:
    choices = _CHOICES.get(name)
    if choices and text not in choices:
        raise SettingsError(
            f"setting [{SECTION}] {name}: expected one of {', '.join(choices)}, got {text!r}"
        )
    return text


_READERS: Final[Mapping[type, Any]] = {
    bool: lambda text: _BOOLS[text.lower()],
    int: int,
    float: float,
}
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "cache_by_tag_policy": ("Forbid", "Allow", "Require", "Force")
}
_WORDS: Final[Mapping[type, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}
_BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    _EXPRESSION + limit.name: (limit.metadata["least"], limit.metadata["most"])
    for limit in fields(Limits)
} | {
    "git_poll_timeout": (1, 3600),
    "git_fetch_timeout": (1, 10**6),
    "git_mirror_expiry": (3600, 10**9),
    "max_git_mirrors_size": (2**20, 10**13),
    "max_git_memory": (2**26, 10**12),
    "image_registry_rate_limit": (1, 10_000),
    "image_registry_concurrency": (1, 1000),
    "repository_backoff": (1, 86400),
    "repository_cache_size": (2**20, 10**11),
    "newest_build_recheck": (60, 10**7),
    "max_promotion_duration": (60, 10**9),
    "max_oci_push_artifact_size": (-1, 10**12),
    "max_workspace_size": (2**20, 10**13),
    "workspace_expiry": (3600, 10**9),
}
