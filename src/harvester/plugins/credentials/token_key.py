"""Keys that pilots trade for new tokens, from the PanDA server (plugins reference §4.14, panda-protocol §11.2)."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import Field

from harvester.core.errors import HarvesterError
from harvester.plugins.api import (
    CredentialManager,
    CredentialSettings,
    CredentialState,
    Done,
    Failed,
    Invalid,
    Later,
    Unknown,
    Valid,
)
from harvester.plugins.tools.lasting_files import write_privately


class TokenKeySettings(CredentialSettings):
    """Settings of the manager.

    Attributes:
        file: the file of the key.
        client_name: whose key it is.
        refresh_interval: minutes after which it is asked for again: the server does not say how long a key is good.
    """

    file: str = Field(alias="token_key_file")
    client_name: str
    refresh_interval: float = Field(default=60.0, gt=0)

    def files(self) -> Iterable[str]:
        """`token_key_file`."""
        return (self.file,)


class TokenKeyManager(CredentialManager[TokenKeySettings]):
    """Keeps one key as the server has it."""

    Settings = TokenKeySettings

    def names(self) -> Sequence[str]:
        """`token_key_file`."""
        return (self.settings.file,)

    def check(self, names: Sequence[str]) -> Sequence[CredentialState]:
        """How old the file is."""
        return [self._state_of(Path(name)) for name in names]

    def renew(self, names: Sequence[str]) -> Sequence[Done | Later | Failed]:
        """Ask for the key."""
        return [self._renew(Path(name)) for name in names]

    def _state_of(self, path: Path) -> CredentialState:
        try:
            status = path.stat()
        except FileNotFoundError:
            return Invalid(f"{path} is not there")
        except OSError as error:
            return Unknown(f"{path} cannot be looked at: {error.strerror}")
        if status.st_size == 0:
            return Invalid(f"{path} is empty")
        age = self.context.file_time() - datetime.fromtimestamp(status.st_mtime, UTC)
        return Valid(is_due=age >= timedelta(minutes=self.settings.refresh_interval))

    def _renew(self, path: Path) -> Done | Later | Failed:
        if self.context.server is None:
            return Later("there is no PanDA server to ask")
        try:
            write_privately(path, self.context.server.token_key(self.settings.client_name))
        except HarvesterError as error:
            return Later(str(error))
        except OSError as error:
            return Later(f"{path} cannot be written: {error.strerror}; correct the permissions of its directory")
        return Done()
