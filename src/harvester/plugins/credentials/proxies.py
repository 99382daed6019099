"""What all managers of proxies do alike: look at the proxy, make one beside it, and put the better one into its place.

Upstream asks `voms-proxy-info`, `grid-proxy-info` or `arcproxy` how long a proxy lasts (plugins reference §4.14). Here
it is read from the proxy itself: the same answer without a process, also where those programs are missing.
"""

import os
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Generic, TypeVar

from pydantic import Field

from harvester.config.findings import Severity, severity_of_missing
from harvester.config.places import is_file
from harvester.config.plugin_blocks import PluginProblem
from harvester.core.masking import masked
from harvester.plugins.api import (
    CredentialManager,
    CredentialSettings,
    CredentialState,
    Done,
    Failed,
    Invalid,
    Later,
    PluginContext,
    Unknown,
    Valid,
)
from harvester.plugins.credentials.validity import NoCredentialError, Validity, of_proxy
from harvester.plugins.tools.command_settings import Command
from harvester.plugins.tools.commands import Commands, Ran, complaint
from harvester.plugins.tools.lasting_files import lasting_replacement

_TIMEOUT: Final = 120.0
_LONGEST_WORDS: Final = 300
"""Of what a program prints that complains elsewhere; `arcproxy` tells only there what the VOMS server said."""


class ProxySettings(CredentialSettings):
    """What all managers of proxies are told.

    Attributes:
        out_file: the proxy.
        in_file: certificate and key, or a long proxy, that it is made from.
        voms: its attributes, as in `atlas:/atlas/Role=production`.
        lifetime: hours that a new proxy is valid.
        check_period: hours that a new proxy may lose before it is renewed.
    """

    out_file: str = Field(alias="outCertFile")
    in_file: str | None = Field(default=None, alias="inCertFile")
    voms: str | None = None
    lifetime: int = Field(default=96, ge=1)
    check_period: float = Field(default=24.0, alias="checkPeriod", ge=0)

    def files(self) -> Iterable[str]:
        """`outCertFile`."""
        return (self.out_file,)

    def mistakes(self, _role: str) -> Iterable[PluginProblem]:
        """Nothing to make a proxy from."""
        if self.in_file is not None and not is_file(Path(self.in_file)):
            severity = severity_of_missing(self.in_file, Severity.WARNING)
            advice = "put certificate and key there, or correct the path"
            elsewhere = severity is Severity.INFO
            problem = f"there is no file {self.in_file}"
            yield PluginProblem(problem, advice, "inCertFile", severity, may_pass=True, elsewhere=elsewhere)


ProxyT = TypeVar("ProxyT", bound=ProxySettings)


