"""The sections of the agents that keep the instance itself in order, core reference §1.8."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from harvester.config.effects import Idle, Later
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

_NO_WATCH = Idle("nothing is watched")
_NO_APFMON = Idle("no pilot factory monitor is told about workers")


class Watcher(Section):
    """`[watcher]`: notices that an agent is stuck."""

    log_file_name_list: Annotated[CommaList, _NO_WATCH] = ("panda-db_proxy.log",)
    """Log files to watch, in the log directory."""
    max_stalled: Annotated[Seconds, _NO_WATCH] = 300
    """Longest silence; 0 for no such test."""
    n_messages: Annotated[Count, _NO_WATCH] = 1000
    """Lines looked at for `maxDuration`; 0 for no such test."""
    max_duration: Annotated[Seconds, _NO_WATCH] = 600
    """Longest time for that many lines; 0 for no such test."""
    check_interval: Annotated[Seconds, _NO_WATCH] = 180
    """Period of the tests."""
    sleep_time: Annotated[Seconds, _NO_WATCH] = 60
    """Pause between cycles."""
    actions: Annotated[CommaList, Later("nobody is told, see `harvester status`")] = ()
    """What to do: `email`, `kill`, `terminate`."""
    passphrase_env: Annotated[Text, _NO_WATCH] = "HARVESTER_WATCHER_PASSPHRASE"  # noqa: S105 -- the name of a variable, no secret
    """Environment variable with the pass-phrase of the mail account."""
    mail_server: Annotated[Text | None, _NO_WATCH] = None
    """Mail server."""
    mail_port: Annotated[Port | None, _NO_WATCH] = None
    """Its port."""
    mail_use_ssl: Annotated[Flag, Field(alias="mailUseSSL"), _NO_WATCH] = False
    """Mail goes over TLS."""
    mail_user: Annotated[Secret | None, _NO_WATCH] = None
    """Account, encrypted."""
    mail_password: Annotated[Secret | None, _NO_WATCH] = None
    """Its password, encrypted."""
    mail_from: Annotated[Text | None, _NO_WATCH] = None
    """Sender."""
    mail_to: Annotated[CommaList, _NO_WATCH] = ()
    """Receivers."""


class CredManager(Section):
    """`[credmanager]`: renews proxies and tokens."""

    module_name: Lines = ()
    """Modules of the plugins."""
    class_name: Lines = ()
    """Classes of the plugins, one per module."""
    in_cert_file: Lines = ()
    """Proxies without attributes, one per module."""
    cert_file: Lines = ()
    """Older name of `inCertFile`."""
    out_cert_file: Lines = ()
    """Proxies to make, one per module; `[pandacon] cert_file` when not set."""
    voms: Lines = ()
    """VOMS attributes, one per module. The shortest of these lists decides how many plugins there are."""
    plugin_configs: PluginConfigs = ()
    """Plugins with several set-ups: `[{"module", "name", "configs": {set-up: {parameter: value}}}]`."""
    sleep_time: Seconds = 1800
    """Pause between checks."""


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

    active: Annotated[Flag, Later("no pilot factory monitor is told about workers")] = False
    """Whether it runs."""
    base_url: Annotated[Text, Field(alias="base_url"), _NO_APFMON] = "http://apfmon.lancs.ac.uk/api"
    """Its address."""
    worker_timeout: Annotated[Number | None, Field(alias="worker_timeout"), _NO_APFMON] = None
    """Time-out of all its calls in seconds; 0.5, 0.2 and 1 for creating, updating and labels when not set."""
