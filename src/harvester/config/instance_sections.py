"""The sections about the instance itself: identity, database, server, queues, pilots and logs.

Core reference §1.3 to §1.10. Where upstream has a default in its code, that is the default here too; for keys that had
to be set, the value of its template is. They stand in one file, long as it is, to be read beside that chapter.
"""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, model_validator

from harvester.config.effects import CHECKS_IN_DATABASE, Idle
from harvester.config.fields import (
    Count,
    FilePath,
    Flag,
    Hours,
    Kind,
    Port,
    Positive,
    Seconds,
    Secret,
    Section,
    Text,
    Url,
    Words,
)

Level = Literal["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"]
LEVELS: Mapping[str, Level] = {
    "CRITICAL": "CRITICAL",
    "FATAL": "CRITICAL",
    "ERROR": "ERROR",
    "WARNING": "WARNING",
    "WARN": "WARNING",
    "INFO": "INFO",
    "DEBUG": "DEBUG",
    "NOTSET": "DEBUG",
}
"""What each name of a level means, highest first."""
JsonDict = Annotated[dict[str, JsonValue], Kind("a JSON object", sample="a JSON object on lines of its own")]
PluginParameters = Annotated[
    dict[str, dict[str, JsonValue]],
    Kind("a JSON object with an object for each plugin", sample='{"class": {"setting": …}} on lines of its own'),
]
InstanceName = Annotated[
    str,
    Field(pattern=r"^[\w.@+-]+$", max_length=50),
    Kind(
        "a name of at most 50 letters, digits and . _ - + @",
        as_written=True,
        sample="the name registered in the PanDA server",
    ),
]
LevelName = Annotated[Level, BeforeValidator(lambda value: LEVELS.get(str(value).upper(), value))]


def _engine(value: object) -> object:
    """Upstream opens SQLite for every name that it does not know."""
    return "sqlite" if isinstance(value, str) and value.lower().startswith("sqlite") else value


def _better_engine(value: JsonValue) -> str | None:
    return "sqlite" if _engine(value) == "sqlite" != value else None


Engine = Annotated[
    Literal["sqlite", "mariadb", "postgresql"], BeforeValidator(_engine), Kind("", better=_better_engine)
]
CaBundle = Annotated[
    FilePath | Literal[False],
    BeforeValidator(lambda value: False if str(value).lower() == "false" else value),
    Kind("a path, or False", as_written=True, sample="the path of a CA bundle, or False"),
]


