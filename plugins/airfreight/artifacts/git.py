"""Runs the program `git` so that neither the repository nor the machine can steer it.

No configuration but ours is read outside the repository's own, no hook runs, no prompt waits, and only http(s) and SSH
are spoken, with what `git_access` opens.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from airfreight.artifacts.git_access import GitAccess, GitRemote, git_access
from airfreight.artifacts.git_limits import GitLimits, run_limited
from airfreight.errors import (
    ArtifactError,
    AuthenticationError,
    NotFoundError,
    SettingsError,
    TransientError,
)

_SAFE_CONFIG = {
    "advice.detachedHead": "false",
    "commit.gpgSign": "false",
    "core.alternateRefsCommand": ":",
    "core.attributesFile": os.devnull,
    "core.autocrlf": "false",
    "core.excludesFile": os.devnull,
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "credential.helper": "",  # forgets every helper named so far
    "gc.auto": "0",  # a collection would prune worktrees whose work directory moved
    "gpg.program": "gpg",  # `signing` names its own; a repository may not
    "gpg.ssh.program": "ssh-keygen",
    "http.lowSpeedLimit": "1000",  # bytes a second, for `lowSpeedTime` seconds: a dead server ends the step
    "http.lowSpeedTime": "60",
    "log.showSignature": "false",
    "maintenance.auto": "false",
    "merge.verifySignatures": "false",
    "protocol.allow": "never",
    "push.gpgSign": "false",
    "safe.bareRepository": "explicit",
    "safe.directory": "*",  # a restored work directory may belong to another user; its place was checked
    "sequence.editor": ":",
    "tag.gpgSign": "false",
}

# Of a pack git would map a gigabyte at once, and all packs at the same time.
_LITTLE_MEMORY = {"core.packedGitLimit": "512m", "core.packedGitWindowSize": "32m"}

_SAFE_ENVIRONMENT = {
    "GIT_ASKPASS": "",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_EDITOR": ":",
    "GIT_TERMINAL_PROMPT": "0",
    "HOME": os.devnull,  # curl would read ~/.netrc
    "XDG_CONFIG_HOME": os.devnull,
}

_KINDS: tuple[tuple[type[ArtifactError], re.Pattern[str]], ...] = (
    (NotFoundError, re.compile("requests there are refused")),
    (
        AuthenticationError,
        re.compile(
            r"Authentication failed|could not read (?:Username|Password)|Permission denied"
            r"|returned error: 40[13]|Host key verification failed|HTTP Basic: Access denied"
        ),
    ),
    (
        TransientError,
        re.compile(
            r"Could not resolve|[Cc]onnection (?:refused|timed out|reset|closed)|Failed to connect"
            r"|Couldn't connect|returned error: (?:429|5\d\d)|early EOF|RPC failed|hung up"
            r"|Operation too slow|transfer closed|timed out|SSL_ERROR_SYSCALL|empty reply|unexpected disconnect",
            re.IGNORECASE,
        ),
    ),
    (
        NotFoundError,
        re.compile(
            r"repository .* not found|not found: |returned error: 404|does not appear to be a git"
            r"|[Rr]emote branch .* not found|couldn't find remote ref|Repository not found"
            r"|invalid reference|unknown revision|Needed a single revision|does not exist"
        ),
    ),
)
_LONGEST_REASON = 600
_HINTS = {
    "invalid index-pack output": (
        "The disk may be full, or the repository larger than the setting max_git_mirrors_size"
    ),
    "Host key verification failed": (
        "Ask the owner of the host for its key, or compare that of `ssh-keyscan <host>` with what the owner publishes, "
        "and put the line into `known_hosts` of the Connection's extra"
    ),
    "certificate": (
        "Where a private authority signed the certificate, put the authority's own into `ca_certificate` of the "
        "Connection's extra"
    ),
}


class DebugLog(Protocol):
    """Where git's own output goes."""

    def debug(self, message: str, /, *args: Any) -> None:
        """Write what only a search for a fault needs."""
        ...


