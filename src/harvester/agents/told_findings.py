"""Lets the log tell what is wrong in a configuration, wherever it was read."""

from collections.abc import Iterable
from typing import Final

import structlog

from harvester.config.findings import Finding, Severity

log: Final = structlog.get_logger("harvester.config")


def tell_findings(findings: Iterable[Finding]) -> None:
    """One line each; the key stands alone, since behind `password: ` the log hides a word that is none."""
    tell = {Severity.ERROR: log.error, Severity.WARNING: log.warning, Severity.INFO: log.debug}
    for each in findings:
        key = {"key": each.key} if each.key else {}
        tell[each.severity](f"{each.problem}; {each.advice}", place=each.place, **key)
