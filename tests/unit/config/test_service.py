"""From files to settings."""

import sys
from pathlib import Path

import pytest

from harvester.config.findings import Severity
from harvester.config.service import Settings, load_settings
from harvester.config.sources import MAIN_FILE, queue_file, queue_places, search_path

MINIMAL = "[master]\nharvester_id = unit\n[pandacon]\nserver_api_url_ssl = http://127.0.0.1:1/api/v1\n"

LEGACY = """\
[master]
uname = harvester
gname = zp
loggername = harvester
harvester_id = CERN_central_A
debugger_port = 19550
dynamic_plugin_change = False
[db]
database_filename = /var/h.db
verbose = False
useInspect = False
nConnections = 10
engine = mariadb
useMySQLdb = True
user = harvester
password = 0123
schema = HARVESTER
host = localhost
port = 3306
reconnectTimeout = 300
syncMaxWorkerID = False
[fifo]
fifoModule = pandaharvester.harvesterfifo.sqlite_fifo
fifoClass = SqliteFifo
database_filename = /dev/shm/$(TITLE)_fifo.db
[communicator]
moduleName = pandaharvester.harvestercommunicator.panda_communicator
className = PandaCommunicator
nConnections = 5
[pandacon]
timeout = 180
auth_type = x509
ca_cert = False
cert_file = $X509_USER_PROXY
key_file = $X509_USER_PROXY
auth_token = FIXME
auth_origin = FIXME
pandaURL = http://pandaserver.cern.ch:25080/server/panda
pandaURLSSL = https://pandaserver.cern.ch:25443/server/panda
pandaCacheURL_W = https://pandacache.cern.ch:25443/server/panda
pandaCacheURL_R = https://pandacache.cern.ch:25443/cache
verbose = False
getEventsChunkSize = 5120
[qconf]
configFile = panda_queueconfig.json
configFromCacher = True
queueList = ALL
resolverModule = pandaharvester.harvestermisc.info_utils
resolverClass = PandaQueuesDict
autoBlacklist = False
pilotVersion = 3
updateInterval = 600
checkInterval = 5
[commandmanager]
commands_bulk_size = 20
sleepTime = 5
[eventfeeder]
nThreads = 0
[submitter]
nThreads = 3
nQueues = 3
lookupTime = 60
queueLockInterval = 300
maxNewWorkers = 1000
activateWorkerFactor = auto
respectSleepTime = False
[monitor]
fifoEnable = True
fifoModule = pandaharvester.harvesterfifo.mysql_fifo
db_password = x
eventBasedPlugins =
  [
    {
      "module": "pandaharvester.harvestermonitor.htcondor_monitor",
      "name": "HTCondorMonitor",
      "submissionHost_list": [ "a,b" ]
    }
  ]
[stager]
maxJobsToZip = 7
nThreadsForZip = 4
zipInterval = 90
[credmanager]
moduleName =
  pandaharvester.harvestercredmanager.no_voms_cred_manager
  pandaharvester.harvestercredmanager.no_voms_cred_manager
className =
  NoVomsCredManager
  NoVomsCredManager
certFile =
  /a
  /b
outCertFile =
  /c
  /d
voms =
  atlas:/atlas/Role=production
  atlas:/atlas/Role=pilot
sleepTime = 1800
[cacher]
data =
  ddmendpoints_objectstores.json||http://cric/x
  panda_queues.json||http://cric/y?json|/tmp/pq.json
refreshInterval = 10
[watcher]
logFileNameList = panda-db_proxy.log,panda-submitter.log
actions =
mailUseSSL = True
mailPort = 465
mailTo = a@b, c@d
[service_monitor]
active = True
pidfile = /var/run/h.pid
disk_volumes = data
[apfmon]
active = True
base_url = http://apfmon.lancs.ac.uk/api
worker_timeout = 0.5
[frontend]
type = simple
portNumber = 25080
[payload_interaction]
jobSpecFile = HPCJobs.json
pandaIDsFile = worker_pandaids.json
[log_level]
monitor = WARN
db_proxy = info
[googlecloud]
zone = x
"""


def load(folder: Path, text: str, environ: dict[str, str] | None = None) -> Settings:
    loaded = load_settings([write(folder / "panda_harvester.cfg", text)], environ or {})
    assert loaded.settings is not None, loaded.findings
    return loaded.settings


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_name_and_a_server_are_enough(tmp_path: Path) -> None:
    loaded = load_settings([write(tmp_path / "c.cfg", MINIMAL)], {"PANDA_HOME": "/p"}, hostname="h")
    assert loaded.findings == ()
    assert loaded.settings is not None
    assert loaded.settings.master.work_dir == "/p/var/harvester/unit"
    assert loaded.settings.db.engine == "sqlite"
    assert loaded.settings.db.database_filename == "/p/var/harvester/unit/harvester.db"
    assert loaded.settings.qconf.queue_list == ("ALL",)
    assert loaded.settings.pandacon.server_url == "http://127.0.0.1:1/api/v1"


