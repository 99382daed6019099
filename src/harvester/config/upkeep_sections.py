"""The sections of the agents that keep the instance itself in order, core reference §1.8."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Final

from pydantic import Field

from harvester.config.fields import (
    CommaList,
    Count,
    Flag,
    Lines,
    Minutes,
    Number,
    PluginConfigs,
    Port,
    Seconds,
    Secret,
    Section,
    Text,
)
from harvester.config.findings import instead
from harvester.config.problems import KeyProblem

ACTIONS: Final = ("email", "terminate", "kill")
"""What `[watcher] actions` may say."""


class Watcher(Section):
    """`[watcher]`: notices that a part of the service is stuck."""

    log_file_name_list: CommaList = ("panda-db_proxy.log",)
    """The parts to watch, by the logs that they write: `panda-monitor.log` for the monitor, `panda-db_proxy.log` and
    logs that do not exist here for all parts."""
    max_stalled: Seconds = 300
    """Longest time without looking for work; 0 for no such test."""
    n_messages: Count = 1000
    """0 for no test of `maxDuration`; other values make no difference."""
    max_duration: Seconds = 600
    """Longest time that work may wait for an agent that could take it; 0 for no such test."""
    check_interval: Seconds = 180
    """Period of the tests; the first one comes so long after the start."""
    sleep_time: Seconds = 60
    """Pause between cycles."""
    actions: CommaList = ()
    """What to do besides logging it: `email`, `terminate` (this process stops), `kill` (it stops, and is killed if it
    has not stopped after a minute)."""
    passphrase_env: Text = "HARVESTER_WATCHER_PASSPHRASE"  # noqa: S105 -- the name of a variable, no secret
    """Environment variable with the pass-phrase of `mailUser` and `mailPassword`, if they are encrypted."""
    mail_server: Text | None = None
    """Mail server."""
    mail_port: Port | None = None
    """Its port; 25 when not set."""
    mail_use_ssl: Annotated[Flag, Field(alias="mailUseSSL")] = False
    """Mail goes over TLS (STARTTLS)."""
    mail_user: Secret | None = None
    """Account, plain or encrypted."""
    mail_password: Secret | None = None
    """Its password, plain or encrypted."""
    mail_from: Text | None = None
    """Sender; the first receiver when not set."""
    mail_to: CommaList = ()
    """Receivers."""

    def problems(self) -> Iterator[KeyProblem]:
        """Actions that nobody knows, and mail that nobody would get."""
        for action in self.actions:
            if action not in ACTIONS:
                yield KeyProblem("actions", f"there is no action {action}", instead(action, ACTIONS, "remove it"))
        if "email" in self.actions and not (self.mail_server and self.mail_to):
            yield KeyProblem("actions", "email needs a mail server and receivers", "write mailServer and mailTo")


class CredManager(Section):
    """`[credmanager]`: renews proxies and tokens."""

    module_name: Lines = ()
    """Modules of the plugins."""
    class_name: Lines = ()
    """Classes of the plugins, one per module."""
    in_cert_file: Lines = ()
    """What the proxies are made from, one per module."""
    cert_file: Lines = ()
    """Older name of `inCertFile`."""
    out_cert_file: Lines = ()
    """Proxies to make, one per module; a single one is `[pandacon] cert_file` when not set."""
    voms: Lines = ()
    """VOMS attributes, one per module. A list that has more or fewer lines than `moduleName` is an error."""
    plugin_configs: PluginConfigs = ()
    """Plugins with several set-ups: `[{"module", "name", "configs": {set-up: {parameter: value}}}]`."""
    sleep_time: Seconds = 1800
    """Pause between checks; shorter while something would run out before the next one, or could not be renewed."""


class FileSyncer(Section):
    """`[file_syncer]`: keeps local copies of remote files."""

    plugin_configs: PluginConfigs = ()
    """As in `[credmanager]`."""
    sleep_time: Seconds = 600
    """Pause between cycles."""


class Cacher(Section):
    """`[cacher]`: keeps remote information in the database."""

    data: Lines = ()
    """One entry per line: `main key|sub key|URL|dump file`, the last one optional. The URL is `file:/path`, `http://…`,
    `https://…` (with the certificate of `[pandacon]`), `panda_server:method` or `panda_cache:public&private`; `$NAME`
    and `${NAME}` in it stand for environment variables."""
    refresh_interval: Minutes = 10
    """A document older than this is fetched again; one that cannot be had stays as it was."""
    sleep_time: Annotated[Seconds, Field(gt=0)] = 60
    """Pause between cycles, and until what could not be fetched is tried again."""


class ServiceMonitor(Section):
    """`[service_monitor]`: measures this instance and its host."""

    unused: ClassVar[Mapping[str, str]] = {"pidfile": "the processes of an instance are in its database"}

    active: Flag = False
    """Whether it runs."""
    disk_volumes: Annotated[CommaList, Field(alias="disk_volumes")] = ()
    """Volumes to measure, each `/<name>`."""
    sleep_time: Seconds = 300
    """Pause between measurements."""


class Apfmon(Section):
    """`[apfmon]`: tells a pilot factory monitor about workers."""

    active: Flag = False
    """Whether it runs."""
    base_url: Annotated[Text, Field(alias="base_url")] = "http://apfmon.lancs.ac.uk/api"
    """Its address."""
    worker_timeout: Annotated[Number | None, Field(alias="worker_timeout")] = None
    """Time-out of all its calls in seconds; 0.5, 0.2 and 1 for creating, updating and labels when not set."""