@dataclass(frozen=True)
class GitOutcome:
    """How a git command ended; `stdout` as it came, `stderr` without credentials."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class GitClient:
    """Runs git in one place: a worktree, or a bare repository where `bare` says so. `config` wins over the place's.

    Without `limits` it may take and print what it likes.
    """

    place: Path
    log: DebugLog
    remote: GitRemote | None = None
    bare: bool = False
    config: Mapping[str, str] = field(default_factory=dict)
    limits: GitLimits | None = None

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """Return what git printed, the last newline taken off.

        Raises AuthenticationError, NotFoundError, TransientError or else ArtifactError where git fails.
        """
        outcome = self.attempt(*arguments, environment=environment)
        if outcome.status:
            raise self.error(arguments[0], outcome)
        return outcome.stdout

    def attempt(self, *arguments: str, environment: Mapping[str, str] | None = None) -> GitOutcome:
        """Run git and return how it ended, good or bad.

        Where the server refuses a token, git runs once more with another. Raises SettingsError where there is no git,
        TransientError or ArtifactError for a run beyond the limits and where no other token can be had.
        """
        outcome = self._attempt(arguments, environment)
        login = self.remote.credential if self.remote else None
        if not outcome.status or login is None or login.renew is None:
            return outcome
        refused = isinstance(self.error(arguments[0], outcome), AuthenticationError)
        renewed = login.renew() if refused else None
        if self.remote is None or renewed is None:
            return outcome
        again = replace(self, remote=replace(self.remote, credential=renewed))
        return again._attempt(arguments, environment)

    def _attempt(
        self, arguments: tuple[str, ...], environment: Mapping[str, str] | None
    ) -> GitOutcome:
        scope = [f"--git-dir={self.place}"] if self.bare else []
        with git_access(self.remote) as access:
            ours = self._environment(access) | dict(environment or {})
            command = [*_without_inherited(ours), "git", *scope, *arguments]
            try:
                status, stdout, stderr = self._execute(command, ours)
            except FileNotFoundError:
                raise SettingsError("the program git is not installed on this machine") from None
            except ArtifactError as error:
                raise error.reworded(
                    f"git {arguments[0]}{self._where} was ended: {error}"
                ) from None
            said = "\n".join([stderr, *access.problems])
        outcome = GitOutcome(status, stdout, self._clean(said))
        self.log.debug(
            "git %s: exit code %d\n%s\n%s",
            arguments[0],
            status,
            self._clean(outcome.stdout),
            outcome.stderr,
        )
        return outcome

    def _execute(self, command: list[str], environment: Mapping[str, str]) -> tuple[int, str, str]:
        if self.limits:
            place = self.place.parent if self.bare else self.place
            return run_limited(command, place, environment, self.limits)
        import git.cmd
        import git.exc

        try:
            status, stdout, stderr = git.cmd.Git(self.place).execute(
                command, with_extended_output=True, with_exceptions=False, env=dict(environment)
            )
        except git.exc.GitCommandNotFound:
            raise FileNotFoundError from None
        return status, str(stdout), str(stderr)

    def error(self, command: str, outcome: GitOutcome) -> ArtifactError:
        """Return the error that `outcome` stands for, worded by git's own last lines."""
        kind = next((kind for kind, rule in _KINDS if rule.search(outcome.stderr)), ArtifactError)
        lines = [line for line in outcome.stderr.splitlines() if not line.startswith("hint:")]
        # In one line: a server may send any text, and a second line would pass for one of the log's own.
        said = "; ".join(line.strip() for line in lines if line.strip())
        shown = "".join(char if char.isprintable() else " " for char in said)
        reason = shown[-_LONGEST_REASON:].strip() or f"exit code {outcome.status}"
        hints = [f"\n{hint}" for sign, hint in _HINTS.items() if sign in outcome.stderr]
        return kind(f"git {command}{self._where} failed: {reason}{''.join(hints)}")

    @property
    def _where(self) -> str:
        return f" with {self.remote.url}" if self.remote else ""

    def _environment(self, access: GitAccess) -> dict[str, str]:
        little = _LITTLE_MEMORY if self.limits else {}
        config = {**_SAFE_CONFIG, **little, **access.config, **self.config}
        settings = {"GIT_CONFIG_COUNT": str(len(config))}
        for index, (key, value) in enumerate(config.items()):
            settings |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
        ceiling = {"GIT_CEILING_DIRECTORIES": str(self.place.parent)}
        return {**_SAFE_ENVIRONMENT, **ceiling, **settings, **access.environment}

    def _clean(self, text: str) -> str:
        """Take every spelling of the password out of `text`, and whatever a server echoes as user info."""
        login = self.remote.credential if self.remote else None
        if login:
            text = login.mask(text)
        return re.sub(r"://[^\s/@]+@", "://***@", text)


def identity(name: str, email: str, at: datetime) -> dict[str, str]:
    """Return the environment that makes `name` author and committer, dated `at`: the same input, the same SHA."""
    return {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
        **dated(at),
    }


def dated(at: datetime) -> dict[str, str]:
    """Return the environment that dates commits `at`, which must know its zone."""
    stamp = f"@{int(at.timestamp())} +0000"
    return {"GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp}


def _without_inherited(ours: Mapping[str, str]) -> list[str]:
    """Return a prefix that hides the worker's GIT_ variables: one of them (GIT_DIR, in a hook) redirects git."""
    foreign = sorted(
        name
        for name in os.environ
        if name.startswith("GIT_")
        and not name.startswith(("GIT_PYTHON_", "GIT_SSL_"))
        and name not in ours
    )
    return ["env", *(part for name in foreign for part in ("-u", name))] if foreign else []
