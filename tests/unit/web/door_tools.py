"""A door in a bottle: a real database with workers, real access points, and the application called in this process."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
from falcon.testing import Result, TestClient, create_environ
from pydantic import JsonValue
from sqlalchemy import update

from harvester.config.findings import Findings
from harvester.config.queue_builder import build_queue
from harvester.config.queue_merge import MergedQueue
from harvester.config.queues import QueueConfig
from harvester.config.service import Settings
from harvester.core.workers import MapType, Worker, WorkerStatus, marker_of
from harvester.plugins.pool import PluginPool
from harvester.plugins.tools.worker_tokens import KeyFile, WorkerTokens, read_keys
from harvester.service import plugin_context
from harvester.store import history, workers
from harvester.store.engine import Database
from harvester.store.schema import WorkerPhase
from harvester.store.schema import workers as worker_table
from harvester.web.app import Application, make_app

INSTANCE = "cern"
QUEUE = "HERE"
BLOCKS: Mapping[str, JsonValue] = {
    "submitter": {"plugin": "dummy"},
    "monitor": {"plugin": "dummy"},
    "sweeper": {"plugin": "dummy"},
    "workerMaker": {"plugin": "simple"},
    "preparator": {"plugin": "dummy"},
    "stager": {"plugin": "dummy"},
}


class Time:
    """The clock and the tick of a test, which moves both."""

    def __init__(self) -> None:
        self.passed = 0.0
        self._began = datetime.now(UTC)

    def clock(self) -> datetime:
        return self._began + timedelta(seconds=self.passed)

    def tick(self) -> float:
        return self.passed

    def forward(self, seconds: float) -> None:
        self.passed += seconds


@dataclass
class House:
    """An instance with a door."""

    place: Path
    db: Database
    time: Time
    settings: Settings
    plugins: PluginPool
    woken: list[str] = field(default_factory=list)

    def app(self) -> Application:
        return make_app(
            self.settings,
            self.db,
            self.plugins,
            clock=self.time.clock,
            tick=self.time.tick,
            wake=lambda *agents: self.woken.extend(agents),
        )

    def visitor(self) -> "Visitor":
        return Visitor(self, TestClient(self.app()))

    @property
    def tokens(self) -> WorkerTokens:
        return WorkerTokens(INSTANCE, KeyFile(Path(str(self.settings.frontend.secret_file))), self.time.clock)

    def token(self, worker_id: int = 7, hours: float = 1) -> str:
        return self.tokens.issue(worker_id, timedelta(hours=hours))

    def forged(self, *, key: bytes | None = None, header: Mapping[str, object] | None = None, **claims: object) -> str:
        """A token of ours, some of it changed; None takes a claim away."""
        signing = read_keys(Path(str(self.settings.frontend.secret_file)))[0]
        now = int(self.time.clock().timestamp())
        known = {"sub": "7", "aud": INSTANCE, "iss": INSTANCE, "iat": now, "nbf": now, "exp": now + 60, "jti": "j"}
        said = {name: value for name, value in {**known, **claims}.items() if value is not None}
        known_header = {"typ": "worker+jwt", "kid": signing.key_id, **(header or {})}
        about = {name: value for name, value in known_header.items() if value is not None or name == "typ"}
        return jwt.encode(said, signing.secret if key is None else key, "HS256", headers=about)

    def add_worker(
        self,
        worker_id: int = 7,
        map_type: MapType = MapType.ONE_TO_ONE,
        job_ids: tuple[int, ...] = (101,),
        queue: str = QUEUE,
    ) -> Path:
        """A worker that runs; its access point."""
        directory = self.place / "access" / str(worker_id)
        directory.mkdir(parents=True)
        now = self.time.clock()
        worker = Worker(
            worker_id,
            queue,
            WorkerStatus.PENDING,
            marker_of(INSTANCE, worker_id),
            map_type=map_type,
            access_point=str(directory),
        )
        with self.db.write() as connection:
            workers.insert_intents(connection, [worker], now)
            running = {"status": WorkerStatus.RUNNING, "phase": WorkerPhase.MONITOR, "due": None}
            connection.execute(update(worker_table).where(worker_table.c.worker_id == worker_id).values(running))
        self.give_jobs(worker_id, *job_ids)
        return directory

    def give_jobs(self, worker_id: int, *job_ids: int) -> None:
        with self.db.write() as connection:
            workers.relate(connection, [(worker_id, job) for job in job_ids])

    def end_worker(self, worker_id: int = 7) -> None:
        now = self.time.clock()
        row = {"worker_id": worker_id, "status": WorkerStatus.FINISHED, "phase": WorkerPhase.SWEEP}
        event = history.Event(
            history.Kind.WORKER, worker_id, now, WorkerStatus.RUNNING, WorkerStatus.FINISHED, "it ended", "monitor"
        )
        with self.db.write() as connection:
            workers.change_ended(connection, [{**row, "ended_at": now, "due": None}], now)
            history.record(connection, [event])


@dataclass
class Visitor:
    """Whoever comes to the door."""

    house: House
    client: TestClient

    def post(
        self, body: bytes | str, token: str | None = None, headers: Mapping[str, str] | None = None, **more: object
    ) -> Result:
        known = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        return self.client.simulate_post("/entry", body=body, headers={**known, **(headers or {})}, **more)

    def knock(self, body: bytes, token: str | None = None, **environ: str) -> tuple[int, str]:
        """Call the application as a server does that looks at nothing itself."""
        known = create_environ("/entry", method="POST", body=body.decode("latin-1"))
        known |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json"}
        if token:
            known["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        told: list[str] = []
        answer = self.client.app({**known, **environ}, lambda status, _headers, _error=None: told.append(status))
        return int(told[0][:3]), b"".join(answer).decode()

    def say(
        self, method: str, data: JsonValue = None, *, worker_id: int = 7, token: str | None = None, **more: JsonValue
    ) -> Result:
        """Call a method as the worker itself does, unless another token is given."""
        call = {"methodName": method, "workerID": worker_id, "data": data, **more}
        return self.post(json.dumps(call), self.house.token(worker_id) if token is None else token)


def a_queue(place: Path, name: str = QUEUE, **messenger: JsonValue) -> QueueConfig:
    block: dict[str, JsonValue] = {"plugin": "http", "accessPoint": f"{place}/access/${{workerID}}", **messenger}
    raw: dict[str, JsonValue] = {"mapType": "OneToOne", **BLOCKS, "messenger": block}
    config = build_queue(MergedQueue(name, raw), place, Findings())
    assert config is not None
    return config


MakeHouse = Callable[..., House]


def make_house(
    place: Path, db: Database, frontend: Mapping[str, object], queues: list[QueueConfig], names: Mapping[str, object]
) -> House:
    time = Time()
    key_file = place / "door.key"
    if not key_file.exists():
        key_file.write_bytes(b"k" * 40)
        key_file.chmod(0o600)
    settings = Settings.model_validate(
        {
            "master": {"harvester_id": INSTANCE, "workDir": str(place / "work")},
            "pandacon": {"server_api_url_ssl": "https://127.0.0.1:9/api/v1"},
            "frontend": {"secretFile": str(key_file), **frontend},
            "payload_interaction": names,
        }
    )
    known = {each.queue_name: each for each in queues}
    pool = PluginPool(known, plugin_context(settings, time.clock), frozenset(known))
    return House(place, db, time, settings, pool)
