"""A chart's dependencies: what Chart.yaml and Chart.lock say of them, and helm's work on them with the right logins.

Logins stand in files of helm's private home, mode 0600; neither an argument nor the environment holds one. helm itself
sends them to no other host than the repository's own. Whatever a repository's index or a redirect names is reached
through the guard, or on this machine closed by the kernel: helm asks 127.0.0.1 and localhost without any proxy.

The authorities of Connections reach helm by its environment. Its own ways are worse: with ``--ca-file`` it asks
registries without any proxy, and so past the guard; with ``caFile`` of a repository it checks the certificate of an
archive elsewhere against the repository's name.
"""

from __future__ import annotations

import base64
import json
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml

from airfreight.artifacts.git_access import write_private
from airfreight.artifacts.guarded_http import refusal
from airfreight.artifacts.oci.protocol import is_this_machine
from airfreight.artifacts.tls import tls_context, untrusted
from airfreight.errors import RetryableStepError, TerminalStepError
from airfreight.model.credential import Credential
from airfreight.model.urls import normalize_chart
from airfreight.steps.base import StepContext
from airfreight.steps.guarded_program import guarded
from airfreight.steps.oci_registry import registry_faults

CHART, LOCK = "Chart.yaml", "Chart.lock"
_TEXT_FIELDS = ("name", "version", "repository")
_MACHINE_AUTHORITIES = "/etc/ssl/certs:/etc/pki/tls/certs"
_UNTRUSTED = re.compile(
    r'"https://(?P<host>[^/"]+)[^"]*": tls: failed to verify certificate: (?:x509: )?(?P<reason>.+)'
)


@dataclass(frozen=True)
class Dependency:
    """A chart that a chart needs; `repository` is an ``https://``, ``oci://`` or ``file://`` URL, or empty."""

    name: str
    version: str
    repository: str

    @property
    def host(self) -> str:
        """The ``host[:port]`` of the repository; empty where it is no server's."""
        remote = self.repository.startswith(("http://", "https://", "oci://"))
        return urlsplit(self.repository).netloc.rpartition("@")[2] if remote else ""


def read_dependencies(chart: Path, file: str = CHART) -> tuple[Dependency, ...]:
    """Return the dependencies that Chart.yaml or Chart.lock of the folder `chart` lists, in their order.

    None where there is no such lock. Raises TerminalStepError where there is no Chart.yaml or the file cannot be read.
    """
    place = chart / file
    if place.is_symlink():
        raise TerminalStepError(f"{file} is a symbolic link: expected a file")
    if file == LOCK and not place.exists():
        return ()
    try:
        document = yaml.safe_load(place.read_text())
    except FileNotFoundError:
        raise TerminalStepError(f"there is no {file} in the chart's folder") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise TerminalStepError(f"{file}: cannot be read: {error}") from error
    listed = document.get("dependencies") if isinstance(document, dict) else None
    if not isinstance(listed or [], list):
        raise TerminalStepError(f"{file}: dependencies: expected a list")
    return tuple(_dependency(entry, file) for entry in listed or [])


def _dependency(entry: Any, file: str) -> Dependency:
    if not isinstance(entry, dict):
        raise TerminalStepError(f"{file}: dependencies: expected a list of mappings")
    return Dependency(*(str(entry.get(name) or "") for name in _TEXT_FIELDS))


@dataclass(frozen=True)
class Charts:
    """Gets the dependencies of the chart in the folder `chart`."""

    context: StepContext
    chart: Path

    def build(self) -> None:
        """Download what Chart.lock says, or else what Chart.yaml allows; raises a StepError where that fails."""
        self._helm("build")

    def update(self) -> None:
        """Resolve the versions anew, download them and write Chart.lock; raises a StepError where that fails."""
        self._helm("update")

    def _helm(self, work: Literal["build", "update"]) -> None:
        dependencies = read_dependencies(self.chart)
        for dependency in dependencies:
            self._check(dependency)
        with registry_faults():
            logins = dict(_logins(self.context, dependencies))
            for login in logins.values():
                tls_context(authority=login.ca_certificate)  # refuses what is no certificate
        passwords = tuple(login.password for login in logins.values())
        with guarded(self.context) as place:
            config = place.home / "config"
            _write_private(config / "repositories.yaml", _repositories(dependencies, logins))
            _write_private(config / "registry" / "config.json", _registry_logins(logins))
            plain = ["--plain-http"] if _all_registries_are_here(dependencies) else []
            trusted = _authorities(place.home, dependencies, logins)
            told = replace(place, secrets=passwords, environment=trusted)
            try:
                told.run("helm", "dependency", work, *plain, str(self.chart))
            except RetryableStepError as error:
                raise _explained(error) from None

    def _check(self, dependency: Dependency) -> None:
        url = dependency.repository
        if url.startswith("file://"):
            self._check_folder(url)
        elif dependency.host:
            if "@" in urlsplit(url).netloc:
                raise TerminalStepError(
                    f"dependency {dependency.name}: its repository URL holds a login: "
                    "put it into a Secret of the type helm"
                )
            _check_host(urlsplit(url).hostname or "", self.context.settings.allow_loopback)

    def _check_folder(self, url: str) -> None:
        path = Path(url.removeprefix("file://"))
        root = self.context.workdir.root.resolve()
        if path.is_absolute() or not (self.chart / path).resolve().is_relative_to(root):
            raise TerminalStepError(
                f"invalid dependency {url!r}: expected a relative path within the work directory"
            )


