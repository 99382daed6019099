"""Secrets in every place where a configuration may have some, and all that an instance ever shows to anybody."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping

from sqlalchemy import URL, MetaData, create_engine, select

from harvester.config.service import load_settings
from harvester.service import database_url
from system_harness.config_server import ConfigServer
from system_harness.door import door_section
from system_harness.queues import QUEUE, local_push, some_jobs
from system_harness.site import Row, Sections, Site
from system_harness.voms import Voms

PLANT = "PLANTED"
"""Stands in every secret that is planted here."""
DATABASE_PASSWORD = f"{PLANT}-database"
_FAILING_PLUGIN = """
from harvester.plugins.api import CredentialManager, PluginSettings

class Talkative(CredentialManager[PluginSettings]):
    def names(self):
        raise RuntimeError("cannot log in at https://me:PLANTED-in-a-plugin@host with password=PLANTED-in-a-plugin")

    def check(self, names):
        raise NotImplementedError

    def renew(self, names):
        raise NotImplementedError
"""


class Planted:
    """A site full of secrets.

    Args:
        site: of which nothing is configured yet.
        pool: hands out the remote queue configuration.
        database: `[db]` without its password, which is `DATABASE_PASSWORD`; a file when there is none.
    """

    def __init__(self, site: Site, pool: ConfigServer, database: Mapping[str, object] | None = None) -> None:
        self._site = site
        self._pool = pool
        self._answers: dict[str, str] = {}
        self._door = door_section(site)
        self.voms = Voms(site.directory / "voms")
        self.voms.give(hours=94)  # two less than are asked for: so it is due at once
        plugins = site.directory / "plugins"
        plugins.mkdir()
        (plugins / "talkative.py").write_text(_FAILING_PLUGIN)
        for name in ("pair.pem", "token", "door.key"):
            (site.directory / name).write_text(self._content(name))
            (site.directory / name).chmod(0o600)
        site.add_plugins(plugins)
        site.environment |= {
            "PATH": self.voms.path,
            "HARVESTER_DB_PASSWORD": DATABASE_PASSWORD,
            "HARVESTER_QUEUE_CONFIG_URL": f"{pool.url}?token={PLANT}-address",
        }
        queue = local_push(site)
        pool.give({QUEUE: {**queue, "common": {"password": f"{PLANT}-remote"}, "maxWorkers": 4}})
        own: Row = {"common": {"apiKey": f"{PLANT}-queue"}}
        site.configure({QUEUE: own}, self._sections({**(database or {}), "password": "$HARVESTER_DB_PASSWORD"}))
        logs = site.directory / "logs"
        (site.directory / "panda_common.cfg").write_text(f"[logger]\nlogdir = {logs}\nlog_level = DEBUG\n")

    @staticmethod
    def _content(name: str) -> str:
        if name == "pair.pem":
            return f"-----BEGIN RSA PRIVATE KEY-----\n{PLANT}-pair\n-----END RSA PRIVATE KEY-----\n"
        return f"{PLANT}-{name}-0123456789abcdef0123456789abcdef"

    def _sections(self, database: Mapping[str, object]) -> Sections:
        here = self._site.directory
        token = f"eyJ{PLANT}.eyJzdWIiOiJtZSJ9.{PLANT}"
        configs = [
            {
                "module": "talkative",
                "name": "Talkative",
                "configs": {"loud": {"client_secret": f"{PLANT}-client", "outCertFile": str(here / "none")}},
            }
        ]
        return {
            "db": database,
            "pandacon": {"auth_type": "oidc", "auth_origin": "vo", "auth_token": token},
            "credmanager": {
                "moduleName": "pandaharvester.harvestercredmanager.no_voms_cred_manager",
                "className": "NoVomsCredManager",
                "inCertFile": self.voms.credential,
                "outCertFile": here / "proxy",
                "voms": "atlas",
                "sleepTime": 1,
                "pluginConfigs": "\n  " + json.dumps(configs, indent=1).replace("\n", "\n  "),
            },
            "frontend": {**self._door, "enable": True},
            "cacher": {
                "data": f"\n  globus_secret||file:{here}/pair.pem\n  far.json||http://me:{PLANT}-line@127.0.0.1:1/f?token={PLANT}",
                "refreshInterval": 0,
                "sleepTime": 1,
            },
            "watcher": {
                "actions": "email",
                "mailServer": "127.0.0.1",
                "mailPort": 1,
                "mailTo": "me",
                "mailUser": f"{PLANT}-account",
                "mailPassword": f"{PLANT}-mail",
            },
            "service_monitor": {"active": True, "sleepTime": 1},
        }

    @property
    def needles(self) -> list[str]:
        """What must not be found: the mark of all that was planted, and a line of the key of the proxies."""
        lines = self.voms.credential.read_text().splitlines()
        begin = next(place for place, line in enumerate(lines) if "PRIVATE KEY" in line)
        return [PLANT, lines[begin + 2]]

    def run_with_trouble(self) -> None:
        """Jobs, and as many different complaints as there can be."""
        site = self._site
        site.server.control.add_jobs(some_jobs(6))
        site.start()
        site.until_running(2)
        self.voms.go_down()
        self._pool.go_away()
        site.server.go_away()
        for area, words in (
            ("propagator", "http://127.0.0.1"),
            ("cred_manager", "plugin failed"),
            ("cred_manager", "the VOMS server is down"),
            ("cacher", "queues_config_file"),
            ("cacher", "far.json"),
        ):
            site.until(lambda a=area, w=words: w in self._said(a), f"panda-{area}.log tells of {words}")  # type: ignore[misc]
        self._ask("/metrics", "/health", "/nothing")
        site.server.come_back()
        site.until_jobs_end()
        site.kill()
        site.start()
        site.until_workers_end()
        assert site.terminate() == 0

    def judge(self) -> None:
        """No output holds what was planted; nor does a file that others may read."""
        for name, text in self.shown():
            found = [line for line in text.splitlines() if any(needle in line for needle in self.needles)]
            assert found == [], name
        for path in (self._site.directory / "work").rglob("*"):
            if path.is_file() and path.stat().st_mode & 0o077:
                content = path.read_bytes()
                assert not any(needle.encode() in content for needle in self.needles), path

    def _ask(self, *paths: str) -> None:
        """Keep what the web pages say now, for the judgement."""
        for path in paths:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._door['portNumber']}{path}", timeout=30) as answer:
                    self._answers[path] = answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    self._answers[path] = error.read().decode()

    def _said(self, area: str) -> str:
        path = self._site.directory / "logs" / f"panda-{area}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # ---- all that is shown

    def shown(self) -> Iterator[tuple[str, str]]:
        """Every output with its name."""
        yield "standard error", self._site.log
        for path in sorted((self._site.directory / "logs").iterdir()):
            yield str(path), path.read_text(errors="replace")
        for words in _COMMANDS:
            done = self._site.call(*words)
            yield " ".join(words), done.stdout + done.stderr
        settings = load_settings([self._site.configuration], self._site.surroundings()).settings
        if settings is None:
            raise AssertionError("the configuration was usable a moment ago")
        url = database_url(settings)
        yield "database", dump(url)
        yield from self._answers.items()


_COMMANDS = (
    ("check", "--verbose"),
    ("check", "--json"),
    ("status",),
    ("status", "--json"),
    ("status", "--health"),
    ("queue", "ls"),
    ("queue", "show", QUEUE, "--json"),
    ("queue", "explain", QUEUE),
    ("worker", "show", "1", "--json"),
    ("worker", "explain", "1"),
    ("job", "ls", "--json"),
)


def dump(url: URL) -> str:
    """All that is in a database."""
    engine = create_engine(url)
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        rows = [str(row) for table in tables.sorted_tables for row in connection.execute(select(table))]
    engine.dispose()
    return "\n".join(rows)
