"""A whole service lives on real proxies and tokens, fails to renew them, and tells nobody a secret."""

import base64
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from system_harness.queues import QUEUE, local_push, some_jobs
from system_harness.site import Site

pytestmark = [pytest.mark.system, pytest.mark.real]

AUDIENCE = "https://storage.example.org"
ROLE = "testvo:/testvo/Role=production"
PASS_PHRASE = "planted-pass-phrase"
WRONG_SECRET = "planted-wrong-secret"


class Organisation(Protocol):
    """What the fixture of the virtual organisation gives."""

    environment: Mapping[str, str]
    robot: Path


class TokenIssuer(Protocol):
    """What the fixture of the issuer gives."""

    url: str
    client_id: str
    client_secret: str
    ca: Path


class Keeping:
    """The files of a site with three credentials, one of which cannot be had: its key has a pass phrase."""

    def __init__(self, site: Site, organisation: Organisation, issuer: TokenIssuer) -> None:
        self.site, self.issuer = site, issuer
        self.place = site.directory / "credentials"
        self.place.mkdir()
        self.proxy, self.locked, self.account = (self.place / name for name in ("proxy", "locked", "client.json"))
        self._lock_key(organisation.robot)
        self.say_secret(issuer.client_secret)
        proxies = {
            "robot": {"inCertFile": str(organisation.robot), "outCertFile": str(self.proxy), "voms": ROLE},
            "locked": {"inCertFile": str(self.locked), "outCertFile": str(self.place / "never")},
        }
        tokens = {
            "client_cred_file": str(self.account),
            "out_dir": str(self.place),
            "target_list": [AUDIENCE],
            "ca_cert": str(issuer.ca),
            "refresh_interval": 1,
            "check_interval": 0,
        }
        server = {**tokens, "target_type": "panda", "refresh_interval": 3600}
        configs = [
            {"plugin": "voms_proxy", "configs": proxies},
            {"plugin": "iam_token", "configs": {"storage": tokens, "server": server}},
        ]
        shown = {"auth_type": "oidc", "auth_origin": "vo", "auth_token": f"file:{self.token_of_server}"}
        site.environment.update(organisation.environment)
        manager = {"pluginConfigs": f"\n  {json.dumps(configs)}", "sleepTime": 1}
        site.configure({QUEUE: local_push(site)}, {"credmanager": manager, "pandacon": shown})

    def _lock_key(self, robot: Path) -> None:
        command = ["openssl", "pkey", "-in", robot, "-aes256", "-passout", f"pass:{PASS_PHRASE}"]
        key = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
        self.locked.write_bytes(robot.read_bytes().partition(b"-----BEGIN PRIVATE KEY")[0] + key)
        self.locked.chmod(0o600)

    def say_secret(self, secret: str) -> None:
        """What the client says from now on."""
        said = {"issuer": self.issuer.url, "client_id": self.issuer.client_id, "client_secret": secret}
        self.account.write_text(json.dumps(said))
        self.account.chmod(0o600)

    @property
    def token_of_server(self) -> Path:
        return self.place / "panda_token"

    @property
    def tokens(self) -> list[str]:
        return [path.read_text() for path in self.place.iterdir() if re.fullmatch("[0-9a-f]{32}", path.name)]

    @property
    def secrets(self) -> Sequence[bytes]:
        """What nobody may find."""
        keys = [line for line in self.proxy.read_bytes().splitlines() if len(line) == 64]
        plain = [PASS_PHRASE, WRONG_SECRET, self.issuer.client_secret, *self.tokens, self.token_of_server.read_text()]
        coded = [base64.b64encode(each.encode()).decode() for each in (WRONG_SECRET, self.issuer.client_secret)]
        return [*keys, *(each.encode() for each in (*plain, *coded))]

    def outside(self) -> bytes:
        """Everything that the service has written elsewhere: log, database, state."""
        files = (path for path in self.site.directory.rglob("*") if path.is_file() and self.place not in path.parents)
        return b"\n".join(path.read_bytes() for path in files)


def test_nothing_tells_a_secret_and_nothing_is_lost(site: Site, organisation: Organisation, issuer: TokenIssuer):
    keeping = Keeping(site, organisation, issuer)
    site.server.control.add_jobs(some_jobs(1))
    site.start()
    site.until(lambda: bool(keeping.tokens) and keeping.proxy.exists(), "proxy and token are made")
    site.until_jobs_end()
    site.until_logged("credential is in danger", str(keeping.place / "never"), "voms-proxy-init")
    first = keeping.tokens
    site.until(lambda: keeping.tokens != first, "the token is renewed")
    keeping.say_secret(WRONG_SECRET)
    site.until_logged("credential is in danger", AUDIENCE, "invalid_client")
    kept = keeping.tokens
    told = site.told_by("status")
    assert "HTTP 401: invalid_client" in told
    assert str(keeping.proxy) in told
    keeping.say_secret(issuer.client_secret)
    site.until(lambda: keeping.tokens != kept, "the token is renewed again")
    assert site.terminate() == 0
    written = keeping.outside() + told.encode() + site.told_by("status").encode()
    assert len(keeping.secrets) > 10
    assert [each for each in keeping.secrets if each in written] == []
    assert kept[0].encode() not in written
    assert b"eyJ" not in written
