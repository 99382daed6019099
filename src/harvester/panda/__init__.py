"""The PanDA server as a Harvester sees it: its calls, its messages, and how to be let in."""

from harvester.panda.auth import AuthType, Credentials, credentials_for, load_host_table
from harvester.panda.client import PandaClient
from harvester.panda.errors import BadJob, CredentialError, PandaError, PandaRefused, PandaUnavailable

__all__ = [
    "AuthType",
    "BadJob",
    "CredentialError",
    "Credentials",
    "PandaClient",
    "PandaError",
    "PandaRefused",
    "PandaUnavailable",
    "credentials_for",
    "load_host_table",
]