def test_an_existing_file_has_no_mistakes(tmp_path: Path) -> None:
    loaded = load_settings([write(tmp_path / "c.cfg", LEGACY)], {"X509_USER_PROXY": "/tmp/x509"})
    later = {
        "qconf.configFromCacher",
    }
    assert {(each.key, each.severity) for each in loaded.findings} == {(key, Severity.WARNING) for key in later}
    settings = loaded.settings
    assert settings is not None
    assert settings.db.password is not None
    assert settings.db.password.get_secret_value() == "0123"
    assert settings.pandacon.cert_file == "/tmp/x509"
    assert settings.pandacon.ca_cert is False
    assert settings.pandacon.server_url == "https://pandaserver.cern.ch:25443/api/v1"
    assert settings.qconf.pilot_version == "3"
    assert settings.submitter.activate_worker_factor == "auto"
    assert settings.zipper.max_jobs_to_zip == 7
    assert settings.zipper.zip_interval == 90
    assert settings.credmanager.cert_file == ("/a", "/b")
    assert len(settings.cacher.data) == 2
    assert settings.watcher.mail_to == ("a@b", "c@d")
    assert settings.watcher.actions == ()
    assert settings.apfmon.worker_timeout == 0.5
    assert settings.log_level == {"monitor": "WARNING", "db_proxy": "INFO"}


def test_what_is_not_set_is_as_upstream_has_it(tmp_path: Path) -> None:
    settings = load(tmp_path, MINIMAL)
    assert settings.submitter.max_new_workers is None
    assert settings.zipper.n_threads_for_zip is None
    assert settings.preparator.max_files_per_job_to_check is None


@pytest.mark.parametrize(("written", "limit"), [("None", None), ("0", None), ("-1", None), ("7", 7)])
def test_limits_of_files_per_job(tmp_path: Path, written: str, limit: int | None) -> None:
    keys = "[preparator]\nmaxFilesPerJobToCheck = {0}\nmaxFilesPerJobToPrepare = {0}\n"
    keys += "[stager]\nmaxFilesPerJobToCheck = {0}\nmaxFilesPerJobToTrigger = {0}\n[zipper]\nmaxFilesPerJobToZip = {0}"
    settings = load(tmp_path, MINIMAL + keys.format(written))
    assert {
        settings.preparator.max_files_per_job_to_check,
        settings.preparator.max_files_per_job_to_prepare,
        settings.stager.max_files_per_job_to_check,
        settings.stager.max_files_per_job_to_trigger,
        settings.zipper.max_files_per_job_to_zip,
    } == {limit}


@pytest.mark.parametrize(
    ("written", "levels"),
    [
        ("slurm_submitter = INFO", {"slurm": "INFO"}),
        ("slurm_bulk_monitor = INFO\nslurm_submitter = DEBUG\nslurm_sweeper = ERROR", {"slurm": "DEBUG"}),
        ("simple_worker_maker = WARN", {"worker_maker": "WARNING"}),
        ("shared_file_messenger = FATAL", {"shared_file_messenger": "CRITICAL"}),
        ("rucio_stager = NOTSET", {"data": "DEBUG"}),
    ],
)
def test_levels_of_upstream_loggers(tmp_path: Path, written: str, levels: dict[str, str]) -> None:
    assert load(tmp_path, f"{MINIMAL}[log_level]\n{written}").log_level == levels


@pytest.mark.parametrize(
    ("written", "level"), [("WARN", "WARNING"), ("fatal", "CRITICAL"), ("NOTSET", "DEBUG"), ("ERROR", "ERROR")]
)
def test_the_level_of_all_loggers(tmp_path: Path, written: str, level: str) -> None:
    write(tmp_path / "panda_common.cfg", f"[logger]\nlog_level = {written}")
    assert load(tmp_path, MINIMAL).logger.log_level == level


def test_the_search_path_in_its_order(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path / "home"), "PANDA_HOME": str(tmp_path / "panda")}
    for place, path in enumerate(search_path("panda_harvester.cfg", environ)[2:]):
        write(path, f"{MINIMAL}[jobfetcher]\nmaxJobs = {place + 1}\n[stager]\nlockInterval = 1{place}")
    configmap = '{"stager": {"lockInterval": 99}}'
    write(tmp_path / "panda/etc/configmap/panda_harvester_configmap.json", configmap)
    loaded = load_settings(None, environ)
    assert loaded.settings is not None
    assert loaded.settings.jobfetcher.max_jobs == 3
    assert loaded.settings.stager.lock_interval == 99


def test_a_place_named_twice_counts_where_it_is_named_last(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "PANDA_HOME": "/"}
    folders = [str(path.parent) for path in search_path("x.cfg", environ)]
    assert folders == [str(tmp_path / "etc/panda"), "/etc/panda", "/usr/etc/panda"]


def test_without_home_the_account_knows_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path / "etc/panda/x.cfg" in search_path("x.cfg", {})


def test_an_account_may_have_no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 7)
    assert len(search_path("x.cfg", {})) == 2
    assert load(tmp_path, MINIMAL).master.work_dir == "/var/lib/.local/state/harvester/unit"