def _check_host(host: str, allow_loopback: bool) -> None:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return  # helm says so itself, or a proxy knows the name
    for entry in found:
        reason = refusal(str(entry[4][0]), allow_loopback=allow_loopback)
        if reason:
            raise TerminalStepError(f"{host} leads to {reason}: charts from there are refused")


def _logins(
    context: StepContext, dependencies: Iterable[Dependency]
) -> Iterator[tuple[str, Credential]]:
    """Yield the login for each repository that has one: by its URL, or by ``oci://`` with the registry's host."""
    for dependency in dependencies:
        url = dependency.repository
        if not dependency.host:
            continue
        oci = url.startswith("oci://")
        plain = url.startswith("http://") or (oci and is_this_machine(dependency.host))
        if plain and not context.settings.allow_credentials_over_http:
            continue
        asked = f"oci://{normalize_chart(url)}/{dependency.name}" if oci else url
        login = context.credentials.find("helm", asked)
        if login is not None:
            yield _opened(dependency), login


def _opened(dependency: Dependency) -> str:
    """Return what a login opens: the repository, or the whole registry, since helm has one login for that."""
    url = dependency.repository
    return f"oci://{dependency.host}" if url.startswith("oci://") else url


def _repositories(
    dependencies: Iterable[Dependency], logins: Mapping[str, Credential]
) -> dict[str, Any]:
    """Return helm's list of classic repositories, each once and under a name that nothing refers to."""
    urls = dict.fromkeys(d.repository for d in dependencies if d.repository.startswith("http"))
    entries = []
    for index, url in enumerate(urls):
        entry: dict[str, Any] = {"name": f"repository-{index}", "url": url}
        if url in logins:
            entry |= {"username": logins[url].username, "password": logins[url].password}
        entries.append(entry)
    return {"apiVersion": "v1", "repositories": entries}


def _registry_logins(logins: Mapping[str, Credential]) -> dict[str, Any]:
    """Return helm's file of logins; an empty one, of a Connection for its authority alone, would be a fault there."""
    return {
        "auths": {
            url.removeprefix("oci://"): {
                "auth": base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
            }
            for url, login in logins.items()
            if url.startswith("oci://") and login.password
        }
    }


def _authorities(
    home: Path, dependencies: Iterable[Dependency], logins: Mapping[str, Credential]
) -> Mapping[str, str]:
    """Return the variables by which helm trusts the authorities of `logins`.

    It has one list for all servers: those of the machine are on it only where a repository has no other.
    """
    opened = {_opened(dependency) for dependency in dependencies if dependency.host}
    own = {url: login.ca_certificate for url, login in logins.items() if login.ca_certificate}
    if not own:
        return {}
    folder = home / "authorities"
    folder.mkdir()
    file = write_private(folder / "connections.pem", "\n".join(own.values()))
    if own.keys() >= opened:
        return {"SSL_CERT_FILE": file, "SSL_CERT_DIR": str(folder)}
    machine = os.environ.get("SSL_CERT_DIR") or _MACHINE_AUTHORITIES
    return {"SSL_CERT_DIR": f"{folder}:{machine}"}


def _explained(error: RetryableStepError) -> RetryableStepError:
    """Say of a certificate that is not trusted what every client says, and not what helm makes of it."""
    found = _UNTRUSTED.search(str(error))
    return RetryableStepError(untrusted(found["host"], found["reason"])) if found else error


def _write_private(file: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, which helm reads as the YAML that it expects."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_private(file, json.dumps(content))


def _all_registries_are_here(dependencies: Sequence[Dependency]) -> bool:
    hosts = [d.host for d in dependencies if d.repository.startswith("oci://")]
    return bool(hosts) and all(is_this_machine(host) for host in hosts)
