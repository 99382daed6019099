"""Reads the configuration as the service does, and says what is wrong with it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harvester.cli.plugin_checks import check_plugin_at_start
from harvester.config import sources
from harvester.config.findings import Finding, Severity
from harvester.config.queues import LoadedQueues, load_queue_file
from harvester.config.service import Loaded, Settings, load_settings
from harvester.core.errors import HarvesterError


class UnusableConfigurationError(HarvesterError):
    """The main configuration has errors, so nothing can run."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A usable main configuration and the usable queues.

    Attributes:
        settings: the main configuration.
        queues: the usable queues.
        findings: what is wrong or worth knowing.
        files: where all that was read.
    """

    settings: Settings
    queues: LoadedQueues
    findings: tuple[Finding, ...]
    files: tuple[str, ...] = ()


def load(config: Sequence[Path] | None, queue_file: Path | None) -> Configuration:
    """The configuration as the service runs with it; a bad queue is left out.

    Raises:
        UnusableConfigurationError: the main configuration has errors, or the queue file cannot be read.
    """
    loaded = load_settings(config or None, os.environ)
    settings = _usable(loaded)
    path = queue_file or sources.queue_file(settings.qconf.config_file, os.environ, config)
    queues = load_queue_file(
        path,
        settings.qconf.queue_list,
        work_dir=Path(settings.master.work_dir),
        plugin_checker=check_plugin_at_start,
        listed_at=loaded.listed_at,
    )
    if not queues.readable:
        raise _unusable(queues.findings)
    entries = [entry for section in loaded.entries.values() for entry in section.values()]
    files = dict.fromkeys([*(entry.at.file for entry in entries), str(path)])
    return Configuration(settings, queues, (*loaded.findings, *queues.findings), tuple(files))


def left_out_now(config: Sequence[Path] | None) -> frozenset[str]:
    """The queues that are configured with an error, as the files are now; none if they cannot be read at all."""
    try:
        return load(config, None).queues.left_out
    except UnusableConfigurationError:
        return frozenset()


def settings_of(config: Sequence[Path] | None) -> Settings:
    """The main configuration alone.

    Raises:
        UnusableConfigurationError: it has errors; the message lists them.
    """
    return _usable(load_settings(config or None, os.environ))


def as_line(finding: Finding) -> str:
    """A finding as one line: where, which key, what is wrong, what to write."""
    place = finding.file if finding.line is None else f"{finding.file}:{finding.line}"
    key = f" {finding.key}:" if finding.key else ""
    return f"{place}:{key} {finding.problem}; {finding.advice}"


def _usable(loaded: Loaded) -> Settings:
    if loaded.settings is None:
        raise _unusable(loaded.findings)
    return loaded.settings


def _unusable(findings: Sequence[Finding]) -> UnusableConfigurationError:
    errors = [as_line(each) for each in findings if each.severity is Severity.ERROR]
    return UnusableConfigurationError("\n  ".join(["the configuration cannot be used:", *errors]))
