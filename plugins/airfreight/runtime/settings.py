"""Settings of a deployment: Airflow's configuration section ``[airfreight]``. Each states its unit, default and why."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Settings:
    """The values of ``[airfreight]``, or of ``AIRFLOW__AIRFREIGHT__<NAME>``."""

    allow_credentials_over_http: bool = False
    """Whether a login may travel over plain http. Off: anybody on the way could read it."""

    allow_loopback: bool = False
    """Whether http steps may reach the machine that they run on. Off: a manifest must not reach what else is there."""

    gate_look_interval: float = 3600.0
    """Seconds between two looks of a gate that waits for a person. An hour: each look takes a worker for a second, and
    answers in the seconds around it are retried. Under 30 where nobody answers by hand only."""

    github_push_max_revisions: int = 10
    """Commits that one step github-push makes anew through GitHub's API. 10, as in Kargo: each is a request, and a
    longer range mostly means a wrong target branch."""

    github_push_verify_untrusted_commits: bool = False
    """Whether github-push lets GitHub sign the commits as its own login's. Off: their authors stay, and GitHub shows
    them as not verified."""

    workspace_folder: str = ""
    """Folder for the work directories of running promotions. Empty: ``airfreight`` in the system's temporary folder."""

    shared_workspace_folder: str = ""
    """Folder that all workers share, where the work directory of a promotion waits while its step defers. Empty: beside
    the work directories, which only the LocalExecutor's workers share; any other executor needs this setting."""

    author_name: str = "Airfreight"
    """Name of the author of commits where no step names one."""

    author_email: str = "no-reply@airfreight.invalid"
    """E-mail address of the author of commits where no step names one."""


def setting_names() -> tuple[str, ...]:
    """Return the names of all settings."""
    return tuple(field.name for field in fields(Settings))
