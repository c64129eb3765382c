"""Signatures of commits and tags by a key of GnuPG or of SSH (`kargo.md` §2.4, git-commit).

The key lies in a private folder outside the work directory while git runs, and nowhere afterwards. Signatures of GnuPG
are dated as the commit is: with an RSA or Ed25519 key a repeat makes the same SHA. ECDSA draws at random.
"""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from airfreight.artifacts.git_access import write_private
from airfreight.errors import SettingsError

_SIGN_ALL = {"commit.gpgSign": "true", "tag.gpgSign": "true"}
_SECONDS = 60


@contextmanager
def signing(key: str, at: datetime) -> Iterator[Mapping[str, str]]:
    """Give the configuration with which git signs by the private key `key` and trusts it alone; empty without a key.

    Raises SettingsError where the key is of neither kind, has a passphrase, or its program is not installed.
    """
    if not key:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="airfreight-key-") as folder:
        private = Path(folder)
        if "BEGIN PGP PRIVATE KEY BLOCK" in key:
            try:
                yield _SIGN_ALL | _with_gpg(key, private, at)
            finally:
                _run(["gpgconf", "--homedir", str(private), "--kill", "all"])
        elif "PRIVATE KEY-----" in key:
            yield _SIGN_ALL | _with_ssh(key, private)
        else:
            raise SettingsError(
                "the signing key is no private key: expected the text that begins with "
                "-----BEGIN PGP PRIVATE KEY BLOCK----- or -----BEGIN OPENSSH PRIVATE KEY-----"
            )


def _with_ssh(key: str, private: Path) -> dict[str, str]:
    place = write_private(private / "key", key)
    public = _run(["ssh-keygen", "-y", "-P", "", "-f", place])
    return {
        "gpg.format": "ssh",
        "gpg.ssh.allowedSignersFile": write_private(private / "signers", f"* {public}"),
        "user.signingKey": place,
    }


def _with_gpg(key: str, private: Path, at: datetime) -> dict[str, str]:
    gpg = ["gpg", "--homedir", str(private), "--batch", "--no-tty", "--quiet"]
    _run([*gpg, "--import"], key)
    listed = _run([*gpg, "--with-colons", "--list-secret-keys"])
    fingerprint = next(line for line in listed.splitlines() if line.startswith("fpr:")).split(":")[
        9
    ]
    moment = f"{at.astimezone(UTC):%Y%m%dT%H%M%S}!"
    command = [*gpg, "--pinentry-mode", "error", "--faked-system-time", moment]
    program = Path(write_private(private / "sign", f'#!/bin/sh\nexec {shlex.join(command)} "$@"'))
    program.chmod(0o700)
    return {
        "gpg.format": "openpgp",
        "gpg.program": str(program),
        "user.signingKey": fingerprint,
    }


def _run(command: list[str], given: str = "") -> str:
    """Return what the program printed; its complaints are quoted, as they name no part of the key."""
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, and a key only by file or standard input
            command, input=given, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except FileNotFoundError:
        raise SettingsError(
            f"the program {command[0]} is not installed on this machine, and signing needs it"
        ) from None
    if done.returncode:
        raise SettingsError(
            f"{command[0]} does not take the signing key (a key with a passphrase cannot be used): "
            f"{done.stderr.strip()[-300:]}"
        )
    return done.stdout.strip()
