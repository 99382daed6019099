"""`harvester check`: everything that is wrong in a configuration, where, and what to write instead."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harvester.config import sources
from harvester.config.assembly import SectionText, build_section
from harvester.config.findings import Finding, Findings, Location, Severity
from harvester.config.instance_sections import Qconf
from harvester.config.misfits import report_misfits
from harvester.config.plugin_blocks import PluginBlock, PluginChecker, PluginProblem
from harvester.config.queue_loader import NOTHING, Outside, QueueLoader
from harvester.config.queues import LoadedQueues
from harvester.config.remote import QUEUE_URL, ReadRemote, address_of
from harvester.config.service import Loaded, Settings, load_settings

__all__ = ["Finding", "PluginBlock", "PluginChecker", "PluginProblem", "SettingsChecker", "Severity", "check"]

SettingsChecker = Callable[[Loaded], Iterable[Finding]]
"""Looks at what the main configuration names, such as files and drivers, beyond the text itself."""

JointChecker = Callable[[Loaded, LoadedQueues], Iterable[Finding]]
"""Looks at what both configurations together ask for, such as a door for workers."""


def check(
    config_paths: Sequence[Path] | None,
    queue_file: Path | None,
    environ: Mapping[str, str],
    plugin_checker: PluginChecker | None,
    *,
    settings_checker: SettingsChecker | None = None,
    joint_checker: JointChecker | None = None,
    fetched: Callable[[Settings, Findings], Outside] | None = None,
    remote: ReadRemote | None = None,
) -> list[Finding]:
    """Look at the whole configuration as the service would, and go on after each mistake.

    Args:
        config_paths: the main configuration; None for the search path.
        queue_file: the queue configuration; None for the one that `[qconf] configFile` names.
        environ: the process environment.
        plugin_checker: knows the plugins; None accepts any name.
        settings_checker: looks at what a main configuration without errors names; None believes it.
        joint_checker: looks at what such a main configuration and the queues ask for together; None at nothing.
        fetched: tells what was fetched for the queues, and what is wrong with that; None for nothing.
        remote: gets a main configuration from its address.
    """
    loaded = load_settings(config_paths, environ, remote=remote)
    findings = Findings()
    findings.extend(loaded.findings)
    if settings_checker and loaded.settings:
        findings.extend(settings_checker(loaded))
    outside = fetched(loaded.settings, findings) if fetched and loaded.settings else NOTHING
    if queue_file or loaded.entries:  # without a main file nobody knows where the queues are
        qconf = _qconf(loaded, environ)
        path, if_missing = find_queues(queue_file, qconf, environ, config_paths)
        may_be_missing = queue_file is None and qconf.config_from_cacher
        source = _Source(path, qconf, if_missing, may_be_missing)
        queues = _check_queues(loaded, source, plugin_checker, outside, findings)
        if joint_checker and loaded.settings:
            findings.extend(joint_checker(loaded, queues))
    return list(findings.as_tuple())


def find_queues(
    named: Path | None, qconf: Qconf, environ: Mapping[str, str], config_paths: Sequence[Path] | None
) -> tuple[Path, str]:
    """Where the queue configuration is, and what to do if it is not there.

    Args:
        named: the file that `--queues` names.
        qconf: the section `[qconf]`.
        environ: the process environment.
        config_paths: the main configuration; None for the search path.
    """
    if named:
        return named, "check the path behind --queues"
    places = sources.queue_places(qconf.config_file, environ, config_paths)
    return sources.queue_file(qconf.config_file, environ, config_paths), sources.advice_on_missing_queues(places)


@dataclass(frozen=True, slots=True)
class _Source:
    """The local queue configuration and `[qconf]`; what to do if it is not there, and whether it may be missing."""

    path: Path
    qconf: Qconf
    if_missing: str
    may_be_missing: bool


def _check_queues(
    loaded: Loaded, source: _Source, plugin_checker: PluginChecker | None, outside: Outside, findings: Findings
) -> LoadedQueues:
    master = loaded.settings.master if loaded.settings else None
    work_dir, defaults = Path(master.work_dir if master else "harvester"), master.extra_plugin_configs if master else {}
    loader = QueueLoader(
        source.path,
        source.qconf,
        work_dir,
        plugin_checker,
        loaded.listed_at,
        plugin_defaults=defaults,
        if_missing=source.if_missing,
        may_be_missing=source.may_be_missing,
    )
    queues = loader.load(outside)
    findings.extend(queues.findings)
    report_misfits(loaded, source.path, queues, findings)
    return queues


def _qconf(loaded: Loaded, environ: Mapping[str, str]) -> Qconf:
    """What the main file and the environment say about queues, also when the file as a whole is wrong."""
    if loaded.settings:
        return loaded.settings.qconf
    keys = ("configFile", "configFromCacher", "queueList")
    stated = {key: entry for key in keys if (entry := loaded.entry("qconf", key))}
    qconf = build_section(Qconf, SectionText("qconf", stated, Location()), Findings()) or Qconf()
    is_remote = address_of(QUEUE_URL, environ, Findings()) is not None
    return qconf.model_copy(update={"config_from_cacher": True}) if is_remote else qconf
