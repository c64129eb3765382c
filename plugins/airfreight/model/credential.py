"""What opens a repository."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field

from airfreight.model.masking import mask


@dataclass(frozen=True)
class Credential:
    """A user name with its password, or a key for SSH; the secrets show in no `repr`, `str` or traceback of it.

    `ssh_private_key` and `signing_key` are texts as `ssh-keygen` and `gpg` write them, without a passphrase.
    `known_hosts` are lines of the file of this name: the host keys that are trusted.
    `ca_certificate` is in PEM: the only authority whose certificates are trusted; empty for those of the machine.
    `renew` is there where the password is a token that ends: whoever sees it refused fetches another by it, once. It
    blocks, returns None where there is no other, and raises as the first fetch does.
    """

    username: str
    password: str = field(repr=False)
    ssh_private_key: str = field(default="", repr=False)
    known_hosts: str = ""
    ca_certificate: str = ""
    signing_key: str = field(default="", repr=False)
    renew: Callable[[], Credential | None] | None = field(default=None, repr=False, compare=False)

    def mask(self, text: str) -> str:
        """Return `text` with every spelling of the password replaced, Basic authentication included."""
        if not self.password:
            return text
        pairs = (f"{self.username}:{self.password}", f":{self.password}")
        basic = [base64.b64encode(pair.encode()).decode() for pair in pairs]
        return mask(text, (self.password, *basic))
