import logging
import os
import time
from pathlib import Path

import pytest
import structlog

import harvester
from harvester.agents.told_findings import tell_findings
from harvester.config.instance_sections import LoggerSettings, Master, Pandacon
from harvester.config.log_areas import area_named
from harvester.config.service import Settings, load_settings
from harvester.logs import area_of, set_up_logs

pytestmark = pytest.mark.usefixtures("no_handlers")


def settings(place: Path | None, levels: dict[str, str] | None = None, **logger: object) -> Settings:
    return Settings.model_validate(
        {
            "master": Master(harvester_id="unit"),
            "pandacon": Pandacon(server_api_url_ssl="http://127.0.0.1:9/api/v1"),
            "log_level": levels or {},
            "logger": LoggerSettings.model_validate({"logdir": place and str(place), **logger}),
        }
    )


@pytest.mark.parametrize(
    ("logger", "agent", "area"),
    [
        ("harvester.service", "", "master"),
        ("harvester.agents.monitor", "", "monitor"),
        ("harvester.agents.sizer", "", "worker_adjuster"),
        ("harvester.agents.runner", "job fetcher", "job_fetcher"),
        ("harvester.agents.runner", "worker propagator", "propagator"),
        ("harvester.agents.runner", "killer", "sweeper"),
        ("harvester.panda.client", "", "communicator"),
        ("harvester.store.engine", "", "db_proxy"),
        ("harvester.config", "", "queue_config_mapper"),
        ("harvester.plugins.slurm.cluster", "", "slurm"),
        ("harvester.plugins.messengers.shared_file", "", "shared_file_messenger"),
        ("harvester.storekeeper", "", "master"),
        ("some.library", "", "master"),
    ],
)
def test_every_line_has_an_area_that_operators_know(logger: str, agent: str, area: str) -> None:
    assert area_of(logger, agent) == area


def test_every_area_can_be_given_a_level() -> None:
    rooms = Path(harvester.__file__).parent
    writers = [path for path in rooms.rglob("*.py") if "get_logger(__name__)" in path.read_text()]
    loggers = [".".join(path.relative_to(rooms.parent).with_suffix("").parts) for path in writers]
    assert "harvester.agents.monitor" in loggers
    assert {area_named(area_of(logger)) for logger in loggers} == {area_of(logger) for logger in loggers}


def test_what_is_wrong_with_a_secret_is_told_in_whole_words_and_without_it(tmp_path: Path) -> None:
    (tmp_path / "panda_harvester.cfg").write_text(
        "[master]\nharvester_id = unit\n[pandacon]\nserver_api_url_ssl = http://h/api/v1\n[db]\npassword = HU%SH\n"
    )
    set_up_logs(settings(tmp_path))
    tell_findings(load_settings([tmp_path / "panda_harvester.cfg"], {}).findings)
    line = (tmp_path / "panda-queue_config_mapper.log").read_text()
    assert "a single % starts a reference to another key; it is taken as it stands; write %%" in line
    assert f"place={tmp_path}/panda_harvester.cfg:6 key=db.password" in line
    assert "HU" not in line.replace(str(tmp_path), "")
    assert "hidden" not in line


def test_levels_of_upstream_loggers_hold(tmp_path: Path) -> None:
    (tmp_path / "panda_harvester.cfg").write_text(
        "[master]\nharvester_id = u\n[pandacon]\nserver_api_url_ssl = http://h/api/v1\n"
        "[log_level]\nslurm_submitter = ERROR\nshared_file_messenger = ERROR\n"
    )
    (tmp_path / "panda_common.cfg").write_text(f"[logger]\nlogdir = {tmp_path}\n")
    loaded = load_settings([tmp_path / "panda_harvester.cfg"], {})
    assert loaded.settings is not None
    set_up_logs(loaded.settings)
    structlog.get_logger("harvester.plugins.slurm.cluster").warning("chatter")
    structlog.get_logger("harvester.plugins.messengers.looking").error("heard")
    assert not (tmp_path / "panda-slurm.log").exists()
    assert "heard" in (tmp_path / "panda-shared_file_messenger.log").read_text()


def test_each_area_writes_its_own_file_with_identifiers_and_utc(tmp_path: Path) -> None:
    set_up_logs(settings(tmp_path / "logs"))
    structlog.get_logger("harvester.agents.monitor").info("checked", queue="Q", worker=17)
    structlog.get_logger("harvester.service").info("started")
    line = (tmp_path / "logs" / "panda-monitor.log").read_text()
    assert line.endswith(" panda.log.monitor: INFO     checked queueName=Q workerID=17\n")
    assert "started" in (tmp_path / "logs" / "panda-master.log").read_text()


