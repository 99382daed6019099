"""Tokens by client credentials, one for each audience (plugins reference §4.14, panda-protocol §2.2).

Upstream asks for one after the other, three seconds each, and writes into the file that others read. Here all are asked
for at once, in bounded time, and none that fails keeps another from being had.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

import structlog
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from harvester.config.findings import Severity, severity_of_missing
from harvester.config.json_lines import JsonSyntaxError, parse_json
from harvester.config.places import is_file
from harvester.config.plugin_blocks import PluginProblem
from harvester.core.errors import HarvesterError
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
from harvester.plugins.credentials import token_targets
from harvester.plugins.credentials.issuer import Issuer, IssuerError, Wanted, is_open_to_others, read_account
from harvester.plugins.credentials.token_targets import Target
from harvester.plugins.credentials.validity import NoCredentialError, of_file, of_token
from harvester.plugins.tools.lasting_files import write_privately

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 8
_MOST_SECONDS: Final = 60.0
"""So long new requests are begun in one renewal: a silent issuer must not keep other managers waiting."""
_TOKEN_NAME: Final = re.compile(r"[0-9a-f]{32}")


def _listed(value: object) -> object:
    return [each for each in re.split(r"[,\s]+", value) if each] if isinstance(value, str) else value


class IamTokenSettings(CredentialSettings):
    """Settings of the manager.

    Attributes:
        in_file: a JSON file with all other settings, which then count alone.
        client_cred_file: JSON file with `issuer`, `client_id` and `client_secret`.
        out_dir: where the tokens go.
        target_type: `common`: audiences; `ce`: computing elements; `panda`: the PanDA server.
        target_list: the audiences, or addresses of computing elements; without any those of the queues.
        target_list_file: further ones, one a line.
        panda_token_filename: name of the file of the PanDA server's token.
        lifetime: seconds after which the file of a token that nobody wants any more is removed, if it has run out.
        check_interval: seconds after which a token that was refused is asked for again, at the earliest.
        refresh_interval: seconds after which a token is replaced, though it may be valid.
        ca_cert: authorities that the issuer's certificate is checked with; those of the system when not set.
        timeout: seconds that the issuer may be silent.
    """

    in_file: str | None = Field(default=None, alias="inFile")
    client_cred_file: str
    out_dir: str
    target_type: Literal["common", "ce", "panda"] = "common"
    target_list: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    target_list_file: str | None = None
    panda_token_filename: str = "panda_token"  # noqa: S105 - a name of a file
    lifetime: float = Field(default=1209600, gt=0)
    check_interval: float = Field(default=300, ge=0)
    refresh_interval: float = Field(default=3600, gt=0)
    ca_cert: str | None = None
    timeout: float = Field(default=10, gt=0, le=60)

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, block: object) -> object:
        name = block.get("inFile") if isinstance(block, Mapping) else None
        if not isinstance(name, str) or not name:
            return block
        try:
            content = parse_json(Path(name).read_text(encoding="utf-8"), name).value
        except (OSError, UnicodeDecodeError, JsonSyntaxError) as error:
            raise ValueError(f"inFile {name} cannot be used: {error}") from None
        if not isinstance(content, dict):
            raise ValueError(f"inFile {name} is no JSON object")  # noqa: TRY004 - pydantic wants a ValueError
        return {**content, "inFile": name}

    def files(self) -> Iterable[str]:
        """The token for the server; all others are called by whom they are for."""
        return (str(Path(self.out_dir) / self.panda_token_filename),) if self.target_type == "panda" else ()

    def mistakes(self, _role: str) -> Iterable[PluginProblem]:
        """A secret that is not there, cannot be used, or lies open; and nobody to ask tokens for."""
        path = Path(self.client_cred_file)
        key = "client_cred_file"
        if not is_file(path):
            severity = severity_of_missing(path, Severity.ERROR)
            elsewhere = severity is Severity.INFO
            yield PluginProblem(
                f"there is no {path}", "put it there", key, severity, may_pass=True, elsewhere=elsewhere
            )
        elif is_open_to_others(path):
            yield PluginProblem(f"{path} can be read by others", f"chmod 600 {path}", key, Severity.WARNING)
        else:
            try:
                read_account(path)
            except IssuerError as error:
                yield PluginProblem(str(error), "correct the file", key)
        if self.target_type == "common" and not (self.target_list or self.target_list_file):
            yield PluginProblem("names nobody to ask tokens for", "write the audiences", "target_list")


class IamTokenManager(CredentialManager[IamTokenSettings]):
    """Keeps one token for each target valid."""

    Settings = IamTokenSettings

    def __init__(self, settings: IamTokenSettings, context: PluginContext) -> None:
        super().__init__(settings, context)
        self._plan = settings
        self._lines: list[str] = []
        self._targets: dict[str, Target] = {}
        self._refused: dict[str, tuple[datetime, Later]] = {}

    def names(self) -> Sequence[str]:
        """The files of all present targets: lists and `inFile` are read anew."""
        self._plan = self._present_plan()
        found = self._present_targets(self._plan)
        self._targets = {str(Path(self._plan.out_dir) / each.file_name): each for each in found}
        return list(self._targets)

    def check(self, names: Sequence[str]) -> Sequence[CredentialState]:
        """What the tokens say of themselves, and how old their files are."""
        return [self._state_of(name) for name in names]

    def renew(self, names: Sequence[str]) -> Sequence[Done | Later | Failed]:
        """Ask for all tokens at once; what cannot be asked for in time waits for the next look."""
        outcomes: dict[str, Done | Later] = {name: said for name in names if (said := self._refused_lately(name))}
        wanted = [name for name in names if name not in outcomes]
        plan = self._plan
        try:
            account = read_account(Path(plan.client_cred_file))
            Path(plan.out_dir).mkdir(parents=True, exist_ok=True, mode=0o700)
            clock = self.context.clock
            with Issuer(account, ca_cert=plan.ca_cert, timeout=plan.timeout, clock=clock) as issuer:
                outcomes |= self._ask(issuer, wanted)
        except IssuerError as error:
            outcomes |= {name: Later(str(error)) for name in wanted}
        except OSError as error:
            outcomes |= {name: Later(f"out_dir {plan.out_dir} cannot be made: {error.strerror}") for name in wanted}
        self._forget_old_files()
        return [outcomes[name] for name in names]

    # ---- what is wanted

    def _present_plan(self) -> IamTokenSettings:
        """The settings as `inFile` has them now; while it is being changed, as they were."""
        if self.settings.in_file is None:
            return self.settings
        try:
            return IamTokenSettings.model_validate({"inFile": self.settings.in_file})
        except ValidationError as error:
            words = error.errors(include_input=False, include_url=False, include_context=False)[0]["msg"]
            log.warning("file is not used, its earlier content is", setup=self.context.setup, problem=words)
            return self._plan

    def _present_targets(self, plan: IamTokenSettings) -> list[Target]:
        if plan.target_type == "panda":
            url = self.context.server.url if self.context.server else ""
            return token_targets.of_server(url, plan.panda_token_filename) if url else []
        listed = [*plan.target_list, *self._present_lines(plan.target_list_file)]
        if plan.target_type == "common":
            return token_targets.of_audiences(listed)
        if listed:
            return token_targets.of_endpoints(listed)
        return token_targets.of_elements(self.context.elements())

    def _present_lines(self, name: str | None) -> list[str]:
        """The lines of the list; while it cannot be read, as they were."""
        if name is None:
            return []
        try:
            lines = map(str.strip, Path(name).read_text(encoding="utf-8").splitlines())
        except OSError as error:
            problem = f"target_list_file {name} cannot be read: {error.strerror}"
            if not self._lines:
                raise HarvesterError(problem) from None
            log.warning("file is not used, its earlier content is", setup=self.context.setup, problem=problem)
        else:
            self._lines = [line for line in lines if line and not line.startswith("#")]
        return self._lines

    # ---- how it is

    def _state_of(self, name: str) -> CredentialState:
        target, path = self._targets[name], Path(name)
        try:
            written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            validity = of_token(path.read_text(encoding="ascii", errors="replace").strip(), name)
        except FileNotFoundError:
            return Invalid(f"there is no token for {target.name} yet")
        except NoCredentialError:
            return Invalid(f"the file for {target.name} holds no token")
        except OSError as error:
            return Unknown(f"the token for {target.name} cannot be read: {error.strerror}")
        now = self.context.file_time()
        if validity.until is not None and validity.until <= now:
            return Invalid(f"the token for {target.name} has run out")
        until = None if validity.until is None else validity.until + self.context.ahead()
        return Valid(until, is_due=now - written >= timedelta(seconds=self._plan.refresh_interval))

    # ---- how it is had

    def _refused_lately(self, name: str) -> Later | None:
        """Why it was refused, if that is not long enough ago to ask for it again."""
        refused = self._refused.get(name)
        if refused and self.context.clock() - refused[0] < timedelta(seconds=self._plan.check_interval):
            return refused[1]
        return None

    def _ask(self, issuer: Issuer, names: Sequence[str]) -> dict[str, Done | Later]:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="tokens") as pool:
            futures = {name: pool.submit(self._fetch, issuer, name) for name in names}
            wait(futures.values(), timeout=_MOST_SECONDS)
            pool.shutdown(cancel_futures=True)
        return {name: self._outcome(name, future) for name, future in futures.items()}

    def _outcome(self, name: str, future: Future[Done | Later]) -> Done | Later:
        if future.cancelled():
            return Later(f"{self._targets[name].name}: not asked for yet, since the issuer is slow")
        outcome = future.result()
        self._refused.pop(name, None)
        if isinstance(outcome, Later):
            self._refused[name] = self.context.clock(), outcome
        return outcome

    def _fetch(self, issuer: Issuer, name: str) -> Done | Later:
        target = self._targets[name]
        try:
            token = issuer.token(Wanted(target.audience, target.scope))
            validity = of_token(token, "the issuer's answer")
            if validity.until is not None and validity.until <= self.context.file_time():
                return Later(f"{target.name}: the issuer gave a token that has run out; is this machine's clock right?")
            write_privately(Path(name), token)
        except HarvesterError as error:
            return Later(f"{target.name}: {error}")
        except OSError as error:
            return Later(f"{target.name}: {name} cannot be written: {error.strerror}")
        return Done()

    def _forget_old_files(self) -> None:
        """Remove tokens that nobody has asked for since long; a valid one stays, and what was never one of ours."""
        with suppress(OSError):
            for path in Path(self._plan.out_dir).iterdir():
                if _TOKEN_NAME.fullmatch(path.name) and str(path) not in self._targets and self._is_old(path):
                    path.unlink()

    def _is_old(self, path: Path) -> bool:
        """Whether no other set-up with the same directory can need it any more."""
        now = self.context.file_time()
        if now - datetime.fromtimestamp(path.lstat().st_mtime, UTC) < timedelta(seconds=self._plan.lifetime):
            return False
        try:
            until = of_file(path).until
        except NoCredentialError:
            return True
        return until is None or until <= now
