"""`panda_harvester.cfg` and `panda_common.cfg` as one typed value."""

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from harvester.config import dialect, sources
from harvester.config.assembly import SectionText, build_section, report_template_mark, report_template_traces
from harvester.config.cache_lines import QUEUE_CONFIGURATION, read_lines, report_lines
from harvester.config.dialect import IniSource, Sections
from harvester.config.fields import Section, kind_of
from harvester.config.findings import Finding, Findings, Location, instead, is_comment, nearest, shown
from harvester.config.instance_sections import (
    LEVELS,
    Communicator,
    Db,
    Fifo,
    Frontend,
    Level,
    LoggerSettings,
    Master,
    Pandacon,
    PayloadInteraction,
    Qconf,
)
from harvester.config.job_sections import (
    CommandManager,
    EventFeeder,
    JobFetcher,
    Preparator,
    Propagator,
    Stager,
    Zipper,
)
from harvester.config.log_areas import AREAS, area_named
from harvester.config.problems import KeyProblem
from harvester.config.remote import (
    INSTANCE_URL,
    QUEUE_URL,
    Fetched,
    ReadRemote,
    address_of,
    fetch_instance,
)
from harvester.config.resolver import report_resolver
from harvester.config.setups import of_credential_lists, of_plugin_configs
from harvester.config.upkeep_sections import Apfmon, Cacher, CredManager, FileSyncer, ServiceMonitor, Watcher
from harvester.config.values import Entry, Expander
from harvester.config.worker_sections import Monitor, Submitter, Sweeper
from harvester.core.masking import bare_address
from harvester.core.origin import Origin

UNUSED_SECTIONS: Mapping[str, str] = {"googlecloud": "clouds are configured by queue"}
"""Sections that existing files contain and nobody reads, with the reason."""

_LOGGER = "logger"
_LOG_LEVEL = "log_level"
_API = "/api/v1"
_TEMPLATE_LISTS = (("credmanager", "inCertFile"), ("credmanager", "outCertFile"), ("cacher", "data"))
"""Sections and keys in which the template says FIXME in some items; the service does without these."""