def test_levels_hold_for_the_root_and_for_single_areas(tmp_path: Path) -> None:
    set_up_logs(settings(tmp_path, {"monitor": "DEBUG"}, log_level="WARNING"))
    structlog.get_logger("harvester.agents.monitor").debug("detail")
    structlog.get_logger("harvester.agents.stager").info("chatter")
    assert "detail" in (tmp_path / "panda-monitor.log").read_text()
    assert not (tmp_path / "panda-stager.log").exists()


def test_words_of_others_cannot_forge_a_line(tmp_path: Path) -> None:
    set_up_logs(settings(tmp_path))
    structlog.get_logger("harvester.service").info("said\nit", text='x\n2026-01-01 "forged"')
    assert len((tmp_path / "panda-master.log").read_text().splitlines()) == 1


@pytest.mark.shows("logger.log_level")
def test_libraries_are_heard_only_when_they_warn(tmp_path: Path) -> None:
    set_up_logs(settings(tmp_path))
    logging.getLogger("httpcore").debug("authorization: Bearer abc")
    logging.getLogger("httpcore").warning("careful")
    assert "Bearer" not in (tmp_path / "panda-master.log").read_text()


def test_a_traceback_follows_its_line(tmp_path: Path) -> None:
    set_up_logs(settings(tmp_path))
    try:
        int("broken")
    except ValueError:
        structlog.get_logger("harvester.agents.stager").exception("failed")
    assert "ValueError: invalid literal" in (tmp_path / "panda-stager.log").read_text()


def test_what_others_say_is_told_without_secrets(tmp_path: Path) -> None:
    set_up_logs(settings(tmp_path))
    log = structlog.get_logger("harvester.agents.monitor")
    log.warning(
        "work failed", about="Q", error="https://me:HUSH@host is away", reason="token=HUSH", problem="Bearer HUSH"
    )
    try:
        int("token=HUSH")
    except ValueError:
        log.exception("plugin failed", plugin="P")
    log.warning("https://me:HUSH@host was asked", why="token=HUSH", tried=["Bearer HUSH"])
    logging.getLogger("some.library").warning("Authorization: Bearer %s", "HUSH")
    text = (tmp_path / "panda-monitor.log").read_text()
    assert "HUSH" not in text + (tmp_path / "panda-master.log").read_text()
    assert "://(hidden)@host is away" in text
    assert "ValueError: invalid literal" in text


@pytest.mark.shows(
    "logger.logdir", "logger.rotating_policy", "logger.rotating_max_size", "logger.rotating_backup_count"
)
def test_files_are_rotated_by_size(tmp_path: Path) -> None:
    set_up_logs(settings(tmp_path, rotating_policy="size", rotating_max_size=1, rotating_backup_count=2))
    log = structlog.get_logger("harvester.service")
    for _ in range(3):
        log.info("x" * 600_000)
    assert (tmp_path / "panda-master.log.2").exists()
    assert not (tmp_path / "panda-master.log.3").exists()


@pytest.mark.shows("logger.rotating_interval")
def test_files_are_rotated_by_time(tmp_path: Path) -> None:
    set_up_logs(settings(tmp_path, rotating_policy="time", rotating_interval=24, rotating_backup_count=2))
    yesterday = time.time() - 86_401
    structlog.get_logger("harvester.service").info("before")
    for handler in logging.getLogger().handlers:
        handler.close()
    os.utime(tmp_path / "panda-master.log", (yesterday, yesterday))
    set_up_logs(settings(tmp_path, rotating_policy="time", rotating_interval=24, rotating_backup_count=2))
    structlog.get_logger("harvester.service").info("after")
    assert "before" not in (tmp_path / "panda-master.log").read_text()
    assert [path.name for path in tmp_path.glob("panda-master.log.*")] != []


@pytest.mark.shows("db.verbose")
@pytest.mark.parametrize("verbose", [False, True])
def test_statements_are_logged_only_if_that_is_wanted(tmp_path: Path, *, verbose: bool) -> None:
    wanted = settings(tmp_path)
    set_up_logs(wanted.model_copy(update={"db": wanted.db.model_copy(update={"verbose": verbose})}))
    logging.getLogger("sqlalchemy.engine").info("SELECT 1")
    path = tmp_path / "panda-db_proxy.log"
    assert (path.exists() and "SELECT 1" in path.read_text()) is verbose


def test_an_unusable_log_directory_is_said_and_standard_error_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    set_up_logs(settings(tmp_path / "file" / "logs"))
    structlog.get_logger("harvester.service").info("started")
    said = capsys.readouterr().err
    assert "the log directory" in said
    assert "started" in said


def test_lost_lines_are_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(settings(tmp_path))
    (tmp_path / "panda-master.log").mkdir()
    for _ in range(3):
        structlog.get_logger("harvester.service").info("started")
    assert capsys.readouterr().err.count("log lines are lost") == 1
