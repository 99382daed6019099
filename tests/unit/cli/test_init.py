"""`harvester init`: what it writes can be used, says what it means, and loses nothing that is there."""

import grp
import json
import os
import pty
import pwd
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from harvester.cli.main import app
from harvester.config.service import Settings, load_settings, section_models
from harvester.config.template import live_keys
from harvester.plugins.tools.worker_tokens import KeyFile

Init = Callable[..., Result]
ENOUGH = (
    "--harvester-id", "my_harvester", "--server", "http://127.0.0.1:25443", "--queue", "MY_QUEUE",
    "--resource", "local", "--pilot", "/bin/true ${accessPoint}",
)  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("PANDA_HOME", "VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "account"))
    monkeypatch.setenv("PANDA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def init(home: Path) -> Init:  # noqa: ARG001 - the environment
    def call(*options: str) -> Result:
        return CliRunner().invoke(app, ["init", *options])

    return call


def settings_in(home: Path) -> Settings:
    loaded = load_settings([home / "etc/panda/panda_harvester.cfg"], {})
    assert loaded.settings, loaded.findings
    return loaded.settings


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_instance_has_nothing_to_complain_about(init: Init, home: Path):
    result = init(*ENOUGH)
    assert result.exit_code == 0, result.output
    assert "nothing to complain about" in result.stderr
    settings = settings_in(home)
    assert settings.master.harvester_id == "my_harvester"
    assert settings.pandacon.server_url == "http://127.0.0.1:25443/api/v1"
    assert settings.db.database_filename == f"{home}/var/harvester/my_harvester/harvester.db"
    assert settings.qconf.queue_list == ("MY_QUEUE",)
    assert settings.logger.logdir == f"{home}/var/log/panda"
    queue = json.loads((home / "etc/panda/panda_queueconfig.json").read_text())["MY_QUEUE"]
    assert queue["submitter"]["command"] == ["/bin/true", "${accessPoint}"]
    assert mode_of(home / "etc/panda/panda_harvester.cfg") == 0o644


def test_secrets_are_for_the_account_alone(init: Init, home: Path, tmp_path: Path):
    (tmp_path / "password").write_text("a%b HUSH\n")
    options = ("--engine", "mariadb", "--db-host", "db.example.org", "--db-password-file", str(tmp_path / "password"))
    result = init(*ENOUGH, *options)
    assert result.exit_code == 0, result.output
    assert "HUSH" not in result.output
    password = settings_in(home).db.password
    assert password
    assert password.get_secret_value() == "a%b HUSH"
    assert mode_of(home / "etc/panda/panda_harvester.cfg") == 0o600
    key = home / "etc/panda/door.key"
    assert mode_of(key) == 0o600
    assert KeyFile(key).keys()
    assert mode_of(home / "etc/sysconfig/panda_harvester") == (0o640 if os.geteuid() == 0 else 0o600)


def test_what_is_missing_is_named_all_at_once(init: Init, home: Path):
    result = init("--server", "https://panda.example.org")
    assert result.exit_code == 2
    for option in ("--harvester-id", "--cert", "--queue", "--pilot"):
        assert option in result.stderr
    assert "--server" not in result.stderr
    assert not home.exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--harvester-id", "two words"), "--harvester-id: must be a name of at most 50"),
        (("--server", "ftp://host/x"), "--server: must be a URL"),
        (("--user", "nobody-of-this-name"), "--user: there is no user nobody-of-this-name"),
        (("--group", "nobody-of-this-name"), "--group: there is no group nobody-of-this-name"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_where_it_was_given(
    init: Init, home: Path, options: tuple[str, ...], says: str
):
    result = init(*ENOUGH, *options)
    assert result.exit_code == 2
    assert says in result.stderr
    assert not home.exists()


def test_a_password_that_the_format_cannot_hold_is_refused(init: Init, tmp_path: Path):
    (tmp_path / "password").write_text("$tart")
    options = ("--engine", "postgresql", "--db-host", "h", "--db-password-file", str(tmp_path / "password"))
    result = init(*ENOUGH, *options)
    assert result.exit_code == 1
    assert "choose another one" in result.stderr
    assert "$tart" not in result.output


def test_what_is_there_is_left_alone(init: Init, home: Path):
    assert init(*ENOUGH).exit_code == 0
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    result = init(*ENOUGH)
    assert result.exit_code == 0, result.output
    assert {path: path.read_bytes() for path in before} == before
    assert f"all {len(before)} files are there already, left as they are\n" in result.stdout
    (home / "etc/panda/panda_common.cfg").unlink()
    told = init().stdout
    assert f"{home}/etc/panda/panda_common.cfg: written" in told
    assert told.count("is there already, left as it is") == len(before) - 1


def test_options_that_had_no_effect_are_told_with_the_file_that_says_otherwise(init: Init, home: Path):
    assert init(*ENOUGH).exit_code == 0
    etc = home / "etc/panda"
    result = init(
        "--harvester-id", "other", "--server", "http://127.0.0.1:25443", "--queue", "Q2", "--resource", "slurm"
    )
    assert result.exit_code == 1
    assert f"--harvester-id had no effect: {etc}/panda_harvester.cfg was left as it is" in result.stderr
    assert f"--queue, --resource had no effect: {etc}/panda_queueconfig.json was left as it is" in result.stderr
    assert "--server" not in result.stderr
    assert "--force" in result.stderr
    assert init("--logdir", "/elsewhere").stderr.count(f"--logdir had no effect: {etc}/panda_common.cfg") == 1


def test_the_same_answers_again_are_no_trouble(init: Init, tmp_path: Path):
    (tmp_path / "password").write_text("a%b HUSH\n")
    slurm = (
        *ENOUGH[:-3],
        "slurm",
        "--pilot",
        "/pilot/run.sh --dir '{accessPoint}' --name 'two words'",
        "--mode",
        "pull",
    )
    database = ("--engine", "mariadb", "--db-port", "3306", "--db-password-file", str(tmp_path / "password"))
    for options in ((*slurm, *database), (*slurm, *database)):
        result = init(*options, "--user", "nobody", "--no-check")
        assert result.exit_code == 0, result.output


def test_an_instance_that_is_there_gets_what_it_lacks_and_is_asked_nothing(init: Init, home: Path):
    etc = home / "etc/panda"
    etc.mkdir(parents=True)
    (etc / "panda_harvester.cfg").write_text(
        f"[master]\nharvester_id = old\nworkDir = {home}/work\n[pandacon]\nserver_api_url = http://127.0.0.1:9/api/v1\n"
    )
    (etc / "panda_queueconfig.json").write_text("{}")
    result = init()
    assert "harvester_id = old" in (etc / "panda_harvester.cfg").read_text()
    assert (home / "etc/sysconfig/panda_harvester").exists()
    assert (etc / "panda_common.cfg").exists()
    assert not (etc / "door.key").exists()
    assert f"{etc}/panda_common.cfg: written" in result.stdout


def test_service_files_that_are_not_its_own_are_named_and_not_advised(init: Init, home: Path):
    """Nothing is said of them that is true of scripts alone."""
    names = ("rc.d/init.d/panda_harvester", "sysconfig/panda_harvester", "logrotate.d/panda_harvester")
    earlier = {home / "etc" / name for name in names}
    for each in earlier:
        each.parent.mkdir(parents=True)
        each.write_text("#!/bin/bash\n# Start/stop harvester\n")
    result = init(*ENOUGH)
    words = "not written by this version of `harvester init`"
    warned = [line.split()[1] for line in result.stderr.splitlines() if words in line]
    assert set(map(Path, warned)) == earlier
    assert result.stdout.count(words) == len(earlier)
    assert "move these files away" in result.stderr
    assert f". {home}/etc/sysconfig" not in result.stdout
    for each in earlier:
        each.unlink()
    result = init()
    assert "WARNING" not in result.stderr
    assert f". {home}/etc/sysconfig/panda_harvester " in result.stdout


def test_what_was_written_before_a_failure_is_told(init: Init, home: Path):
    etc = home / "etc/panda"
    etc.mkdir(parents=True)
    (etc / "panda_harvester.cfg").write_text("[master]\nharvester_id = FIXME\n[db]\nengine = FIXME\n")
    result = init()
    assert result.exit_code == 1
    assert f"{etc}/panda_common.cfg: written" in result.stdout


def test_each_file_is_told_before_the_next_one_fails(init: Init, home: Path):
    units = home / "etc/systemd/system"
    units.parent.mkdir(parents=True)
    units.symlink_to("/proc/self")  # where nobody can make a file, not even root
    result = init(*ENOUGH)
    assert result.exit_code == 1
    assert str(units) in result.stderr
    there = {str(each) for each in (home / "etc").rglob("*") if each.is_file()}
    assert there == {line.split(": ")[0] for line in result.stdout.splitlines() if line.endswith(": written")}
    assert f"{home}/etc/sysconfig/panda_harvester" in there


def test_by_force_the_old_files_are_kept_beside_the_new_ones(init: Init, home: Path):
    init(*ENOUGH)
    config = home / "etc/panda/panda_harvester.cfg"
    old, key = config.read_text(), (home / "etc/panda/door.key").read_text()
    config.write_text(f"{old}# mine\n")
    result = init(*ENOUGH, "--harvester-id", "another", "--force")
    assert result.exit_code == 0, result.output
    assert settings_in(home).master.harvester_id == "another"
    (kept,) = config.parent.glob("panda_harvester.cfg.*")
    assert kept.read_text() == f"{old}# mine\n"
    assert str(kept) in result.stdout
    assert (home / "etc/panda/door.key").read_text() == key, "live workers hold tokens that it has signed"


def test_comments_are_what_the_models_say(init: Init, home: Path):
    init(*ENOUGH)
    lines = (home / "etc/panda/panda_harvester.cfg").read_text().splitlines()
    text = " ".join(" ".join(line.removeprefix("#") for line in lines).split())
    for name in ("master", "db", "pandacon", "qconf"):
        for key, field in live_keys(section_models()[name]).items():
            assert " ".join((field.description or "").split()) in text, f"{name}.{key}"


def test_a_cluster_gets_its_batch_script(init: Init, home: Path):
    slurm = [word if word != "local" else "slurm" for word in ENOUGH]
    slurm[-1] = "/pilot/run.sh --dir '{accessPoint}' --name 'two words'"
    assert init(*slurm).exit_code == 0
    script = home / "etc/panda/slurm_template.sh"
    assert "exec /pilot/run.sh --dir {accessPoint} --name 'two words'" in script.read_text()
    assert mode_of(script) == 0o755
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


def test_pilots_that_fetch_their_own_jobs(init: Init, home: Path):
    assert init(*ENOUGH[:-1], "demo", "--mode", "pull").exit_code == 0
    queue = json.loads((home / "etc/panda/panda_queueconfig.json").read_text())["MY_QUEUE"]
    assert queue["mapType"] == "NoJob"
    assert "--server" in queue["submitter"]["command"]


def test_a_token_in_place_of_a_certificate(init: Init, home: Path, tmp_path: Path):
    (tmp_path / "token").write_text("abc")
    options = ("--server", "https://panda.example.org:25443", "--token", str(tmp_path / "token"), "--origin", "atlas")
    assert init(*ENOUGH, *options).exit_code == 0
    panda = settings_in(home).pandacon
    assert (panda.auth_type, panda.auth_origin) == ("oidc", "atlas")
    assert panda.auth_token
    assert panda.auth_token.get_secret_value() == f"file:{tmp_path}/token"


def test_a_missing_certificate_is_what_check_says(init: Init, tmp_path: Path):
    result = init(*ENOUGH, "--server", "https://panda.example.org:25443", "--cert", str(tmp_path / "no-proxy"))
    assert result.exit_code == 1
    assert "pandacon.cert_file" in result.stdout
    assert "no-proxy is not there" in result.stdout
    assert "until no error is left" in result.stdout


@pytest.mark.system
def test_on_a_terminal_it_asks(home: Path):
    """Defaults are taken with Return."""
    answers = "my_harvester\nhttp://127.0.0.1:25443\n\nMY_QUEUE\nlocal\n/bin/true\n"
    main, terminal = pty.openpty()
    os.write(main, answers.encode())
    command = [sys.executable, "-P", "-m", "harvester", "init", "--home", str(home)]
    done = subprocess.run(
        command, stdin=terminal, capture_output=True, text=True, timeout=60, check=False, env=os.environ.copy()
    )
    os.close(main)
    os.close(terminal)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Name of this instance" in done.stdout
    assert "Database: sqlite, mariadb, postgresql [sqlite]:" in done.stdout
    assert settings_in(home).master.harvester_id == "my_harvester"
    assert settings_in(home).db.engine == "sqlite"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_root_gives_the_account_its_configuration_and_places_but_nothing_that_root_executes(init: Init, home: Path):
    assert init(*ENOUGH, "--user", "nobody", "--group", "daemon").exit_code == 0
    nobody, daemon = pwd.getpwnam("nobody").pw_uid, grp.getgrnam("daemon").gr_gid
    all_of_it = {str(each.relative_to(home)): each.stat() for each in home.rglob("*")}
    etc = {name: found for name, found in all_of_it.items() if name.startswith("etc")}
    var = {name: found for name, found in all_of_it.items() if name.startswith("var")}
    configuration = ("panda_harvester.cfg", "panda_common.cfg", "panda_queueconfig.json", "door.key")
    assert {name for name, found in etc.items() if found.st_uid == nobody} == {f"etc/panda/{n}" for n in configuration}
    assert {found.st_uid for name, found in etc.items() if found.st_uid != nobody} == {0}
    assert all((found.st_uid, found.st_gid) == (nobody, daemon) for found in var.values())
    assert len(var) > 3
    found = etc["etc/sysconfig/panda_harvester"]
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, daemon, 0o640)
    assert home.stat().st_uid == 0
    assert mode_of(home / "etc/panda/door.key") == 0o600