class ProxyManager(CredentialManager[ProxyT], Generic[ProxyT]):
    """Keeps one proxy valid. A new one takes the old one's place only when it is complete and lasts as long."""

    def names(self) -> Sequence[str]:
        """`outCertFile`."""
        return (self.settings.out_file,)

    def sources(self) -> Sequence[str]:
        """`inCertFile`."""
        return (self.settings.in_file,) if self.settings.in_file else ()

    def check(self, names: Sequence[str]) -> Sequence[CredentialState]:
        """Read the proxy; it is due when it has lost `checkPeriod` hours of what was asked for, or granted."""
        return [self._state_of(Path(name)) for name in names]

    def renew(self, names: Sequence[str]) -> Sequence[Done | Later | Failed]:
        """Make the proxy beside the old one and then rename it."""
        return [self._renew(Path(name)) for name in names]

    @property
    def wants_attributes(self) -> bool:
        """Whether a proxy without VOMS attributes is none that anybody could use."""
        return False

    @abstractmethod
    def make(self, new: Path) -> str:
        """Write a proxy into an empty private file; tells why that cannot be done, nothing if it was."""

    def _state_of(self, path: Path) -> CredentialState:
        try:
            validity = of_proxy(path)
        except FileNotFoundError:
            return Invalid(f"{path} is not there")
        except NoCredentialError as error:
            return Invalid(str(error))
        except OSError as error:
            return Unknown(f"{path} cannot be read: {error.strerror}")
        now = self.context.file_time()
        if validity.until is None or validity.until <= now:
            return Invalid(f"{path} has run out")
        is_due = self._lacks_attributes(validity) or validity.until - now < self._enough(validity)
        return Valid(validity.until + self.context.ahead(), is_due=is_due)

    def _enough(self, validity: Validity) -> timedelta:
        """How long it has to last: a server may have granted less time than was asked for."""
        asked = timedelta(hours=self.settings.lifetime)
        granted = asked
        if validity.since is not None and validity.until is not None:
            granted = validity.until - validity.since
        return min(asked, granted) - timedelta(hours=self.settings.check_period)

    def _lacks_attributes(self, validity: Validity) -> bool:
        return self.wants_attributes and validity.attributes is None

    def _renew(self, path: Path) -> Done | Later | Failed:
        try:
            with lasting_replacement(path) as new:
                if problem := self.make(new.path) or self._why_no_better(new.path, path):
                    return Later(masked(problem))
                new.take_place()
        except OSError as error:
            return Later(f"{path} cannot be written: {error.strerror}; correct the permissions of its directory")
        return Done()

    def _why_no_better(self, new: Path, old: Path) -> str:
        """Why the new proxy cannot take the place of the old one."""
        try:
            fresh = of_proxy(new)
        except NoCredentialError as error:
            return f"what was made is no proxy: {str(error).replace(str(new), 'it')}; the old one is kept"
        now = self.context.file_time()
        if fresh.until is None or fresh.until <= now:
            return "what was made is not valid any more; the old one is kept"
        if self._lacks_attributes(fresh):
            return f"what was made has no attributes of {self.settings.voms}; the old one is kept"
        before = self._end_of(old)
        if before is not None and fresh.until < before:
            ends = f"{fresh.until:%Y-%m-%d %H:%M}", f"{before:%Y-%m-%d %H:%M}"
            return f"the new proxy would last until {ends[0]}, the old one lasts until {ends[1]} and is kept"
        return ""

    def _end_of(self, path: Path) -> datetime | None:
        """Until when a proxy that may be worth keeping lasts."""
        try:
            validity = of_proxy(path)
        except (NoCredentialError, OSError):
            return None
        return None if self._lacks_attributes(validity) else validity.until


class CommandSettings(ProxySettings):
    """What managers of proxies are told that use a program.

    Attributes:
        extra_options: further arguments.
    """

    extra_options: Command | None = Field(default=None, alias="extraRenewOpts")


CommandT = TypeVar("CommandT", bound=CommandSettings)


class CommandProxyManager(ProxyManager[CommandT], Generic[CommandT]):
    """Has the proxy made by a program, which is ended when it takes too long."""

    def __init__(self, settings: CommandT, context: PluginContext) -> None:
        super().__init__(settings, context)
        self._commands = Commands(_TIMEOUT)

    @property
    def wants_attributes(self) -> bool:
        """If `voms` names some."""
        return self.settings.voms is not None

    @abstractmethod
    def arguments(self, new: Path) -> Sequence[str]:
        """The program with its arguments, without `extraRenewOpts`."""

    def make(self, new: Path) -> str:
        """Run the program; it gets nothing to read, so a key with a pass phrase makes it fail."""
        argv = [*self.arguments(new), *(self.settings.extra_options or ())]
        result = self._commands.run(argv[0], argv, environment={**os.environ, "LC_ALL": "C"})
        problem = complaint(argv[0], result)
        printed = " ".join(result.out.split())[-_LONGEST_WORDS:] if isinstance(result, Ran) and result.err else ""
        return f"{problem}; it printed: {printed}" if problem and printed else problem
