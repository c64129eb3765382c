"""What ``secret()`` and ``sharedSecret()`` read: logins of Connections, by the names of Secrets (`kargo.md` §3.3)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable

from airfreight.errors import ExpressionError, SettingsError
from airfreight.expr.gofloat import parse_float
from airfreight.model.connections import SHARED_PREFIX, ConnectionIds
from airfreight.model.credential import Credential
from airfreight.model.masking import mask
from airfreight.model.project import RepositoryCredential
from airfreight.runtime.credentials import own_connection
from airfreight.runtime.functions import Data


class ConnectionSecrets:
    """Reads each Connection once, and remembers what must not be shown.

    `read` returns the login of a Connection's id, or raises SettingsError.
    """

    def __init__(
        self,
        ids: ConnectionIds,
        credentials: Iterable[RepositoryCredential],
        read: Callable[[str], Credential | None],
    ) -> None:
        self._ids = ids
        known = tuple(credentials)
        self._own = {credential.name: credential for credential in known if not credential.shared}
        self._shared = {credential.name: credential for credential in known if credential.shared}
        self._read = read
        self._logins: dict[str, Credential] = {}

    def own(self, name: str) -> Data:
        """Return ``username`` and ``password`` of a Secret of the project, or nothing where there is none.

        Raises ExpressionError where the Connection is missing, or none that the project may use.
        """
        credential = self._own.get(name)
        return self._login(credential) if credential is not None else {}

    def shared(self, name: str) -> Data:
        """Return the same of a generic Secret that all projects share; of any other one, nothing.

        A Secret of the project that names a shared Connection counts as one where none in `_cluster/` has its name.
        """
        credential = self._shared.get(name) or self._own.get(name)
        if (
            credential is None
            or credential.cred_type != "generic"
            or not credential.connection_id.startswith(SHARED_PREFIX)
        ):
            return {}
        return self._login(credential)

    def redact(self, text: str) -> str:
        """Return `text` without the passwords that were read."""
        passwords = [login.password for login in self._logins.values()]
        return mask(text, (*passwords, *map(_number, passwords)))

    def _login(self, credential: RepositoryCredential) -> Data:
        try:
            connection_id = own_connection(credential.connection_id, self._ids)
            login = self._logins.get(connection_id) or self._read(connection_id)
        except SettingsError as error:
            raise ExpressionError(f"secret {credential.name!r}: {error}") from error
        login = login or Credential(username="", password="")
        self._logins[connection_id] = login
        return {"username": login.username, "password": login.password}


def _number(password: str) -> str:
    """Return how messages show the number that a template makes of such a password, or nothing."""
    number = parse_float(password)
    if number is None or not math.isfinite(number):
        return ""
    return json.dumps(int(number) if number.is_integer() else number)
