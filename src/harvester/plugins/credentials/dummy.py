"""A credential manager that does nothing: for tests, and for set-ups that others take care of."""

from collections.abc import Iterable, Sequence

from pydantic import Field

from harvester.plugins.api import CredentialManager, CredentialSettings, CredentialState, Done, Failed, Later, Valid


class DummyCredentialSettings(CredentialSettings):
    """Settings of the dummy.

    Attributes:
        out_cert_file: the credential that it calls valid.
    """

    out_cert_file: str | None = Field(default=None, alias="outCertFile")

    def files(self) -> Iterable[str]:
        """`outCertFile`: somebody else makes it."""
        return (self.out_cert_file,) if self.out_cert_file else ()


class DummyCredentialManager(CredentialManager[DummyCredentialSettings]):
    """Every credential is valid for ever, whether there is one or not (plugins reference §4.14)."""

    Settings = DummyCredentialSettings

    def names(self) -> Sequence[str]:
        """The file, if one is named."""
        return (self.settings.out_cert_file,) if self.settings.out_cert_file else ()

    def check(self, names: Sequence[str]) -> Sequence[CredentialState]:
        """All are valid."""
        return [Valid() for _ in names]

    def renew(self, names: Sequence[str]) -> Sequence[Done | Later | Failed]:
        """Nothing to do."""
        return [Done() for _ in names]
