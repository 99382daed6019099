"""`/metrics` and `/health`, for those who watch over the instance: from this host, and from networks that are named.

Neither shows a worker's number or a secret. Health without reasons is for everybody, as load balancers need it; the
reasons and the metrics are not.
"""

import json
import os
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from falcon import App, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from harvester.core.health import Verdict
from harvester.service import Harvester
from harvester.web.figures import ProcessName
from harvester.web.health import Health
from harvester.web.metrics import MetricsPage
from harvester.web.networks import Networks

_JSON: Final = "application/json"
_FORWARDED: Final = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")
"""What a proxy says of those for whom it asks."""


class Watchers:
    """Who may look.

    Args:
        networks: `[frontend] monitoringNetworks`.
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._known = Networks(networks)

    def admits(self, request: Request) -> bool:
        """Whether the request comes from this host or from a network that is named.

        Behind a proxy everybody seems to be on its host: so each address that the request names has to be allowed.
        """
        if not self._known.holds(request.env.get("REMOTE_ADDR", "")):
            return False
        if any(name in request.env for name in _FORWARDED[1:]):
            return False
        if _FORWARDED[0] not in request.env:
            return True
        named = [each.strip() for each in request.env[_FORWARDED[0]].split(",")]
        return all(each and self._known.holds(each) for each in named)


class MetricsResource:
    """`/metrics`."""

    def __init__(self, page: MetricsPage, watchers: Watchers) -> None:
        self._page = page
        self._watchers = watchers

    def on_get(self, request: Request, response: Response) -> None:
        """The figures of the instance."""
        if not self._watchers.admits(request):
            _refuse(response)
            return
        response.content_type = CONTENT_TYPE_LATEST
        response.data = self._page.text()


class HealthResource:
    """`/health`, `/health/live` and `/health/ready`.

    Args:
        health: of this process.
        watchers: those who are told the reasons.
        questions: which of `live` and `ready` are asked.
    """

    def __init__(self, health: Health, watchers: Watchers, *questions: str) -> None:
        self._health = health
        self._watchers = watchers
        self._questions = questions

    def on_get(self, request: Request, response: Response) -> None:
        """200 if all is well, else 503."""
        ask = {"live": self._health.live, "ready": self._health.ready}
        verdicts = {name: ask[name]() for name in self._questions}
        is_told = self._watchers.admits(request)
        response.status = (
            HTTPStatus.OK if all(each.ok for each in verdicts.values()) else HTTPStatus.SERVICE_UNAVAILABLE
        )
        response.content_type = _JSON
        response.set_header("Cache-Control", "no-store")
        response.data = json.dumps({name: _shown(each, is_told=is_told) for name, each in verdicts.items()}).encode()


def _shown(verdict: Verdict, *, is_told: bool) -> dict[str, object]:
    return {"ok": verdict.ok, **({"reasons": dict(verdict.reasons)} if is_told else {})}


def _refuse(response: Response) -> None:
    response.status = HTTPStatus.FORBIDDEN
    response.text = "this address is not in [frontend] monitoringNetworks"


def add_monitoring(app: App[Request, Response], harvester: Harvester) -> None:
    """Let those who may look into a service that runs in this process."""
    watchers = Watchers(harvester.settings.frontend.monitoring_networks)
    page = MetricsPage(
        harvester.settings.master.harvester_id,
        ProcessName(harvester.host, os.getpid()),
        harvester.db,
        queues=lambda: harvester.plugins.queues,
        report=harvester.reporter.report,
        clock=harvester.clock,
    )
    health = Health(harvester.db, harvester.reporter.report, lambda: harvester.is_running)
    add_routes(app, page, health, watchers)


def add_routes(app: App[Request, Response], page: MetricsPage, health: Health, watchers: Watchers) -> None:
    """The faces for those who watch over a process."""
    app.add_route("/metrics", MetricsResource(page, watchers))
    app.add_route("/health", HealthResource(health, watchers, "live", "ready"))
    app.add_route("/health/live", HealthResource(health, watchers, "live"))
    app.add_route("/health/ready", HealthResource(health, watchers, "ready"))
