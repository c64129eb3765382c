"""What a mail says → a message as RFC 5322 has it."""

from __future__ import annotations

from contextlib import suppress
from email.errors import HeaderParseError
from email.headerregistry import Address, AddressHeader
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime
from typing import Annotated, Any

from pydantic import AfterValidator

from airfreight.errors import TerminalStepError
from airfreight.model.channel import SmtpChannel
from airfreight.steps.base import StepConfig


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("expected one line of text")
    return value


Line = Annotated[str, AfterValidator(_one_line)]


class Mail(StepConfig):
    """An encoded mail; the first of `to` is the recipient, the others get a copy."""

    to: tuple[str, ...] = ()
    subject: Line = ""
    body: str = ""
    html: bool = False


def mail_message(channel: SmtpChannel, mail: Mail, unique: str) -> EmailMessage:
    """Return the message; `unique` is its id before the sender's domain. Raises TerminalStepError."""
    sender = _address(channel.from_)
    recipients = [_address(text) for text in mail.to or channel.to]
    if not recipients:
        raise TerminalStepError("the mail has no recipient: give smtp.to, or to in the channel")
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = recipients[0]
    if recipients[1:]:
        message["Cc"] = recipients[1:]
    message["Subject"] = mail.subject
    message["Date"] = localtime()
    message["Message-ID"] = f"<{unique}@{sender.domain}>"
    message.set_content(mail.body, subtype="html" if mail.html else "plain")
    return message


def _address(text: str) -> Address:
    """Read one address such as ``Kargo <kargo@example.com>``; nothing else may be in the text."""
    parsed: dict[str, Any] = {"defects": []}
    if text.isprintable():
        # Of some texts the parser reads beyond the end.
        with suppress(IndexError, HeaderParseError):
            AddressHeader.parse(text, parsed)
    groups = parsed.get("groups", ())
    found = [address for group in groups for address in group.addresses]
    if parsed["defects"] or len(found) != 1 or not found[0].username or not found[0].domain:
        raise TerminalStepError(f"{text!r} is no mail address")
    return Address(found[0].display_name, found[0].username, found[0].domain)
