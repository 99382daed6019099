"""Reads the configuration as the service does, and says what is wrong with it."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harvester.config.check import find_queues
from harvester.config.findings import Finding, Location, Severity
from harvester.config.queue_loader import QueueLoader
from harvester.config.queues import LoadedQueues
from harvester.config.remote import INSTANCE_URL, QUEUE_URL
from harvester.config.service import Loaded, Settings, load_settings
from harvester.core.errors import HarvesterError
from harvester.remote_instance import RemoteInstance
from harvester.startup.fetched import outside_of
from harvester.startup.plugin_checks import check_plugin_at_start


class UnusableConfigurationError(HarvesterError):
    """The main configuration has errors, so nothing can run."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A usable main configuration and the usable queues.

    Attributes:
        settings: the main configuration.
        queues: the usable queues.
        loader: reads them again.
        findings: what is wrong or worth knowing.
        files: where all that was read, addresses included.
        key_at: where a key of a section stands.
        loaded: the main configuration as it was read.
    """

    settings: Settings
    queues: LoadedQueues
    loader: QueueLoader
    findings: tuple[Finding, ...]
    files: tuple[str, ...]
    key_at: Callable[[str, str], Location]
    loaded: Loaded


@dataclass(frozen=True, slots=True)
class MainConfiguration:
    """The main configuration and where it comes from.

    Attributes:
        settings: what it says.
        key_at: where a key of a section stands.
        deciding: the files of `deciding_files`.
    """

    settings: Settings
    key_at: Callable[[str, str], Location]
    deciding: Sequence[str]


def load(config: Sequence[Path] | None, queue_file: Path | None, *, is_start: bool = False) -> Configuration:
    """The configuration as the service runs with it; a bad queue is left out.

    Args:
        config: the main configuration; none for the search path.
        queue_file: the queue configuration; None for the one of `[qconf] configFile`.
        is_start: whether a service starts with it: then what stands elsewhere is fetched, and kept.

    Raises:
        UnusableConfigurationError: the main configuration has errors, or the queue file cannot be read.
    """
    remote = RemoteInstance(os.environ, prefers_copy=not is_start)
    loaded = load_settings(config or None, os.environ, remote=remote)
    settings = _usable(loaded)
    unkept = _keep(remote, loaded) if is_start else ()
    path, if_missing = find_queues(queue_file, settings.qconf, os.environ, config)
    loader = QueueLoader(
        path,
        settings.qconf,
        Path(settings.master.work_dir),
        check_plugin_at_start,
        loaded.listed_at,
        plugin_defaults=settings.master.extra_plugin_configs,
        if_missing=if_missing,
        may_be_missing=settings.qconf.config_from_cacher and queue_file is None,
    )
    queues = loader.load(outside_of(settings))
    if not queues.readable and any(each.severity is Severity.ERROR for each in queues.findings):
        raise _unusable(queues.findings)
    findings = (*loaded.findings, *unkept, *queues.findings)
    return Configuration(settings, queues, loader, findings, _files(loaded, loader), loaded.key_at, loaded)


def _files(loaded: Loaded, loader: QueueLoader) -> tuple[str, ...]:
    """Where all of a configuration comes from: a local queue file only if it is there, and what stands elsewhere."""
    local = () if loader.stamp_read is None else (str(loader.path),)
    address = loaded.settings.queue_address if loaded.settings else ""
    remote = (f"{address} ({QUEUE_URL})",) if address else ()
    return tuple(dict.fromkeys((*loaded.files, *local, *remote)))


def _keep(remote: RemoteInstance, loaded: Loaded) -> tuple[Finding, ...]:
    """Keep what was fetched for the next start; that this cannot be done is no reason not to start."""
    problem = remote.keep(loaded.fetched) if loaded.fetched else ""
    if not problem:
        return ()
    advice = "correct its rights: without a copy there is no start while the address does not answer"
    return (Finding(Severity.WARNING, INSTANCE_URL, None, "", problem, advice),)


@dataclass(frozen=True, slots=True)
class QueueTroubles:
    """What is wrong with the queue configuration as its sources are now.

    Attributes:
        left_out: queues that are configured with an error.
        unreadable: why nothing could be read at all; empty if something could.
        active: queues that are to be served.
        unserved: why the others that are configured are not.
        errors: what is wrong with those that have an error, in lines as those of `harvester check`.
        remote: the address of the remote queue configuration; empty if there is none.
    """

    left_out: frozenset[str] = frozenset()
    unreadable: str = ""
    active: frozenset[str] = frozenset()
    unserved: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    remote: str = ""

    @property
    def configured(self) -> frozenset[str]:
        """All queues that have an entry."""
        return self.active | self.left_out | self.unserved.keys()

    def why_unserved(self, queue: str) -> str:
        """Why a queue that is not served is not."""
        if self.unreadable:
            return "the configuration cannot be read, so nobody can say why (see `harvester check`)"
        if queue in self.active:
            return "its configuration wants it served, which a service that runs has not noticed yet"
        return self.unserved.get(queue, "no configuration names it any more")


NO_TROUBLES: Final = QueueTroubles()


def queue_troubles(config: Sequence[Path] | None) -> QueueTroubles:
    """What a service that starts now would stumble over."""
    try:
        configuration = load(config, None)
    except UnusableConfigurationError as error:
        return QueueTroubles(unreadable=str(error))
    queues, remote = configuration.queues, configuration.settings.queue_address
    errors = {name: [each.as_line() for each in some] for name, some in queues.errors.items()}
    return QueueTroubles(queues.left_out, active=queues.active, unserved=queues.unserved, errors=errors, remote=remote)


def left_out_now(config: Sequence[Path] | None) -> frozenset[str]:
    """The queues that are configured with an error, as the files are now; none if they cannot be read at all."""
    return queue_troubles(config).left_out


def settings_of(config: Sequence[Path] | None) -> Settings:
    """What the main configuration alone says.

    Raises:
        UnusableConfigurationError: it has errors; the message lists them.
    """
    return main_configuration(config, None).settings


def main_configuration(config: Sequence[Path] | None, queue_file: Path | None) -> MainConfiguration:
    """The main configuration alone.

    Args:
        config: the main configuration; none for the search path.
        queue_file: the queue configuration; None for the one of `[qconf] configFile`.

    Raises:
        UnusableConfigurationError: it has errors; the message lists them.
    """
    remote = RemoteInstance(os.environ, prefers_copy=True)
    loaded = load_settings(config or None, os.environ, remote=remote)
    return MainConfiguration(_usable(loaded), loaded.key_at, deciding_files(loaded, remote, config, queue_file))


def deciding_files(
    loaded: Loaded, remote: RemoteInstance, config: Sequence[Path] | None, queue_file: Path | None
) -> Sequence[str]:
    """The files that decide what the service does: it runs the commands and modules that they name.

    Args:
        loaded: a main configuration without errors.
        remote: keeps the copy of what stands elsewhere.
        config: where the main configuration was read from; none for the search path.
        queue_file: the queue configuration; None for the one of `[qconf] configFile`.
    """
    copy = () if remote.place is None else (str(remote.place),)
    queues, _ = find_queues(queue_file, _usable(loaded).qconf, os.environ, config)
    return (*loaded.files, *copy, str(queues))


def _usable(loaded: Loaded) -> Settings:
    if loaded.settings is None:
        raise _unusable(loaded.findings)
    return loaded.settings


def _unusable(findings: Sequence[Finding]) -> UnusableConfigurationError:
    errors = [each.as_line() for each in findings if each.severity is Severity.ERROR]
    return UnusableConfigurationError("\n  ".join(["the configuration cannot be used:", *errors]))
