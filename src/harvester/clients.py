"""The clients of all servers that an instance talks to, as its configuration says."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from harvester.config.instance_sections import Pandacon
from harvester.config.service import Settings
from harvester.core.clock import Clock, utc_now
from harvester.panda.auth import AuthType, Credentials, HostTable, credentials_for, load_host_table, token_file
from harvester.panda.checkpoints import Acquaintances, Checkpoints
from harvester.panda.client import PandaClient
from harvester.panda.file_server import FileServer
from harvester.panda.idds import Idds

_PATIENCE: Final = 30.0
"""Seconds for which the server may be silent when it is asked for a credential: others wait to be renewed."""


class PandaCredentials:
    """What the instance's server gives in the way of credentials: `plugins.api.CredentialSource`.

    Each call has a connection of its own, since it comes rarely, and perhaps with another certificate than the last.

    Raises:
        CredentialError: the table of hosts cannot be used.
    """

    def __init__(self, settings: Settings, clock: Clock = utc_now) -> None:
        self._instance = settings.master.harvester_id
        self._timeout = min(settings.pandacon.timeout, _PATIENCE)
        self._credentials = credentials_for(
            settings.pandacon.server_url, _general(settings.pandacon), _hosts(settings.pandacon)
        )
        self._clock = clock
        self.url = settings.pandacon.server_url

    def proxy(self, role: str, certificate: str | None) -> str:
        """The proxy that the server keeps for a role, given to whoever shows this file with certificate and key.

        Raises:
            PandaUnavailable: the server does not answer.
            PandaRefused: it says no.
        """
        with self._client(certificate) as client:
            return client.proxy(role)

    def token_key(self, client_name: str) -> str:
        """The key that pilots of a client trade for new tokens.

        Raises:
            PandaUnavailable: the server does not answer.
            PandaRefused: it says no.
        """
        with self._client(None) as client:
            return client.token_key(client_name)

    def _client(self, certificate: str | None) -> PandaClient:
        shown = self._credentials
        if certificate is not None:
            shown = replace(shown, auth_type=AuthType.X509, cert_file=certificate, key_file=certificate)
        return PandaClient(self.url, shown, self._instance, timeout=self._timeout, retries=1, clock=self._clock)


def credential_files(settings: Settings) -> Mapping[str, str]:
    """The files that are shown to servers, each with the key of `[pandacon]` that names it.

    Raises:
        CredentialError: the table of hosts cannot be used.
    """
    panda = settings.pandacon
    general, hosts = _general(panda), _hosts(panda)
    others = [credentials_for(f"https://{host}", general, hosts) for host in hosts]
    named = {path: "multihost_auth_config" for each in others for _, path in _files_of(each)}
    return {**named, **{path: key for key, path in _files_of(general)}}


def _files_of(shown: Credentials) -> Iterator[tuple[str, str]]:
    if shown.auth_type is AuthType.X509 and shown.cert_file:
        yield "cert_file", shown.cert_file
    elif shown.auth_type is AuthType.OIDC and (file := token_file(shown.auth_token or "")):
        yield "auth_token", file


def panda_client(settings: Settings, clock: Clock = utc_now) -> PandaClient:
    """The client for the instance's server.

    Raises:
        CredentialError: a certificate, token or table of hosts cannot be used.
    """
    client = untried_client(settings, clock)
    client.require_credentials()
    return client


def untried_client(settings: Settings, clock: Clock = utc_now) -> PandaClient:
    """The same, before anybody has looked whether its certificate or token can be used: that shows in each call.

    Raises:
        CredentialError: the table of hosts cannot be used.
    """
    panda = settings.pandacon
    credentials = credentials_for(panda.server_url, _general(panda), _hosts(panda))
    return PandaClient(panda.server_url, credentials, settings.master.harvester_id, timeout=panda.timeout, clock=clock)


def file_server(settings: Settings, clock: Clock = utc_now) -> FileServer | None:
    """The client for the server that takes logs; None where nobody could read them there.

    Raises:
        CredentialError: as for `panda_client`.
    """
    panda = settings.pandacon
    if panda.panda_cache_url_r is None:
        return None
    credentials = credentials_for(panda.file_server_url, _general(panda), _hosts(panda))
    return FileServer(panda.file_server_url, credentials, timeout=panda.timeout, clock=clock)


def checkpoints_client(settings: Settings, clock: Clock = utc_now) -> Checkpoints:
    """The client for the servers that jobs name for their checkpoints.

    Raises:
        CredentialError: the table of hosts cannot be used.
    """
    panda = settings.pandacon
    known = Acquaintances(panda.server_url, _general(panda), _hosts(panda))
    return Checkpoints(known, timeout=panda.timeout, clock=clock)


def idds_client(settings: Settings) -> Idds | None:
    """The client for iDDS, if the configuration names one."""
    panda = settings.pandacon
    return Idds(panda.idds_url, _general(panda), timeout=panda.timeout) if panda.idds_url else None


def _general(panda: Pandacon) -> Credentials:
    return Credentials(
        auth_type=AuthType(panda.auth_type),
        cert_file=panda.cert_file,
        key_file=panda.key_file,
        ca_cert=panda.ca_cert,
        auth_token=panda.auth_token.get_secret_value() if panda.auth_token else None,
        auth_origin=panda.auth_origin,
    )


def _hosts(panda: Pandacon) -> HostTable:
    return load_host_table(Path(panda.multihost_auth_config)) if panda.multihost_auth_config else {}
