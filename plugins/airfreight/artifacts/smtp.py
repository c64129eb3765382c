"""Sends a mail over SMTP, to checked addresses only."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage

import httpcore

from airfreight.artifacts.guarded_http import checked_addresses
from airfreight.errors import ArtifactError, AuthenticationError, SettingsError, TransientError
from airfreight.model.credential import Credential

_SECONDS = 30.0
_LONGEST_REASON = 200
_TLS_PORT = 465


@dataclass(frozen=True)
class MailServer:
    """Where a server is and what opens it.

    With `tls` the connection is encrypted: from its beginning on port 465, else by STARTTLS. A login travels
    unencrypted only with `allow_plain_login`.
    """

    host: str
    port: int
    login: Credential | None
    tls: bool
    verify: bool
    allow_loopback: bool
    allow_plain_login: bool

    def send(self, mail: EmailMessage) -> dict[str, str]:
        """Send, and return the recipients that the server refused, each with its reason; raises ArtifactError.

        Raises RefusedError for a closed address, SettingsError for a login that would travel unencrypted.
        """
        if self.login is not None and not (self.tls or self.allow_plain_login):
            raise SettingsError(
                f"the login for {self.host} would travel unencrypted: set useTLS: true, "
                "or the setting allow_credentials_over_http"
            )
        with self._faults(), self._connected() as client:
            refused = client.send_message(mail)
        return {address: self._said(*answer) for address, answer in refused.items()}

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        context = self._context() if self.tls else None
        implicit = context if self.port == _TLS_PORT else None
        client = _GuardedSMTP(self.host, self.port, implicit, self.allow_loopback)
        try:
            if context is not None and implicit is None:
                client.starttls(context=context)
            if self.login is not None:
                client.login(self.login.username, self.login.password)
            yield client
            # The mail is sent: how the server takes leave must not have it sent again.
            with suppress(smtplib.SMTPException, OSError):
                client.quit()
        finally:
            client.close()

    def _context(self) -> ssl.SSLContext:
        authority = self.login.ca_certificate if self.login is not None else ""
        context = ssl.create_default_context(cadata=authority or None)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Raise smtplib's exceptions as ours; a refusal that the server calls lasting is not worth another try."""
        where = f"the mail server {self.host}:{self.port}"
        try:
            yield
        except smtplib.SMTPAuthenticationError as error:
            said = self._said(error.smtp_code, error.smtp_error)
            raise AuthenticationError(f"{where} refused the login: {said}") from None
        except smtplib.SMTPRecipientsRefused as error:
            answers = error.recipients.values()
            told = "; ".join(f"{who}: {self._said(*a)}" for who, a in error.recipients.items())
            lasting = all(code >= 500 for code, _ in answers)
            kind = ArtifactError if lasting else TransientError
            raise kind(f"{where} refused every recipient: {told}") from None
        except smtplib.SMTPResponseException as error:
            kind = ArtifactError if error.smtp_code >= 500 else TransientError
            said = self._said(error.smtp_code, error.smtp_error)
            raise kind(f"{where} refused: {said}") from None
        except smtplib.SMTPNotSupportedError as error:
            raise ArtifactError(f"{where} cannot do what is needed: {error}") from None
        except UnicodeError:
            raise ArtifactError(f"{where} takes logins and addresses of ASCII only") from None
        except ssl.SSLCertVerificationError as error:
            raise ArtifactError(f"{where}: {error.verify_message}") from None
        except (smtplib.SMTPException, httpcore.ConnectError, OSError) as error:
            raise TransientError(f"{where} did not answer: {type(error).__name__}") from None

    def _said(self, code: int, answer: bytes | str) -> str:
        text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
        plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        masked = self.login.mask(plain) if self.login is not None else plain
        return f"{code} {masked[:_LONGEST_REASON]}"


class _GuardedSMTP(smtplib.SMTP):
    """Connects to checked addresses; with `context` it speaks TLS from the beginning."""

    def __init__(
        self, host: str, port: int, context: ssl.SSLContext | None, allow_loopback: bool
    ) -> None:
        self._context = context
        self._allow_loopback = allow_loopback
        super().__init__(host, port, timeout=_SECONDS)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = _connect(host, port, timeout, self._allow_loopback)
        if self._context is None:
            return connection
        return self._context.wrap_socket(connection, server_hostname=host)


def _connect(host: str, port: int, timeout: float, allow_loopback: bool) -> socket.socket:
    failure: OSError | None = None
    for address in checked_addresses(host, port, allow_loopback=allow_loopback):
        try:
            return socket.create_connection((address, port), timeout)
        except OSError as error:
            failure = error
    raise failure or OSError(f"{host} has no address")