def _networks(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        ip_network(name)
    return names


Networks = Annotated[Words, AfterValidator(_networks), Kind("a list of networks", sample="10.1.0.0/16, one per line")]
_AS_MANY_AS_THREADS = Idle("every thread may send a request of its own")
_FOR_KUBERNETES = Idle("it is for Kubernetes, for which there is no plugin; a queue that asks for one is refused")


class Master(Section):
    """`[master]`: who this instance is."""

    unused: ClassVar[Mapping[str, str]] = {
        "loggername": "log names are fixed",
        "debugger_port": "there is no remote debugger",
    }

    uname: Annotated[Text | None, Field(alias="uname")] = None
    """Account of the service, by name or number and not root, when root starts it; otherwise whoever starts it."""
    gname: Annotated[Text | None, Field(alias="gname")] = None
    """Its group, likewise; the account's own when not set."""
    harvester_id: Annotated[InstanceName, Field(alias="harvester_id")]
    """Name of this instance, registered in the PanDA server; the same on all hosts that share one database."""
    work_dir: FilePath = "harvester"
    """Where this instance keeps its files unless told otherwise: `$PANDA_HOME/var/harvester/<harvester_id>`, without
    `PANDA_HOME` below `~/.local/state/harvester`."""
    dynamic_plugin_change: Annotated[
        Flag,
        Field(alias="dynamic_plugin_change"),
    ] = True
    """True: jobs and workers keep the plugins, with their settings, that their queue had when they were made. False:
    they follow the present ones. Limits and time-outs always are the present ones."""
    extra_plugin_configs: PluginParameters = Field(default={})
    """Settings for the plugins of all queues, by class or short name: `{class: {setting: value}}`. What a queue says
    in the plugin's block or in `common` wins."""


class Db(Section):
    """`[db]`: the database."""

    unused: ClassVar[Mapping[str, str]] = {"useInspect": "statements carry their names"}

    engine: Engine = "sqlite"
    """`sqlite` for one host; `mariadb` or `postgresql` when several processes or hosts share one instance."""
    verbose: Flag = False
    """Log every statement, without the values that it is about: they may be secrets."""
    n_connections: Positive = 10
    """Connections per process."""
    database_filename: Annotated[FilePath, Field(alias="database_filename")] = "harvester.db"
    """File of the SQLite database, on a local disk; `harvester.db` in `workDir` when not set."""
    user: Text = "harvester"
    """Account in MariaDB or PostgreSQL."""
    password: Secret | None = None
    """Its password."""
    schema_name: Annotated[Text, Field(alias="schema")] = "HARVESTER"
    """Name of the database."""
    host: Text = "127.0.0.1"
    """Host of the database."""
    use_mysqldb: Annotated[Flag, Field(alias="useMySQLdb")] = False
    """True: mysqlclient talks to MariaDB, in place of mysql-connector-python."""
    port: Port | None = None
    """Its port: 3306 for MariaDB, 5432 for PostgreSQL when not set."""
    reconnect_timeout: Annotated[Seconds, Idle("a lost connection is tried again until the database is back")] = 300
    """A lost connection is tried again for this long."""
    sync_max_worker_id: Annotated[Flag, Field(alias="syncMaxWorkerID")] = False
    """A new database starts after the highest worker id that the server knows."""

    @property
    def kind(self) -> Literal["sqlite", "mariadb", "mariadb-mysqldb", "postgresql"]:
        """The engine, with the way that leads to it."""
        return "mariadb-mysqldb" if self.engine == "mariadb" and self.use_mysqldb else self.engine


class Fifo(Section):
    """`[fifo]`: queues of checks outside the database."""

    fifo_module: Annotated[Text | None, CHECKS_IN_DATABASE] = None
    """Module of the plugin."""
    fifo_class: Annotated[Text | None, CHECKS_IN_DATABASE] = None
    """Class of the plugin."""
    database_filename: Annotated[FilePath | None, Field(alias="database_filename"), CHECKS_IN_DATABASE] = None
    """File for SQLite, not that of `[db]`; `$(TITLE)` stands for the name of the queue."""
    db_host: Annotated[Text, Field(alias="db_host"), CHECKS_IN_DATABASE] = "127.0.0.1"
    """Host for MariaDB."""
    db_port: Annotated[Port, Field(alias="db_port"), CHECKS_IN_DATABASE] = 3306
    """Its port."""
    db_user: Annotated[Text | None, Field(alias="db_user"), CHECKS_IN_DATABASE] = None
    """Account."""
    db_password: Annotated[Secret | None, Field(alias="db_password"), CHECKS_IN_DATABASE] = None
    """Its password."""
    db_schema: Annotated[Text | None, Field(alias="db_schema"), CHECKS_IN_DATABASE] = None
    """Name of the database."""
    reconnect_timeout: Annotated[Seconds, CHECKS_IN_DATABASE] = 300
    """A lost connection is tried again for this long."""


class Communicator(Section):
    """`[communicator]`: the connection to the server."""

    unused: ClassVar[Mapping[str, str]] = dict.fromkeys(("moduleName", "className"), "there is one client")

    n_connections: Annotated[Positive | None, _AS_MANY_AS_THREADS] = None
    """Requests at the same time; `[pandacon] nConnections` when not set."""


class Pandacon(Section):
    """`[pandacon]`: where the PanDA server is and how to log in."""

    unused: ClassVar[Mapping[str, str]] = {
        "pandaURL": "`pandaURLSSL` is read",
        "verbose": "use `[log_level]`",
        "useInspect": "use `[log_level]`",
    }
    advice: ClassVar[str] = "write server_api_url_ssl = https://host:25443/api/v1"

    server_api_url_ssl: Annotated[Url | None, Field(alias="server_api_url_ssl")] = None
    """Address of the server's API, as in `https://host:25443/api/v1`."""
    cache_api_url_ssl: Annotated[Url | None, Field(alias="cache_api_url_ssl")] = None
    """Address for uploads; that of `pandaCacheURL_W`, or the same server, when not set."""
    server_api_url: Annotated[Url | None, Field(alias="server_api_url")] = None
    """Used when neither `server_api_url_ssl` nor `pandaURLSSL` is set."""
    panda_url_ssl: Annotated[Url | None, Field(alias="pandaURLSSL")] = None
    """Older form of `server_api_url_ssl`: the same host with another path."""
    panda_cache_url_w: Annotated[Url | None, Field(alias="pandaCacheURL_W")] = None
    """Older form of `cache_api_url_ssl`: the same host with another path."""
    panda_cache_url_r: Annotated[Url | None, Field(alias="pandaCacheURL_R")] = None
    """Public address of the server's cache, in which uploaded logs are read; without it none is uploaded."""
    panda_cache_url: Annotated[Text | None, Field(alias="pandaCacheURL"), _FOR_KUBERNETES] = None
    """Host of the Kubernetes log server."""
    panda_cache_url_r_path: Annotated[Text | None, Field(alias="pandaCacheURL_R_path"), _FOR_KUBERNETES] = None
    """Its path for reading."""
    panda_cache_url_w_path: Annotated[Text | None, Field(alias="pandaCacheURL_W_path"), _FOR_KUBERNETES] = None
    """Its path for writing."""
    idds_url: Annotated[Url | None, Field(alias="iddsURL")] = None
    """iDDS server, which knows the points of hyper-parameter jobs; such jobs wait as long as it is not set."""
    timeout: Annotated[Seconds, Field(gt=0)] = 180
    """Time-out of a request."""
    auth_type: Annotated[Literal["x509", "oidc"], Field(alias="auth_type")] = "x509"
    """`x509`: client certificate. `oidc`: bearer token."""
    ca_cert: Annotated[CaBundle | None, Field(alias="ca_cert")] = None
    """CA bundle that the server's certificate is checked with; the system's when not set, False for no check."""
    cert_file: Annotated[FilePath | None, Field(alias="cert_file")] = None
    """Client certificate or proxy."""
    key_file: Annotated[FilePath | None, Field(alias="key_file")] = None
    """Its key; the same file for a proxy."""
    auth_token: Annotated[Secret | None, Field(alias="auth_token")] = None
    """Bearer token, or `file:/path` of a file that holds it."""
    auth_origin: Annotated[Text | None, Field(alias="auth_origin")] = None
    """Virtual organisation that the token stands for."""
    multihost_auth_config: Annotated[FilePath | None, Field(alias="multihost_auth_config")] = None
    """JSON file `{"host:port": {"auth_type", "cert_file", "key_file", "ca_cert", "auth_token"}}`."""
    n_connections: Annotated[Positive, _AS_MANY_AS_THREADS] = 5
    """Requests at the same time."""
    get_events_chunk_size: Positive = 5120
    """Event ranges per request."""

    @model_validator(mode="after")
    def _must_have_a_server(self) -> Self:
        if self.server_api_url_ssl or self.panda_url_ssl or self.server_api_url:
            return self
        raise ValueError("no address of the PanDA server")

    @property
    def server_url(self) -> str:
        """Base of the server's API, without a slash at the end."""
        stated = self.server_api_url_ssl or _api_of(self.panda_url_ssl) or self.server_api_url or ""
        return stated.rstrip("/")

    @property
    def file_server_url(self) -> str:
        """Base of the API that takes files, without a slash at the end."""
        stated = self.cache_api_url_ssl or _api_of(self.panda_cache_url_w) or self.server_url
        return stated.rstrip("/")


def _api_of(older_url: str | None) -> str | None:
    """The API of the host that an older address names."""
    if not older_url:
        return None
    parts = urlsplit(older_url)
    return f"{parts.scheme}://{parts.netloc}/api/v1"


class Qconf(Section):
    """`[qconf]`: where the queue configuration is and which queues are served."""

    config_file: FilePath = "panda_queueconfig.json"
    """File with the queue configuration."""
    config_from_cacher: Flag = False
    """Also take the remote queue configuration, which a line `queues_config_file` of `[cacher] data` fetches."""
    queue_list: Words = ("ALL",)
    """Queues to serve, one per line; `ALL` for all configured ones, `DYNAMIC` for these and those that the resolver
    gives to this instance."""
    resolver_module: Text | None = None
    """Module of the resolver, which asks the queues of CRIC, `panda_queues.json` of `[cacher] data`."""
    resolver_class: Text | None = None
    """Class of the resolver: `PandaQueuesDict`."""
    resolver_config: Annotated[JsonDict, Idle("what was fetched is looked at every few seconds")] = Field(default={})
    """Parameters of the resolver."""
    default_template_queue_name: Text | None = None
    """Template of a resolver's queue that implies none."""
    auto_blacklist: Flag = False
    """Take a queue that states no `queueStatus` offline when the resolver says so, or gives it to somebody else."""
    pilot_version: Text | None = None
    """Serve only queues with this pilot version in CRIC, and those that CRIC does not know."""
    update_interval: Annotated[Seconds, Field(gt=0)] = 600
    """Longest time between two full reloads of the queue configuration."""
    check_interval: Annotated[Seconds, Field(gt=0)] = 5
    """Period of looking whether a source of the queue configuration has changed."""


class Frontend(Section):
    """`[frontend]`: the door for workers that talk HTTP."""

    type: Text = "simple"
    """`simple`: the built-in server. Anything else, such as `apache`: a web server that serves the same application."""
    enable: Flag | None = None
    """Whether the built-in server is started; when not set, if a queue that is served has the messenger `http`."""
    address: Text = "127.0.0.1"
    """Address or name of this host on which the built-in server listens: `0.0.0.0` for all that it has."""
    port_number: Port = 25080
    """Port of the built-in server."""
    n_threads: Positive = 10
    """Its threads."""
    cert_file: FilePath | None = None
    """Its certificate, with those of the authorities between; it then speaks HTTPS alone."""
    key_file: FilePath | None = None
    """The key of the certificate; the same file when not set."""
    url: Url | None = None
    """Where workers find the door; the address and port of the built-in server when not set."""
    verbose: Flag = False
    """Log every request."""
    auth_enable: Flag = True
    """Workers must show their token. False is insecure: a worker may then speak for any other."""
    secret_file: FilePath | None = None
    """File with the key, or keys, that tokens are signed with; readable by the account of the service only."""
    verify_token: Flag = True
    """Tokens are always verified; False is told as a mistake."""
    trusted_networks: Networks = ()
    """Networks, such as `10.1.0.0/16`, that are served without TLS, or with `authEnable = False` without token; from
    elsewhere than these and this host such requests are refused."""
    monitoring_networks: Networks = ()
    """Networks from which `/metrics`, and the reasons that `/health` has, may be read; this host always may."""


class PayloadInteraction(Section):
    """`[payload_interaction]`: names of the files in a worker's access point."""

    worker_attributes_file: Text | None = "worker_attributes.json"
    """Attributes of jobs and worker, from the pilot."""
    job_report_file: Text | None = "jobReport.json"
    """Job report, from the pilot."""
    event_status_dump_json_file: Text | None = "event_status.dump.json"
    """Output files and event statuses, from the pilot."""
    event_status_dump_xml_file: Annotated[Text | None, Idle("no pilot writes it: the list of outputs is JSON")] = (
        "_event_status.dump"
    )
    """The same in XML."""
    job_request_file: Text | None = "worker_requestjob.json"
    """The pilot asks for a job."""
    job_spec_file: Text = "pandaJobData.out"
    """The jobs, for the pilot."""
    event_request_file: Text | None = "worker_requestevents.json"
    """The pilot asks for event ranges."""
    event_ranges_file: Text | None = "JobsEventRanges.json"
    """Event ranges, for the pilot."""
    update_events_file: Text | None = "worker_updateevents.json"
    """Event statuses, from the pilot."""
    xml_pool_catalog_file: Text | None = "PoolFileCatalog_H.xml"
    """Input file catalogue, for the pilot."""
    panda_ids_file: Annotated[Text | None, Field(alias="pandaIDsFile")] = "worker_pandaids.json"
    """Job ids, for the pilot."""
    kill_worker_file: Text = "kill_worker.json"
    """The pilot asks to be killed."""
    heartbeat_file: Text = "worker_heartbeat.json"
    """The pilot is alive."""
    task_work_base_dir: FilePath | None = None
    """Has a directory for each task, which its jobs share if their outputs are merged on site (`onSiteMerging`);
    `workdir` in the temporary directory when not set."""
    task_work_state_file: Text = "state.json"
    """What was merged, in such a directory, from the payload."""


class LoggerSettings(Section):
    """`[logger]` of `panda_common.cfg`: where logs go."""

    unused: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (
            "loghost",
            "monport-apache",
            "monurlprefix",
            "method",
            "encoding",
            "loghost_new",
            "monport-apache_new",
            "method_new",
            "encoding_new",
            "nemitters",
            "migrated",
        ),
        "log lines are not sent over HTTP",
    )

    logdir: FilePath | None = None
    """Directory of the log files; logs go to standard error when not set."""
    log_level: Annotated[LevelName, Field(alias="log_level")] = "DEBUG"
    """Least level that is logged; `INFO` where there is no section `[logger]`."""
    rotating_policy: Annotated[Text, Field(alias="rotating_policy")] = "none"
    """`time`, `size` or `none`."""
    rotating_backup_count: Annotated[Count, Field(alias="rotating_backup_count")] = 1
    """Old log files kept; with 0 no new file is begun."""
    rotating_max_size: Annotated[
        Positive, Field(alias="rotating_max_size"), Kind("megabytes, 1 or more", sample="1024, say")
    ] = 1024
    """Size at which a new file is begun, with the policy `size`."""
    rotating_interval: Annotated[Hours, Field(alias="rotating_interval")] = 24
    """Hours after which a new file is begun, with the policy `time`; counted from midnight (UTC) if they divide a
    day."""
    line_format: Annotated[Literal["text", "json"], Field(alias="line_format"), Kind("")] = "text"
    """What lines of log files are: `text`, or `json` for an object in each line."""
    memory_logging: Annotated[Flag, Field(alias="memory_logging")] = False
    """Whether each line tells the memory of its process, as `rss_mib`."""
