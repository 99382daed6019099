"""Checkpoints of points of hyper-parameter searches, on the servers that jobs name as `sourceURL`.

A job names the bare address of a server (protocol reference §11.5): files are fetched from `/cache/` there, and the
methods that store and remove them are under `/api/v1/`. Who submits a task has a say in that address, so credentials go
only where the configuration sends them.
"""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import BinaryIO, Final
from urllib.parse import urlsplit

import stamina

from harvester.core.clock import Clock, utc_now
from harvester.core.errors import HarvesterError
from harvester.core.samples import LARGEST_CHECKPOINT, SamplePoint
from harvester.panda.auth import AuthType, Credentials, HostTable, credentials_for
from harvester.panda.closing import Closable
from harvester.panda.errors import CredentialError, PandaRefused, PandaUnavailable
from harvester.panda.transport import Transport
from harvester.panda.wire import Wire

_API: Final = "/api/v1"
_SOURCE: Final = "sourceURL of the job"
_RETRIES: Final = 2
_LONGEST: Final = 600.0
"""Seconds that a checkpoint may take to come in."""
_REMEMBERED: Final = 16
_HTTP_OK, _HTTP_NOT_FOUND = 200, 404


class NoCheckpointError(HarvesterError):
    """The server has no checkpoint of a point."""


@dataclass(frozen=True, slots=True)
class Acquaintances:
    """To which servers credentials are shown.

    Attributes:
        server_url: the instance's own server.
        general: what that is shown.
        hosts: what others are.
    """

    server_url: str
    general: Credentials
    hosts: HostTable

    def credentials_for(self, url: str) -> Credentials:
        """What a server is shown.

        Raises:
            PandaRefused: it must not be shown what we have.
            CredentialError: the table of hosts names something unknown.
        """
        own = credentials_for(url, self.general, self.hosts)
        server, mine = urlsplit(url), urlsplit(self.server_url)
        is_mine = server.hostname == mine.hostname
        is_known = is_mine or own is not self.general
        is_covered = server.scheme == "https" or (is_mine and server.scheme == mine.scheme)
        may_ask = is_known and is_covered if own.auth_type is AuthType.OIDC else is_known or is_covered
        if not may_ask:
            advice = "have it name an https address of a host in [pandacon] multihost_auth_config"
            what = f"a job has its checkpoints at {server.scheme}://{server.hostname}"
            raise PandaRefused(_SOURCE, f"{what}, which may not be shown the credentials; {advice}")
        return own


STRANGERS: Final = Acquaintances("", Credentials(), {})


@dataclass(frozen=True, slots=True)
class _Source(Closable):
    methods: Transport
    files: Wire

    def close(self) -> None:
        self.methods.close()
        self.files.close()


class Checkpoints(Closable):
    """Stores, fetches and removes checkpoints; may be used from many threads.

    Every method raises PandaUnavailable when there is no usable answer, and PandaRefused when the server said no or is
    none that may be asked.

    Args:
        acquaintances: to whom credentials are shown.
        timeout: seconds for connecting and for each silence of a server.
    """

    def __init__(
        self, acquaintances: Acquaintances = STRANGERS, *, timeout: float = 60.0, clock: Clock = utc_now
    ) -> None:
        self._acquaintances = acquaintances
        self._timeout = timeout
        self._clock = clock
        self._lock = Lock()
        self._sources: OrderedDict[str, _Source] = OrderedDict()

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            while self._sources:
                self._sources.popitem()[1].close()

    def store(self, source_url: str, point: SamplePoint, file: BinaryIO) -> None:
        """Keep an open file as the point's checkpoint, in place of an earlier one."""
        self._source(source_url).methods.send_file("file_server/upload_hpo_checkpoint", point.checkpoint, file)

    def remove(self, source_url: str, point: SamplePoint) -> None:
        """The point needs no checkpoint any more."""
        arguments = {"task_id": str(point.task_id), "sub_id": point.point_id}
        self._source(source_url).methods.post("file_server/delete_hpo_checkpoint", arguments, repeatable=True)

    def fetch(self, source_url: str, point: SamplePoint, target: BinaryIO) -> None:
        """Write the point's checkpoint into an empty file.

        Raises:
            NoCheckpointError: there is none.
            OSError: the file cannot be written.
        """
        wire = self._source(source_url).files
        path = f"cache/hpo_cp_{point.checkpoint}"
        for attempt in stamina.retry_context(on=PandaUnavailable, attempts=_RETRIES + 1, timeout=self._timeout):
            with attempt:
                target.seek(0)
                target.truncate()
                _fetch(wire, path, target)

    def _source(self, source_url: str) -> _Source:
        base = source_url.rstrip("/").removesuffix(_API)
        with self._lock:
            if base not in self._sources:
                self._sources[base] = self._opened(base)
                if len(self._sources) > _REMEMBERED:
                    self._sources.popitem(last=False)[1].close()
            self._sources.move_to_end(base)
            return self._sources[base]

    def _opened(self, base: str) -> _Source:
        try:
            credentials = self._acquaintances.credentials_for(base)
            methods = Transport(self._wire(base + _API, credentials), retries=_RETRIES)
            return _Source(methods, self._wire(base, credentials))
        except (ValueError, CredentialError) as error:
            raise PandaRefused(_SOURCE, str(error)) from None

    def _wire(self, url: str, credentials: Credentials) -> Wire:
        return Wire(url, credentials, stated_in=_SOURCE, clock=self._clock, timeout=self._timeout)


def _fetch(wire: Wire, path: str, target: BinaryIO) -> None:
    with wire.answer("GET", path) as response:
        if response.status_code == _HTTP_NOT_FOUND:
            raise NoCheckpointError(f"{wire.base_url}/{path}: there is no checkpoint")
        if response.status_code != _HTTP_OK:
            words = f"the checkpoint is not given: HTTP {response.status_code}"
            raise PandaUnavailable(f"{wire.base_url}/{path}", words, status=response.status_code)
        target.writelines(wire.pieces(response, LARGEST_CHECKPOINT, _LONGEST))