class Settings(BaseModel):
    """The configuration of one instance; each section of the file is an attribute, each key one of the section."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    master: Master
    db: Db = Db()
    fifo: Fifo = Fifo()
    communicator: Communicator = Communicator()
    pandacon: Pandacon
    qconf: Qconf = Qconf()
    commandmanager: CommandManager = CommandManager()
    jobfetcher: JobFetcher = JobFetcher()
    propagator: Propagator = Propagator()
    preparator: Preparator = Preparator()
    submitter: Submitter = Submitter()
    monitor: Monitor = Monitor()
    stager: Stager = Stager()
    zipper: Zipper = Zipper()
    eventfeeder: EventFeeder = EventFeeder()
    sweeper: Sweeper = Sweeper()
    watcher: Watcher = Watcher()
    file_syncer: FileSyncer = FileSyncer()
    cacher: Cacher = Cacher()
    credmanager: CredManager = CredManager()
    service_monitor: ServiceMonitor = ServiceMonitor()
    apfmon: Apfmon = Apfmon()
    frontend: Frontend = Frontend()
    payload_interaction: PayloadInteraction = PayloadInteraction()
    log_level: Mapping[str, Level] = Field(default={})
    logger: LoggerSettings = LoggerSettings()
    origin: Origin | None = None
    """Where the part of another place comes from; None if all of it is local."""
    queue_address: str = ""
    """Where the remote queue configuration of the environment is, without what may be secret; empty for nowhere."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came out of reading the main configuration.

    Attributes:
        settings: the settings; None when a finding is an error.
        findings: all that is wrong or worth knowing.
        entries: every key with its place, for findings made later.
        fetched: what came from elsewhere.
        files: all that was read, in this order, also what later ones override.
    """

    settings: Settings | None
    findings: tuple[Finding, ...]
    entries: Mapping[str, Mapping[str, Entry]] = field(default_factory=dict, repr=False)
    fetched: Fetched | None = field(default=None, repr=False)
    files: tuple[str, ...] = ()

    def entry(self, section: str, key: str) -> Entry | None:
        """The key as read, also when the settings as a whole are unusable."""
        return self.entries.get(section, {}).get(key)

    def key_at(self, section: str, key: str) -> Location:
        """Where a key stands, the main file if it is not written."""
        entry = self.entry(section, key)
        return entry.at if entry else Location(sources.MAIN_FILE)

    def listed_at(self, place: int) -> Location:
        """Where the n-th name of `[qconf] queueList` stands."""
        entry = self.entry("qconf", "queueList")
        return entry.at_item((place,)) if entry else Location(sources.MAIN_FILE)


def section_models() -> dict[str, type[Section]]:
    """The model of each section that has named keys."""
    annotated = {name: info.annotation for name, info in Settings.model_fields.items()}
    return {name: model for name, model in annotated.items() if isinstance(model, type) and issubclass(model, Section)}


def load_settings(
    paths: Sequence[Path] | None,
    environ: Mapping[str, str],
    *,
    hostname: str | None = None,
    remote: ReadRemote | None = None,
) -> Loaded:
    """Read the main configuration.

    Args:
        paths: the files to read, later ones override earlier ones; None for the search path of core reference §1.1.
        environ: the process environment.
        hostname: what `$HOSTNAME` stands for; the short name of this host when None.
        remote: gets what stands at the address in `HARVESTER_INSTANCE_CONFIG_URL`; None if nobody does.
    """
    findings = Findings()
    expander = Expander(environ, hostname or socket.gethostname().split(".")[0])
    address = address_of(INSTANCE_URL, environ, findings)
    local = _main_sources(paths, environ, findings, is_all=not environ.get(INSTANCE_URL))
    fetched = None
    if address:
        stated = dialect.merge(local, expander, Findings())
        fetched = fetch_instance(remote, address, stated, _is_secret_key, findings)
    main = [*([fetched.source] if fetched else []), *local]
    if not main:
        return Loaded(None, findings.as_tuple())
    entries = dialect.merge(main, expander, findings)
    common_sources = _common_sources(paths, environ, findings)
    common = dialect.merge(common_sources, expander, findings)
    _share_zipper_keys(entries)
    entries[_LOGGER] = common.get(_LOGGER, {})
    builder = _Builder(entries, main, findings)
    settings = builder.build(environ)
    if settings and fetched:
        settings = settings.model_copy(update={"origin": fetched.origin})
    files = tuple(dict.fromkeys(each.file for each in (*main, *common_sources)))
    return Loaded(None if findings.has_errors() else settings, findings.as_tuple(), entries, fetched, files)


def _is_secret_key(name: str) -> bool:
    """Whether the model of a section keeps the value of a key to itself; `name` is `section.key`."""
    section, _, key = name.partition(".")
    model = section_models().get(section)
    field = model.by_key().get(key) if model else None
    kind = kind_of(field) if field else None
    return kind is not None and kind.is_secret


def _main_sources(
    paths: Sequence[Path] | None, environ: Mapping[str, str], findings: Findings, *, is_all: bool
) -> list[IniSource]:
    """The local files; that there are none is a finding if they are all that there is."""
    if paths is None:
        overriding = sources.config_map(environ)
        looked_at = [*sources.search_path(sources.MAIN_FILE, environ), *([overriding] if overriding else [])]
        paths = sources.existing(looked_at)
        if not paths and is_all:
            sources.report_no_main_file(looked_at, findings)
    return [source for path in paths if (source := _read_source(path, findings))]


def _common_sources(paths: Sequence[Path] | None, environ: Mapping[str, str], findings: Findings) -> list[IniSource]:
    """`panda_common.cfg` of the search path, then the one beside a file that was named."""
    beside = [path.parent / sources.COMMON_FILE for path in paths or ()]
    found = sources.existing([*sources.search_path(sources.COMMON_FILE, environ), *beside])
    return [source for path in dict.fromkeys(found) if (source := _read_source(path, findings))]


def _read_source(path: Path, findings: Findings) -> IniSource | None:
    if path.suffix == ".json":
        document = sources.read_json(path, findings)
        return dialect.take_config_map(document, findings) if document else None
    text = sources.read_text(path, findings)
    return None if text is None else dialect.parse_ini(text, str(path), findings)


def _share_zipper_keys(entries: Sections) -> None:
    """Without `[zipper]` its keys stand in `[stager]`; `triggerInterval` stands for a missing `zipInterval`."""
    zipper = entries.get("zipper")
    if zipper is None:
        wanted = {*Stager.unused, "lockInterval", "triggerInterval"}
        zipper = {key: entry for key, entry in entries.get("stager", {}).items() if key in wanted}
    if "triggerInterval" in zipper:
        zipper.setdefault("zipInterval", zipper["triggerInterval"])
    entries["zipper"] = zipper


class _Builder:
    """Builds the settings section by section, so that each one is looked at whatever the others are like."""

    def __init__(self, entries: Sections, main: Sequence[IniSource], findings: Findings) -> None:
        self._entries = entries
        self._headers = {name: Location(source.file, line) for source in main for name, line in source.headers.items()}
        self._main_file = Location(main[-1].file if main else sources.MAIN_FILE)
        self._findings = findings

    def build(self, environ: Mapping[str, str]) -> Settings | None:
        self._report_unknown_sections()
        built: dict[str, Section] = {}
        for name, model in section_models().items():
            section = build_section(model, self._text(name), self._findings)
            if section is not None:
                built[name] = section
        levels = self._levels()
        if len(built) < len(section_models()):
            return None
        settings = _with_places(Settings.model_validate({**built, _LOG_LEVEL: levels}), self._entries, environ)
        self._report_template_marks(settings)
        self._report_missing_credentials(settings.pandacon)
        self._report_missing_authorities(settings.pandacon)
        self._report_odd_address(settings.pandacon)
        entry = self._entries.get("cacher", {}).get("data")
        report_lines(settings.cacher.data, entry, environ, self._findings)
        settings = self._with_remote_queues(settings, environ)
        self._report_keys("credmanager", of_credential_lists(settings.credmanager, settings.pandacon.cert_file))
        self._report_keys("credmanager", of_plugin_configs(settings.credmanager.plugin_configs))
        self._report_keys("file_syncer", of_plugin_configs(settings.file_syncer.plugin_configs))
        self._report_keys("watcher", settings.watcher.problems())
        self._report_keys("sweeper", settings.sweeper.problems())
        report_resolver(settings.qconf, settings.cacher.data, self._text("qconf").place, self._findings)
        return settings

    def _with_remote_queues(self, settings: Settings, environ: Mapping[str, str]) -> Settings:
        """What the address of the queue configuration in the environment stands for: a line of `[cacher] data`."""
        address = address_of(QUEUE_URL, environ, self._findings)
        if address is None:
            return settings
        others: list[str] = []
        for text in settings.cacher.data:
            line = next(iter(read_lines([text], environ)[0]), None)
            if line is None or (line.main_key, line.sub_key) != (QUEUE_CONFIGURATION, ""):
                others.append(text)
            elif line.source != address:
                problem = f"its line {QUEUE_CONFIGURATION} names another place than {QUEUE_URL}, which counts"
                advice = f"remove the line, or unset {QUEUE_URL}"
                self._findings.warning(self._text("cacher").place("data"), "cacher.data", problem, advice)
        data = (*others, f"{QUEUE_CONFIGURATION}||${{{QUEUE_URL}}}")
        return settings.model_copy(
            update={
                "cacher": settings.cacher.model_copy(update={"data": data}),
                "qconf": settings.qconf.model_copy(update={"config_from_cacher": True}),
                "queue_address": bare_address(address),
            }
        )

    def _report_keys(self, section: str, found: Iterable[object]) -> None:
        """Tell of the problems among what was found in a section."""
        for each in found:
            if isinstance(each, KeyProblem):
                entry = self._entries.get(section, {}).get(each.key)
                at = entry.at if entry else self._text(section).at
                tell = self._findings.error if each.is_grave else self._findings.warning
                tell(at, f"{section}.{each.key}", each.problem, each.advice)

    def _text(self, name: str) -> SectionText:
        return SectionText(name, self._entries.get(name, {}), self._headers.get(name, self._main_file))

    def _report_unknown_sections(self) -> None:
        known = [*section_models(), _LOG_LEVEL, *UNUSED_SECTIONS]
        for name in self._entries:
            if name not in known and not is_comment(name):
                at = self._headers.get(name, self._main_file)
                self._findings.warning(at, name, "nobody reads this section", instead(name, known, "remove it"))
        if _LOGGER in self._headers:
            problem, advice = "nobody reads this section here", f"move it to {sources.COMMON_FILE}, where it belongs"
            self._findings.warning(self._headers[_LOGGER], _LOGGER, problem, advice)

    def _levels(self) -> dict[str, Level]:
        levels: dict[str, Level] = {}
        for key, entry in self._entries.get(_LOG_LEVEL, {}).items():
            level, area = LEVELS.get(str(entry.value).upper()), area_named(key)
            if level and area:
                levels[area] = _lower(level, levels.get(area))
            elif not entry.inherited:
                self._report_level(key, entry, level)
        return levels

    def _report_level(self, key: str, entry: Entry, level: Level | None) -> None:
        if level is None:
            problem = f"{shown(key, entry.value)} is no log level"
            advice = f"write {nearest(str(entry.value), LEVELS) or ', '.join(LEVELS)}"
            self._findings.error(entry.at, f"{_LOG_LEVEL}.{key}", problem, advice)
        else:
            advice = instead(key, AREAS, "remove it")
            self._findings.warning(entry.at, f"{_LOG_LEVEL}.{key}", "nobody logs under this name", advice)

    def _report_template_marks(self, settings: Settings) -> None:
        """The template says FIXME in keys that need not matter; only those that do are mistakes."""
        x509 = settings.pandacon.auth_type == "x509"
        needed = {
            "master": ("harvester_id",),
            "db": ("database_filename",) if settings.db.engine == "sqlite" else ("password",),
            "pandacon": ("cert_file", "key_file") if x509 else ("auth_token", "auth_origin"),
        }
        for section, keys in needed.items():
            for key in keys:
                report_template_mark(self._text(section), key, self._findings)
        for section, key in _TEMPLATE_LISTS:
            report_template_traces(self._text(section), key, self._findings)

    def _report_missing_credentials(self, pandacon: Pandacon) -> None:
        if pandacon.auth_type == "oidc":
            missing = [key for key in ("auth_token", "auth_origin") if not getattr(pandacon, key)]
        else:
            needed = ("cert_file", "key_file") if pandacon.server_url.startswith("https:") else ()
            missing = [key for key in needed if not getattr(pandacon, key)]
        for key in missing:
            problem = f"is not set, so the server will not know this instance (auth_type = {pandacon.auth_type})"
            self._findings.warning(self._text("pandacon").at, f"pandacon.{key}", problem, f"write {key} = …")

    def _report_missing_authorities(self, pandacon: Pandacon) -> None:
        """Upstream checks no certificate then; a server with one that this system does not know would be refused."""
        if pandacon.ca_cert is None and pandacon.server_url.startswith("https:"):
            problem = "is not set, so the server's certificate is checked with the CA certificates of this system"
            advice = "write ca_cert = /path/of/the/CA/bundle"
            self._findings.warning(self._text("pandacon").at, "pandacon.ca_cert", problem, advice)

    def _report_odd_address(self, pandacon: Pandacon) -> None:
        if urlsplit(pandacon.server_url).path.endswith(_API):
            return
        key = "server_api_url_ssl" if pandacon.server_api_url_ssl else "server_api_url"
        text = self._text("pandacon")
        problem = f"does not end in {_API}, where PanDA servers have their API: calls would be refused"
        self._findings.warning(text.place(key), f"pandacon.{key}", problem, f"write https://host:port{_API}")


def _lower(level: Level, other: Level | None) -> Level:
    """The level that lets more through."""
    return max((each for each in (level, other) if each), key=list(LEVELS).index)


def _with_places(settings: Settings, entries: Sections, environ: Mapping[str, str]) -> Settings:
    """Fill in what follows from the instance's name, the environment, and from what is not written at all."""
    master, db = settings.master, settings.db
    if "workDir" not in entries.get("master", {}):
        place = str(sources.work_dir(environ, master.harvester_id))
        master = master.model_copy(update={"work_dir": place})
    if "database_filename" not in entries.get("db", {}):
        db = db.model_copy(update={"database_filename": str(Path(master.work_dir) / db.database_filename)})
    logger = settings.logger if entries.get(_LOGGER) else settings.logger.model_copy(update={"log_level": "INFO"})
    files = settings.payload_interaction
    if files.task_work_base_dir:
        place = str(Path(master.work_dir) / files.task_work_base_dir)
        files = files.model_copy(update={"task_work_base_dir": place})
    return settings.model_copy(update={"master": master, "db": db, "logger": logger, "payload_interaction": files})
