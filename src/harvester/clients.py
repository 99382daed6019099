"""The clients of all servers that an instance talks to, as its configuration says."""

from pathlib import Path

from harvester.config.instance_sections import Pandacon
from harvester.config.service import Settings
from harvester.core.clock import Clock, utc_now
from harvester.panda.auth import AuthType, Credentials, HostTable, credentials_for, load_host_table
from harvester.panda.checkpoints import Acquaintances, Checkpoints
from harvester.panda.client import PandaClient
from harvester.panda.file_server import FileServer
from harvester.panda.idds import Idds


def panda_client(settings: Settings, clock: Clock = utc_now) -> PandaClient:
    """The client for the instance's server.

    Raises:
        CredentialError: a certificate, token or table of hosts cannot be used.
    """
    panda = settings.pandacon
    credentials = credentials_for(panda.server_url, _general(panda), _hosts(panda))
    client = PandaClient(
        panda.server_url, credentials, settings.master.harvester_id, timeout=panda.timeout, clock=clock
    )
    client.require_credentials()
    return client


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
