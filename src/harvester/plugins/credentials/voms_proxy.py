"""Proxies with or without attributes of a virtual organisation, made by `voms-proxy-init` (plugins reference §4.14)."""

import os
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import Field

from harvester.plugins.api import (
    CredentialManager,
    CredentialState,
    Done,
    Failed,
    Invalid,
    Later,
    PluginContext,
    PluginSettings,
    Unknown,
    Valid,
)
from harvester.plugins.tools.commands import Commands, Ran, Result

_TIMEOUT: Final = 120.0
_LONGEST_WORDS: Final = 300


class VomsProxySettings(PluginSettings):
    """Settings of the manager.

    Attributes:
        in_file: certificate and key, or a long proxy, to make the proxy from.
        out_file: the proxy.
        voms: attributes, as in `atlas:/atlas/Role=production`; none for a plain proxy.
        from_key_and_certificate: use `cert` and `key` instead of `in_file`.
        check_period: hours that a new proxy may lose before it is renewed.
        lifetime: hours that a new proxy is valid.
        renew_command: the program, with arguments if need be.
        extra_options: further arguments.
        lifetime_option: how the lifetime is asked for.
    """

    in_file: str | None = Field(default=None, alias="inCertFile")
    out_file: str = Field(alias="outCertFile")
    voms: str | None = None
    from_key_and_certificate: bool = Field(default=False, alias="genFromKeyCert")
    key: str | None = None
    cert: str | None = None
    check_period: float = Field(default=1.0, alias="checkPeriod", ge=0)
    lifetime: int = Field(default=96, ge=1)
    renew_command: str = Field(default="voms-proxy-init", alias="renewCommand")
    extra_options: str = Field(default="", alias="extraRenewOpts")
    lifetime_option: str = Field(default="-valid {lifetime}:00", alias="lifetimeOptFormat")


class VomsProxyManager(CredentialManager[VomsProxySettings]):
    """Keeps one proxy valid. A new one takes the old one's place only when it is complete and lasts longer."""

    Settings = VomsProxySettings

    def __init__(self, settings: VomsProxySettings, context: PluginContext) -> None:
        super().__init__(settings, context)
        self._commands = Commands(_TIMEOUT)

    def names(self) -> Sequence[str]:
        """`outCertFile`."""
        return (self.settings.out_file,)

    def check(self, names: Sequence[str]) -> Sequence[CredentialState]:
        """What `voms-proxy-info` says; it is due when it has lost `checkPeriod` hours."""
        return [self._state_of(Path(name)) for name in names]

    def renew(self, names: Sequence[str]) -> Sequence[Done | Later | Failed]:
        """Make the proxy beside the old one and then rename it."""
        return [self._renew(Path(name)) for name in names]

    def _state_of(self, path: Path) -> CredentialState:
        if not path.exists():
            return Invalid(f"{path} is not there")
        left = self._seconds_left(path)
        if isinstance(left, str):
            return Unknown(left)
        if left <= 0:
            return Invalid(f"{path} has run out")
        wanted = (self.settings.lifetime - self.settings.check_period) * 3600
        return Valid(self.context.clock() + timedelta(seconds=left), is_due=left < wanted)

    def _seconds_left(self, path: Path) -> int | str:
        """How long the proxy lasts, or why that is not known."""
        result = self._run("voms-proxy-info", ("voms-proxy-info", "-timeleft", "-file", str(path)))
        words = result.out.strip() if isinstance(result, Ran) else ""
        if words.removeprefix("-").isdecimal():
            return int(words)
        return f"voms-proxy-info does not tell how long {path} lasts: {_words_of(result)}"

    def _renew(self, path: Path) -> Done | Later | Failed:
        try:
            with _beside(path) as fresh:
                return self._make(fresh, path)
        except OSError as error:
            return Later(f"{path} cannot be written: {error.strerror}; correct the permissions of its directory")

    def _make(self, fresh: Path, path: Path) -> Done | Later:
        result = self._run(self.settings.renew_command, self._arguments(fresh))
        if not isinstance(result, Ran) or result.exit_code != 0:
            return Later(f"{self.settings.renew_command} failed: {_words_of(result)}")
        left, old = self._seconds_left(fresh), self._seconds_left(path) if path.exists() else 0
        if isinstance(left, str) or left <= 0:
            return Later(f"{self.settings.renew_command} made no valid proxy; the old one is kept")
        if isinstance(old, int) and left < old:
            return Later(f"the new proxy would last {left} s, the old one lasts {old} s and is kept")
        fresh.chmod(0o600)
        fresh.replace(path)
        return Done()

    def _arguments(self, fresh: Path) -> list[str]:
        settings = self.settings
        source = settings.in_file
        cert, key = (settings.cert, settings.key) if settings.from_key_and_certificate else (source, source)
        return [
            *shlex.split(settings.renew_command),
            "-rfc",
            *(() if settings.from_key_and_certificate else ("-noregen",)),
            *(("-voms", settings.voms) if settings.voms else ()),
            "-out",
            str(fresh),
            *shlex.split(settings.lifetime_option.replace("{lifetime}", str(settings.lifetime))),
            *((f"-cert={cert}",) if cert else ()),
            *((f"-key={key}",) if key else ()),
            *shlex.split(settings.extra_options),
        ]

    def _run(self, program: str, arguments: Sequence[str]) -> Result:
        return self._commands.run(program, arguments, environment=os.environ)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A private file in the same directory, gone afterwards unless it was renamed."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _words_of(result: Result) -> str:
    if not isinstance(result, Ran):
        return result.reason
    words = " ".join((result.err.strip() or result.out.strip()).split())
    return words[-_LONGEST_WORDS:] or f"exit code {result.exit_code}"
