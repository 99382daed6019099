"""The main configuration of the address in `HARVESTER_INSTANCE_CONFIG_URL`, and the copy for starts without it.

The address is asked when the service starts. What has proved usable is kept in a file of the account, without secrets;
commands that only look take that, since the service works with it.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx2

from harvester.config.dialect import Sections
from harvester.config.remote import INSTANCE_URL, Fetched, RemoteError, RemoteText, fault_of, kept_text
from harvester.config.sources import state_dir
from harvester.core.clock import Clock, utc_now
from harvester.core.masking import bare_address
from harvester.core.origin import Origin
from harvester.panda.auth import Credentials
from harvester.panda.downloads import CONFIGURATION, Downloader, DownloadError
from harvester.plugins.tools.lasting_files import write_privately

_ADVICE: Final = "check [pandacon] ca_cert of the local files, or SSL_CERT_FILE"
_UNREADABLE: Final = "it is no text in UTF-8"


class RemoteInstance:
    """Gets the main configuration of an address (`ReadRemote`).

    Args:
        environ: the process environment, which says where files of the account are.
        prefers_copy: whether a copy is good enough if there is one.
        clock: what time it is.
        network: replaces the network, for tests.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        prefers_copy: bool = False,
        clock: Clock = utc_now,
        network: httpx2.BaseTransport | None = None,
    ) -> None:
        self._environ = environ
        self._prefers_copy = prefers_copy
        self._clock = clock
        self._network = network
        self._place: Path | None = None

    @property
    def place(self) -> Path | None:
        """The file of the copy; None if nobody has asked for a main configuration."""
        return self._place

    def __call__(self, address: str, local: Sections) -> RemoteText:
        """What stands at the address, or the copy of what stood there.

        Args:
            address: where it is.
            local: the sections of the local files.

        Raises:
            RemoteError: there is neither.
        """
        self._place = self._copy_of(address, local)
        if self._prefers_copy and (copy := self._read_copy(address)):
            return copy
        now, shown = self._clock(), bare_address(address)
        try:
            text = self._download(address, local)
        except DownloadError as error:
            if copy := self._read_copy(address, problem=f"the main configuration cannot be fetched: {error}"):
                return copy
            told = f"the main configuration cannot be fetched, and this host has no copy of it yet: {error}"
            raise RemoteError(f"{told}, or unset {INSTANCE_URL} and write all into local files") from None
        return RemoteText(Origin(shown, now, now), text)

    def keep(self, fetched: Fetched) -> str:
        """Let the next start have it, if it was fetched now; why it cannot be kept, empty if it is.

        Args:
            fetched: a usable main configuration.
        """
        if self._place is None or fetched.origin.problem:
            return ""
        copy = {"fetched_at": fetched.origin.fetched_at.isoformat(), "text": kept_text(fetched.source)}
        try:
            self._place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_privately(self._place, json.dumps(copy))  # processes of a web server start at the same time
        except OSError as error:
            return f"{self._place} cannot be written: {error.strerror}"
        return ""

    def _download(self, address: str, local: Sections) -> str:
        """A text that can be a main configuration.

        Raises:
            DownloadError: there is none.
        """
        downloader = Downloader(_trust(local), advice=_ADVICE, bounds=CONFIGURATION, pinned=True, network=self._network)
        content = downloader.get(address)
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text, fault = "", _UNREADABLE
        else:
            fault = fault_of(text)
        if fault:
            raise DownloadError(
                f"{bare_address(address)}: {fault}; name the address of the file itself, and look at it"
            )
        return text

    def _copy_of(self, address: str, local: Sections) -> Path:
        """The file of the copy; the address itself may hold a secret, so its name tells none of it."""
        stated = local.get("master", {}).get("workDir")
        state = Path(stated.text) if stated else state_dir(self._environ)
        return state / "remote" / f"instance-{hashlib.sha256(address.encode()).hexdigest()[:16]}.json"

    def _read_copy(self, address: str, problem: str = "") -> RemoteText | None:
        """The copy; None if there is none, or if it is damaged."""
        if self._place is None:
            return None
        try:
            copy = json.loads(self._place.read_bytes())
            text, fetched_at = str(copy["text"]), datetime.fromisoformat(copy["fetched_at"]).astimezone(UTC)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        origin = Origin(bare_address(address), fetched_at, self._clock(), problem.rpartition("; ")[0] or problem)
        return None if fault_of(text) else RemoteText(origin, text)


def _trust(local: Sections) -> Credentials:
    """The certificate to show and whom to believe, as far as local files say."""
    stated = {key: entry.value for key, entry in local.get("pandacon", {}).items()}
    paths = {key: value for key in ("cert_file", "key_file") if isinstance(value := stated.get(key), str) and value}
    ca_cert = stated.get("ca_cert")
    return Credentials(
        cert_file=paths.get("cert_file"),
        key_file=paths.get("key_file"),
        ca_cert=ca_cert if isinstance(ca_cert, str) and ca_cert else False if ca_cert is False else None,
    )
