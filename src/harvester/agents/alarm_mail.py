"""Mails an alarm (core reference §3.11)."""

import os
import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Final

from pydantic import SecretStr

from harvester.config.service import Settings
from harvester.core.errors import HarvesterError
from harvester.core.sealed import unsealed

SUBJECT: Final = "Harvester Alarm"
_TIMEOUT: Final = 30.0


class MailError(HarvesterError):
    """A mail that could not be sent; the message tells no password."""


class AlarmMail:
    """Sends alarms as `[watcher]` says.

    Args:
        settings: with `[watcher]`.
        who: the process that is in trouble, in words.
        environ: has the pass-phrase under the name `passphraseEnv`, if account and password are encrypted.
    """

    def __init__(self, settings: Settings, who: str, environ: Mapping[str, str] = os.environ) -> None:
        self._settings = settings
        self._who = who
        self._environ = environ

    def send(self, found: Mapping[str, str]) -> None:
        """Tell what is stuck.

        Raises:
            MailError: there is nobody to tell, or the mail server cannot be reached or refuses.
        """
        section = self._settings.watcher
        if not section.mail_server or not section.mail_to:
            raise MailError("[watcher] has no mailServer or no mailTo")
        try:
            with smtplib.SMTP(section.mail_server, section.mail_port or 0, timeout=_TIMEOUT) as server:
                if section.mail_use_ssl:
                    server.starttls(context=ssl.create_default_context())
                if section.mail_user and section.mail_password:
                    server.login(self._plain(section.mail_user), self._plain(section.mail_password))
                server.send_message(self._message(found))
        except (OSError, smtplib.SMTPException) as error:
            reason = str(error) or type(error).__name__
            raise MailError(f"{section.mail_server}: {reason}; correct the mail keys of [watcher]") from None

    def _plain(self, secret: SecretStr) -> str:
        phrase = self._environ.get(self._settings.watcher.passphrase_env, "")
        return unsealed(secret.get_secret_value(), phrase)

    def _message(self, found: Mapping[str, str]) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = SUBJECT
        message["From"] = self._settings.watcher.mail_from or self._settings.watcher.mail_to[0]
        message["To"] = ", ".join(self._settings.watcher.mail_to)
        lines = [f"{name}: {reason}" for name, reason in found.items()]
        advice = "`harvester status` tells how the instance does, the logs what came before."
        message.set_content("\n".join([f"{self._who} is stuck.", "", *lines, "", advice]))
        return message