def test_a_place_that_cannot_be_looked_at_is_passed_over(tmp_path: Path) -> None:
    closed = str(tmp_path / ("x" * 300))  # as a directory without permissions, which stops everybody but root
    write(tmp_path / "etc/panda/panda_harvester.cfg", MINIMAL)
    loaded = load_settings(None, {"HOME": closed, "PANDA_HOME": str(tmp_path)})
    assert loaded.settings is not None
    assert queue_file("q.json", {"PANDA_HOME": closed}) == Path("/etc/panda/q.json")


def test_logs_follow_panda_common(tmp_path: Path) -> None:
    common = "[logger]\nlogdir = $LOGS\nlog_level = info\nrotating_policy = size\nloghost = x\n[other]\na = b"
    write(tmp_path / "panda_common.cfg", common)
    logger = load(tmp_path, MINIMAL, {"LOGS": "/l"}).logger
    assert (logger.logdir, logger.log_level, logger.rotating_policy) == ("/l", "INFO", "size")


@pytest.mark.parametrize(
    ("common", "level"), [("", "INFO"), ("[logger]\nlogdir = /l", "DEBUG"), ("[logger]\nlog_level = error", "ERROR")]
)
def test_who_says_nothing_about_logs_is_told_what_a_person_reads(tmp_path: Path, common: str, level: str) -> None:
    if common:
        write(tmp_path / "panda_common.cfg", common)
    assert load(tmp_path, MINIMAL, {}).logger.log_level == level


@pytest.mark.parametrize("stated", [None, "/stated"])
def test_the_environment_of_python_stands_in_for_panda_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stated: str | None
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    environ = {"HOME": "/h"} | ({"PANDA_HOME": stated} if stated else {})
    own = tmp_path / "etc/panda/panda_harvester.cfg"
    assert own not in search_path(MAIN_FILE, environ)
    own.parent.mkdir(parents=True)
    assert (own in search_path(MAIN_FILE, environ)) is (stated is None)
    assert (own.with_name("q.json") in queue_places("q.json", environ)) is (stated is None)


@pytest.mark.shows("pandacon.server_api_url_ssl", "pandacon.pandaURLSSL", "pandacon.server_api_url")
@pytest.mark.parametrize(
    ("stated", "url"),
    [
        ("server_api_url_ssl = https://a:1/api/v1/", "https://a:1/api/v1"),
        ("pandaURLSSL = https://b:2/server/panda", "https://b:2/api/v1"),
        ("server_api_url = http://c:3/api/v1", "http://c:3/api/v1"),
        ("server_api_url = http://c/api/v1\npandaURLSSL = https://b:2/server/panda", "https://b:2/api/v1"),
        ("iddsURL =\nserver_api_url_ssl = https://a:1/api/v1", "https://a:1/api/v1"),
    ],
)
def test_the_server_by_any_of_its_names(tmp_path: Path, stated: str, url: str) -> None:
    assert load(tmp_path, f"[master]\nharvester_id = u\n[pandacon]\n{stated}").pandacon.server_url == url


@pytest.mark.shows("pandacon.cache_api_url_ssl", "pandacon.pandaCacheURL_W")
@pytest.mark.parametrize(
    ("stated", "url"),
    [
        ("cache_api_url_ssl = https://a:1/api/v1/\npandaCacheURL_W = https://b:2/x", "https://a:1/api/v1"),
        ("pandaCacheURL_W = https://b:2/server/panda", "https://b:2/api/v1"),
        ("", "https://c:3/api/v1"),
    ],
)
def test_the_server_that_takes_files_by_any_of_its_names(tmp_path: Path, stated: str, url: str) -> None:
    minimal = "[master]\nharvester_id = u\n[pandacon]\nserver_api_url_ssl = https://c:3/api/v1\n"
    assert load(tmp_path, f"{minimal}{stated}").pandacon.file_server_url == url


@pytest.mark.parametrize(
    ("stated", "names"),
    [
        ("ALL", ("ALL",)),
        ("A, B C", ("A", "B", "C")),
        ("\n  A\n  B", ("A", "B")),
        ('["A", "B"]', ("A", "B")),
        ("['A']", ("A",)),
        ("", ()),
    ],
)
def test_queue_lists(tmp_path: Path, stated: str, names: tuple[str, ...]) -> None:
    assert load(tmp_path, f"{MINIMAL}[qconf]\nqueueList = {stated}").qconf.queue_list == names


def test_keys_of_default_are_no_unknown_keys(tmp_path: Path) -> None:
    settings = load(tmp_path, f"[DEFAULT]\nnThreads = 7\nbase = /b\n{MINIMAL}[sweeper]\n")
    assert settings.sweeper.n_threads == 7


def test_secrets_do_not_show_in_the_settings(tmp_path: Path) -> None:
    settings = load(tmp_path, f"{MINIMAL}auth_token = hush\n[db]\npassword = hush")
    assert "hush" not in repr(settings)


def test_findings_sort_nothing_out(tmp_path: Path) -> None:
    loaded = load_settings([write(tmp_path / "c.cfg", MINIMAL + "[db]\nengine = x\n[sweeper]\nnThreads = y")], {})
    assert loaded.settings is None
    assert [each.key for each in loaded.findings] == ["db.engine", "sweeper.nThreads"]
