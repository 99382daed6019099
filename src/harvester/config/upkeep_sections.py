"""The sections of the agents that keep the instance itself in order, core reference §1.8."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from harvester.config.fields import (
    CommaList,
    Count,
    FilePath,
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


class Watcher(Section):
    """`[watcher]`: notices that an agent is stuck."""

    later: ClassVar[Mapping[str, str]] = {"actions": "nobody is told, see `harvester status`"}

    log_file_name_list: CommaList = ("panda-db_proxy.log",)
    """Log files to watch, in the log directory."""
    max_stalled: Seconds = 300
    """Longest silence; 0 for no such test."""
    n_messages: Count = 1000
    """Lines looked at for `maxDuration`; 0 for no such test."""
    max_duration: Seconds = 600
    """Longest time for that many lines; 0 for no such test."""
    check_interval: Seconds = 180
    """Period of the tests."""
    sleep_time: Seconds = 60
    """Pause between cycles."""
    actions: CommaList = ()
    """What to do: `email`, `kill`, `terminate`."""
    passphrase_env: Text = "HARVESTER_WATCHER_PASSPHRASE"  # noqa: S105 -- the name of a variable, no secret
    """Environment variable with the pass-phrase of the mail account."""
    mail_server: Text | None = None
    """Mail server."""
    mail_port: Port | None = None
    """Its port."""
    mail_use_ssl: Annotated[Flag, Field(alias="mailUseSSL")] = False
    """Mail goes over TLS."""
    mail_user: Secret | None = None
    """Account, encrypted."""
    mail_password: Secret | None = None
    """Its password, encrypted."""
    mail_from: Text | None = None
    """Sender."""
    mail_to: CommaList = ()
    """Receivers."""


class CredManager(Section):
    """`[credmanager]`: renews proxies and tokens."""

    later: ClassVar[Mapping[str, str]] = {
        "moduleName": "somebody else has to renew credentials",
        "pluginConfigs": "somebody else has to renew credentials",
    }

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
    """VOMS attributes, one per module."""
    plugin_configs: PluginConfigs = ()
    """Plugins with several set-ups: `[{"module", "name", "configs": {set-up: {parameter: value}}}]`."""
    sleep_time: Seconds = 1800
    """Pause between checks."""


class FileSyncer(Section):
    """`[file_syncer]`: keeps local copies of remote files."""

    later: ClassVar[Mapping[str, str]] = {"pluginConfigs": "somebody else has to copy those files"}

    plugin_configs: PluginConfigs = ()
    """As in `[credmanager]`."""
    sleep_time: Seconds = 600
    """Pause between cycles."""


class Cacher(Section):
    """`[cacher]`: keeps remote information in the database."""

    later: ClassVar[Mapping[str, str]] = {"data": "nothing is fetched"}

    data: Lines = ()
    """One entry per line: `main key|sub key|URL|dump file`, the last one optional."""
    refresh_interval: Minutes = 10
    """Period of fetching."""
    sleep_time: Seconds = 60
    """Pause between cycles."""


class ServiceMonitor(Section):
    """`[service_monitor]`: measures this instance and its host."""

    active: Flag = False
    """Whether it runs."""
    disk_volumes: Annotated[CommaList, Field(alias="disk_volumes")] = ()
    """Volumes to measure, each `/<name>`."""
    pidfile: FilePath | None = None
    """File with the process id, where it is not given at start."""
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
