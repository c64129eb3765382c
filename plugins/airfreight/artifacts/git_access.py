"""A repository elsewhere, and what opens it for one run of git.

A password reaches git by a credential helper that reads the process environment and answers for one scheme, host and
port: a redirect or submodule elsewhere gets nothing, and no URL, argument or file holds it. A key for SSH has to be a
file: it lies in a private folder outside the work directory for as long as that run of git takes.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from airfreight.artifacts import git_proxy_command
from airfreight.artifacts.git_guard import NetworkGuard
from airfreight.artifacts.git_urls import check_repository_url, is_ssh, origin_of
from airfreight.errors import AuthenticationError
from airfreight.model.credential import Credential

_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n"'
    ' "$AIRFREIGHT_GIT_USERNAME" "$AIRFREIGHT_GIT_PASSWORD"; }; f'
)
_SSH_OPTIONS = {
    "BatchMode": "yes",
    "ControlPath": "none",
    "ForwardAgent": "no",
    "IdentitiesOnly": "yes",
    "IdentityAgent": "none",
    "PasswordAuthentication": "no",
    "ProxyUseFdpass": "yes",
    "ServerAliveCountMax": "4",
    "ServerAliveInterval": "15",  # seconds: a dead server ends the step
    "StrictHostKeyChecking": "yes",
    "UpdateHostKeys": "no",
}


@dataclass(frozen=True)
class GitRemote:
    """A repository elsewhere with the login for it; raises ArtifactError for a URL that is not accepted.

    `allow_loopback` opens this machine, never link-local or metadata addresses.
    """

    url: str
    credential: Credential | None = None
    allow_credentials_over_http: bool = False
    verify_tls: bool = True
    allow_loopback: bool = False

    def __post_init__(self) -> None:
        check_repository_url(self.url)
        login = self.credential
        if login and any(c in login.username + login.password for c in "\n\r\0"):
            raise AuthenticationError(
                f"the login for {self.url} holds a line break or NUL character"
            )

    @property
    def login(self) -> Credential | None:
        """The password that may travel to this URL, or None: http:// gets one only where that was allowed."""
        origin = origin_of(self.url)
        secure = origin is not None and origin.startswith("https://")
        return self.credential if origin and (secure or self.allow_credentials_over_http) else None


@dataclass(frozen=True)
class GitAccess:
    """What one run of git gets; `problems` grows while it runs: which connections were not made and why."""

    config: Mapping[str, str]
    environment: Mapping[str, str]
    problems: list[str]


@contextmanager
def git_access(remote: GitRemote | None) -> Iterator[GitAccess]:
    """Open the way to `remote`, and to nothing that may not be reached; without a remote there is no way out."""
    if remote is None:
        yield GitAccess({"protocol.allow": "never"}, {}, [])
        return
    with (
        NetworkGuard(allow_loopback=remote.allow_loopback) as guard,
        tempfile.TemporaryDirectory(prefix="airfreight-git-") as private,
    ):
        config = {
            "protocol.http.allow": "always",
            "protocol.https.allow": "always",
            "protocol.ssh.allow": "always",
            "http.proxy": f"socks5h://127.0.0.1:{guard.port}",
        }
        if not remote.verify_tls:
            config["http.sslVerify"] = "false"
        if remote.login:
            config[f"credential.{origin_of(remote.url)}.helper"] = _HELPER
        yield GitAccess(config, _environment(remote, guard, Path(private)), guard.problems)


def _environment(remote: GitRemote, guard: NetworkGuard, private: Path) -> dict[str, str]:
    # NO_PROXY of the worker would open a way around the guard.
    environment = {"NO_PROXY": "", "no_proxy": ""}
    if remote.login:
        environment["AIRFREIGHT_GIT_USERNAME"] = remote.login.username
        environment["AIRFREIGHT_GIT_PASSWORD"] = remote.login.password
    if remote.credential and remote.credential.ca_certificate:
        environment["GIT_SSL_CAINFO"] = write_private(
            private / "ca.pem", remote.credential.ca_certificate
        )
    if is_ssh(remote.url):
        environment["GIT_SSH_COMMAND"] = _ssh_command(remote.credential, guard, private)
        environment["GIT_SSH_VARIANT"] = "ssh"
    return environment


def _ssh_command(credential: Credential | None, guard: NetworkGuard, private: Path) -> str:
    """Return the command for git: trusted are the host keys of the Connection and of the machine, not of the user."""
    program = [sys.executable, "-I", "-S", git_proxy_command.__file__, str(guard.port)]
    options = _SSH_OPTIONS | {
        "IdentityFile": "none",
        "ProxyCommand": f"{shlex.join(program)} %h %p",
        "UserKnownHostsFile": os.devnull,
    }
    if credential and credential.ssh_private_key:
        options["IdentityFile"] = write_private(private / "key", credential.ssh_private_key)
    if credential and credential.known_hosts:
        options["UserKnownHostsFile"] = write_private(
            private / "known_hosts", credential.known_hosts
        )
    given = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    return shlex.join(["ssh", "-F", os.devnull, *given])


def write_private(place: Path, text: str) -> str:
    """Write a new file that only this user can read, with Unix line ends as ssh and gpg want; return its path."""
    lines = re.sub(r"\r\n?", "\n", text).strip() + "\n"
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(lines)
    return str(place)
