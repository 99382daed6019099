import json
import pwd
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cli_tools import QUEUE, CommandLine
from typer.testing import CliRunner

from harvester.cli.main import app
from harvester.startup.loading import load
from made_proxies import made_proxy, made_token

CERTIFICATE = trustme.CA().issue_cert("localhost")
EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


def test_a_good_configuration_is_said_to_be_good(call: CommandLine):
    result = call("check")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "nothing to complain about" in result.stderr


def test_a_finding_names_file_line_key_problem_and_advice(call: CommandLine):
    call.config.write_text(call.config.read_text() + "[monitor]\nchekInterval = 5\n")
    result = call("check")
    line = len(call.config.read_text().splitlines())
    assert result.exit_code == 0
    assert f"{call.config}:{line}: warning: monitor.chekInterval:" in result.stdout
    assert "checkInterval" in result.stdout


def test_errors_are_the_exit_code(call: CommandLine):
    call.config.write_text(call.config.read_text() + "[monitor]\ncheckInterval = soon\n")
    assert call("check").exit_code == 1


def test_programs_get_all_findings_as_json(call: CommandLine):
    call.queues.write_text(f'{{"Q": {QUEUE.replace("local", "locl")}}}')
    result = call("check", "--json")
    findings = json.loads(result.stdout)
    assert result.exit_code == 1
    assert findings[0].keys() == {"severity", "file", "line", "key", "problem", "advice", "elsewhere"}
    assert findings[0]["severity"] == "error"
    assert findings[0]["advice"] == "did you mean local?"


def test_a_wrong_setting_of_a_plugin_is_found_in_its_line(call: CommandLine):
    call.queues.write_text('{"Q": ' + QUEUE.replace('"command":', '"cores": "many",\n"command":') + "}")
    result = call("check", "--json")
    found = next(each for each in json.loads(result.stdout) if "whole number" in each["problem"])
    assert found["key"] == "Q.submitter.cores"
    assert '"cores"' in call.queues.read_text().splitlines()[found["line"] - 1]


@pytest.mark.parametrize(
    ("block", "written", "advice"),
    [
        ("submitter", '"kilGrace": 5', "write killGrace"),
        ("monitor", '"checkTimout": 5', "write checkTimeout"),
        ("messenger", '"acessPoint": "/x"', "write accessPoint"),
        ("stager", '"dstBasePath": "/x"', "remove it"),
    ],
)
def test_a_setting_that_nobody_reads_is_found_in_its_line(call: CommandLine, block: str, written: str, advice: str):
    call.queues.write_text('{"Q": ' + QUEUE.replace(f'"{block}": {{', f'"{block}": {{\n{written},\n') + "}")
    result = call("check", "--json")
    (found,) = json.loads(result.stdout)
    key = written.split('"')[1]
    assert (found["severity"], found["key"]) == ("warning", f"Q.{block}.{key}")
    assert advice in found["advice"]
    assert key in call.queues.read_text().splitlines()[found["line"] - 1]


def test_a_key_with_another_word_in_it_is_no_slip(call: CommandLine):
    queue = QUEUE.replace('"plugin": "local", "command": ["/bin/true"]', '"plugin": "dummy", "nCore": 8')
    call.queues.write_text(f'{{"Q": {queue}}}')
    (found,) = [each for each in findings_of(call) if each["key"] == "Q.submitter.nCore"]
    assert found["problem"] == "nobody reads this key"
    assert "nCoreFactor" not in found["advice"]


@pytest.mark.parametrize(
    ("block", "written"),
    [
        ("submitter", '"uploadLog": false, "nCoreFactor": 1, "siteName": "S", "_note": "text"'),
        ("monitor", '"checkTimeout": 5'),
        ("messenger", '"maxWorkersForZip": 4, "worker_heartbeat": 5, "jsonJobReport": "x"'),
        ("workerMaker", '"nJobsPerWorker": 1, "jobAttributesToUse": []'),
    ],
)
def test_settings_that_somebody_reads_are_no_mistake(call: CommandLine, block: str, written: str):
    common = QUEUE.replace("{", '{"common": {"ofSomePlugin": 1},', 1)
    call.queues.write_text('{"Q": ' + common.replace(f'"{block}": {{', f'"{block}": {{{written}, ') + "}")
    assert call("check").stdout == ""


@pytest.mark.parametrize(
    ("key", "name", "says"),
    [
        ("uname", "FIXME", "'FIXME' is the template's, and there is no user FIXME on this machine"),
        ("uname", "nosuchuser", "there is no user nosuchuser on this machine"),
        ("gname", "nosuchgroup", "there is no group nosuchgroup on this machine"),
    ],
)
def test_an_account_that_root_could_not_become_is_told(
    call: CommandLine, monkeypatch: pytest.MonkeyPatch, key: str, name: str, says: str
):
    lines = "\n".join(f"{each} = {value}" for each, value in {"uname": "nobody", key: name}.items())
    call.config.write_text(call.config.read_text().replace("[master]", f"[master]\n{lines}"))
    for uid, severity in ((0, "error"), (1000, "warning")):
        monkeypatch.setattr("os.geteuid", lambda uid=uid: uid)
        (found,) = findings_of(call)
        assert (found["severity"], found["key"]) == (severity, f"master.{key}")
        assert says in found["problem"]


def test_an_account_that_is_root_is_told_to_root(call: CommandLine, monkeypatch: pytest.MonkeyPatch):
    call.config.write_text(call.config.read_text().replace("[master]", "[master]\nuname = root"))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert "error: master.uname: names root" in call("check").stdout
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert call("check").stdout == ""


def test_a_door_that_would_stay_shut_is_told_of(call: CommandLine):
    call.queues.write_text(call.queues.read_text().replace('"shared_file"', '"http"'))
    done = call("check")
    assert done.exit_code == 1
    problem = "no file has the key that tokens of workers are signed with"
    assert f"panda_harvester.cfg: error: frontend.secretFile: {problem}" in done.stdout


def test_logs_that_nobody_could_read_are_told_of(call: CommandLine):
    call.queues.write_text('{"Q": ' + QUEUE.replace('"submitter": {', '"submitter": {"uploadLog": true, ') + "}")
    (found,) = json.loads(call("check", "--json").stdout)
    assert (found["severity"], found["key"]) == ("warning", "Q.submitter.uploadLog")
    assert "pandaCacheURL_R" in found["problem"]


def test_what_the_plugin_refuses_as_well_is_told_once(call: CommandLine):
    call.queues.write_text('{"Q": ' + QUEUE.replace('"/tmp/w/${workerID}"', "3") + "}")
    assert [each["key"] for each in json.loads(call("check", "--json").stdout)] == ["Q.messenger.accessPoint"]


def test_a_monitor_that_is_the_submitter_does_not_repeat_its_findings(call: CommandLine):
    queue = QUEUE.replace('"monitor": {"plugin": "local"}, "sweeper": {"plugin": "local"},', "")
    call.queues.write_text('{"Q": ' + queue.replace('"command":', '"colour": "blue", "command":') + "}")
    found = [each["key"] for each in json.loads(call("check", "--json").stdout) if each["severity"] == "warning"]
    assert found == ["Q.submitter.colour"]


@pytest.mark.parametrize("arguments", [["check"], ["check", "--json"]])
def test_a_name_that_is_no_text_is_an_error_and_no_crash(call: CommandLine, arguments: list[str]):
    call.queues.write_text(f'{{"\\ud800": {QUEUE}, "\\ud801": 3}}')
    result = call(*arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "ud800" in result.stdout
    assert "ud801" in result.stdout


def test_a_name_that_is_no_text_does_not_keep_the_service_from_running(call: CommandLine):
    call.queues.write_text(f'{{"\\ud800": {QUEUE}, "Q": {QUEUE}}}')
    configuration = load([call.config], None)
    assert configuration.queues.active == {"Q"}
    assert "\n".join(each.as_line() for each in configuration.findings).encode()


def test_what_the_terminal_cannot_show_is_escaped(call: CommandLine):
    call.queues.write_text(f'{{"Zürich": {QUEUE.replace("NoJob", "None")}}}')
    result = CliRunner(charset="ascii").invoke(app, ["check", "--config", str(call.config)])
    assert "Z\\xfcrich" in result.stdout


def test_a_missing_file_is_an_error_with_advice(call: CommandLine):
    call.queues.unlink()
    result = call("check")
    assert result.exit_code == 1
    assert "there is no such file" in result.stdout


def test_a_queue_file_that_was_looked_for_says_where(call: CommandLine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PANDA_HOME", str(call.place / "home"))
    call.queues.unlink()
    said = call("check").stdout
    assert f"{call.queues} or {call.place}/home/etc/panda/panda_queueconfig.json" in said
    assert "name the file with --queues" in said


def test_a_queue_file_that_was_named_is_not_to_be_named(call: CommandLine):
    said = call("check", "--queues", str(call.place / "nope.json")).stdout
    assert "nope.json: error: there is no such file; check the path behind --queues" in said


def test_an_empty_queue_file_is_said_to_be_empty(call: CommandLine):
    call.queues.write_text("\n")
    said = call("check").stdout
    assert f"{call.queues}:1: error: the file is empty; write {{}}" in said
    assert "ends too early" not in said


def test_without_main_file_nothing_is_said_of_queues(call: CommandLine):
    call.config.unlink()
    (found,) = findings_of(call)
    assert found["file"] == str(call.config)


def test_files_of_another_machine_are_counted(call: CommandLine):
    call.queues.write_text('{"Q": ' + QUEUE.replace("/bin/true", "/nowhere/at/all/run.sh") + "}")
    few = call("check")
    assert "not on this machine: 1 file or directory" in few.stderr
    assert "--verbose names" not in few.stderr
    assert f"  {call.queues}:4: Q.submitter.command" in few.stderr
    assert "/nowhere/at/all/run.sh" in few.stderr
    several = ", ".join(f'"Q{n}": {QUEUE.replace("/bin/true", f"/nowhere/at/all/{n}.sh")}' for n in range(4))
    call.queues.write_text(f"{{{several}}}")
    many = call("check")
    assert "4 files or directories" in many.stderr
    assert "--verbose names them" in many.stderr
    assert "/nowhere" not in many.output
    assert "/nowhere/at/all/3.sh" in call("check", "--verbose").stdout


def test_an_authority_that_is_missing_is_named_once_and_in_words(call: CommandLine):
    config = call.config.read_text().replace("http:", "https:")
    call.config.write_text(f"{config}ca_cert = /nowhere/at/all/ca.crt\n")
    said = call("run").output
    assert "pandacon.ca_cert: /nowhere/at/all/ca.crt cannot be used: No such file or directory; correct" in said


def test_a_state_directory_that_cannot_be_made_is_found_in_its_line(call: CommandLine):
    (call.place / "work").write_text("a file")
    found = next(each for each in findings_of(call) if each["key"] == "master.workDir")
    assert (found["severity"], found["line"]) == ("error", 3)
    assert "is no directory" in found["problem"]


def test_an_address_without_the_path_of_the_api_is_doubted(call: CommandLine):
    call.config.write_text(call.config.read_text().replace("/api/v1", ""))
    (found,) = findings_of(call)
    assert (found["severity"], found["key"]) == ("warning", "pandacon.server_api_url_ssl")
    assert "/api/v1" in found["problem"]


def test_that_no_queue_is_served_is_said(call: CommandLine):
    call.queues.write_text('{"Q": ' + QUEUE.replace("{", '{"queueStatus": "offline",', 1) + "}")
    (found,) = findings_of(call)
    assert (found["severity"], found["file"]) == ("warning", str(call.queues))
    assert "no queue is served; Q is not: " in found["problem"]


def test_a_plugin_that_is_not_built_is_told_with_the_first_round(call: CommandLine):
    submitter = '{"module": "pandaharvester.harvestersubmitter.htcondor_submitter", "name": "HTCondorSubmitter"}'
    call.queues.write_text('{"Q": {"mapType": "NoJob", "maxWorkers": 1, "submitter": ' + submitter + "}}")
    said = call("check").stdout
    assert "not built yet" in said
    assert "Q.monitor: the queue has no such plugin" in said


@pytest.mark.parametrize(
    ("submitter", "monitor", "sweeper", "says"),
    [
        *(
            (*(f'"plugin": "{name}"',) * 3, says)
            for name, says in (("pbs", "not built yet"), ("no_such_plugin", "is not known for submitter"))
        ),
        (
            '"module": "pandaharvester.harvestersubmitter.pbs_submitter", "name": "PBSSubmitter"',
            '"module": "pandaharvester.harvestermonitor.pbs_monitor", "name": "PBSMonitor"',
            '"module": "pandaharvester.harvestersweeper.pbs_sweeper", "name": "PBSSweeper"',
            "its successor 'pbs' is not built yet",
        ),
        (
            '"module": "no_such_package.submit", "name": "S"',
            '"module": "no_such_package.monitor", "name": "M"',
            '"module": "no_such_package.sweep", "name": "W"',
            "install its package",
        ),
    ],
)
def test_a_plugin_that_is_not_there_is_told_once(
    call: CommandLine, submitter: str, monitor: str, sweeper: str, says: str
):
    blocks = f'"submitter": {{{submitter}}}, "monitor": {{{monitor}}}, "sweeper": {{{sweeper}}}'
    call.queues.write_text(f'{{"Q": {{"mapType": "NoJob", "maxWorkers": 1, {blocks}}}}}')
    (found,) = [each for each in findings_of(call) if each["severity"] == "error"]
    assert found["key"] == "Q.submitter"
    assert says in f"{found['problem']}; {found['advice']}"


def test_a_plugin_for_the_earlier_harvester_has_to_be_written_anew(call: CommandLine, monkeypatch: pytest.MonkeyPatch):
    (call.place / "mine_for_earlier.py").write_text("from pandaharvester.harvestercore.plugin_base import PluginBase")
    monkeypatch.syspath_prepend(call.place)
    block = '"submitter": {"module": "mine_for_earlier", "name": "Mine"}'
    call.queues.write_text(f'{{"Q": {{"mapType": "NoJob", "maxWorkers": 1, {block}}}}}')
    (found,) = [each for each in findings_of(call) if each["severity"] == "error"]
    assert "is made for the earlier Harvester, whose package pandaharvester it imports" in found["problem"]
    assert found["advice"] == "write it anew, which is one class: docs/plugins.md"


@pytest.mark.parametrize(
    ("block", "key"), [("messenger", "accessPoint"), ("stager", "destination"), ("preparator", "destination")]
)
def test_a_directory_that_cannot_be_made_is_told(call: CommandLine, block: str, key: str):
    (call.place / "file").touch()
    queue = json.loads(QUEUE)
    plugin = "shared_file" if block == "messenger" else "copy"
    queue[block] = {
        "plugin": plugin,
        key: f"{call.place}/file/x/${{workerID}}" if block == "messenger" else f"{call.place}/file/x",
    }
    call.queues.write_text(json.dumps({"Q": queue}, indent=1))
    (found,) = findings_of(call)
    assert (found["severity"], found["key"]) == ("error", f"Q.{block}.{key}")
    assert f"{call.place}/file is no directory" in found["problem"]
    assert [each.severity for each in load([call.config], None).findings] == ["warning"]


def test_a_wrong_limit_is_not_taken_for_a_missing_one(call: CommandLine):
    queue = QUEUE.replace('"maxWorkers": 5', '"maxWorkers": "many", "nQueueLimitWorker": 2')
    call.queues.write_text('{"Q": ' + queue + "}")
    assert [each["key"] for each in findings_of(call)] == ["Q.maxWorkers"]


def test_a_credential_manager_that_is_not_built_is_not_hidden_by_the_lists(call: CommandLine):
    unbuilt = (
        "moduleName = pandaharvester.harvestercredmanager.k8s_secret_cred_manager\nclassName = K8sSecretCredManager"
    )
    call.config.write_text(f"{call.config.read_text()}[credmanager]\n{unbuilt}\n")
    problems = [each["problem"] for each in findings_of(call) if each["key"] == "credmanager.moduleName"]
    assert any("not built yet" in each for each in problems)


def findings_of(call: CommandLine) -> list[dict[str, str]]:
    return json.loads(call("check", "--json").stdout)


def with_account_of_here(text: str) -> str:
    """The account of a site's service is looked for on this machine."""
    nobody = pwd.getpwnam("nobody")
    return text.replace("uname = harvester", "uname = nobody").replace("gname = harvester", f"gname = {nobody.pw_gid}")


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.iterdir()))
def test_the_shipped_examples_are_without_mistakes_on_a_site_that_has_their_files(example: str, tmp_path: Path):
    def put_in_place(match: re.Match[str]) -> str:
        here = tmp_path / match[0][1:]
        here.parent.mkdir(parents=True, exist_ok=True)
        here.write_bytes(CERTIFICATE.private_key_and_cert_chain_pem.bytes())
        here.chmod(0o700)
        return str(here)

    for path in (EXAMPLES / example).iterdir():
        text = with_account_of_here(path.read_text())
        (tmp_path / path.name).write_text(
            re.sub(r"(?:/opt|/etc/pki|/etc/grid-security|/var/harvester)/[\w./-]+", put_in_place, text)
        )
    result = CommandLine(tmp_path)("check")
    assert (result.exit_code, result.stdout) == (0, "")


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.iterdir()))
def test_what_a_shipped_example_names_on_its_site_is_no_mistake_elsewhere(example: str, tmp_path: Path):
    for path in (EXAMPLES / example).iterdir():
        text = with_account_of_here(path.read_text())
        elsewhere = re.sub(r"(?<![\w/.])/(?:opt|etc|var)/", f"{tmp_path}/nowhere/", text)
        (tmp_path / path.name).write_text(elsewhere)
    result = CommandLine(tmp_path)("check")
    assert (result.exit_code, result.stdout) == (0, "")


class TestThatCannotWork:
    """What `harvester run` would end with, or what would make every worker fail."""

    @pytest.mark.parametrize(
        ("lines", "key"),
        [
            ("cert_file = {0}/no\nkey_file = {0}/no", "cert_file"),
            ("cert_file = {0}/good\nkey_file = {0}/no", "key_file"),
            ("cert_file = {0}/bad\nkey_file = {0}/bad", "cert_file"),
            ("cert_file = {0}/good\nkey_file = {0}/good\nca_cert = {0}/no", "ca_cert"),
            ("auth_type = oidc\nauth_origin = vo\nauth_token = file:{0}/no", "auth_token"),
            ("multihost_auth_config = {0}/no", "multihost_auth_config"),
        ],
    )
    def test_credentials(self, call: CommandLine, lines: str, key: str):
        (call.place / "bad").write_text("no certificate")
        (call.place / "good").write_bytes(CERTIFICATE.private_key_and_cert_chain_pem.bytes())
        text = call.config.read_text().replace("http:", "https:") + lines.format(call.place)
        call.config.write_text(text)
        (found,) = [each for each in findings_of(call) if each["severity"] == "error"]
        assert found["key"] == f"pandacon.{key}"
        assert text.splitlines()[int(found["line"]) - 1].startswith(f"{key} =")
        assert call("run").exit_code == 1

    @pytest.mark.parametrize(
        ("hours", "renewed_here", "severity", "says"),
        [
            (-1, False, "error", "bring a new one"),
            (-1, True, "warning", "see `harvester status`"),
            (20, False, "warning", "lasts 20.0 more hours, and nobody renews it here"),
            (20, True, None, ""),
            (90, False, None, ""),
        ],
    )
    @pytest.mark.parametrize("key", ["cert_file", "auth_token", "multihost_auth_config"])
    def test_what_has_run_out_or_will_soon(
        self, call: CommandLine, hours: float, severity: str | None, says: str, key: str, *, renewed_here: bool
    ):
        shown, table = call.place / "shown", call.place / "hosts.json"
        until = datetime.now(UTC) + timedelta(hours=hours, minutes=1)
        since = until - timedelta(hours=96)
        if key == "cert_file":
            shown.write_text(made_proxy(until, since=since))
        else:
            shown.write_text(made_token(until, iat=int(since.timestamp())))
        table.write_text(json.dumps({"other.example.org:443": {"auth_token": f"file:{shown}", "auth_origin": "vo"}}))
        lines = {
            "cert_file": f"cert_file = {shown}\nkey_file = {shown}",
            "auth_token": f"auth_type = oidc\nauth_origin = vo\nauth_token = file:{shown}",
            "multihost_auth_config": f"multihost_auth_config = {table}",
        }[key]
        if renewed_here:
            lines += (
                "\n[credmanager]\nmoduleName = pandaharvester.harvestercredmanager.dummy_cred_manager\n"
                f"className = DummyCredManager\noutCertFile = {shown}\n"
            )
        call.config.write_text(call.config.read_text() + lines)
        found = [each for each in findings_of(call) if str(shown) in each["problem"]]
        assert [each["severity"] for each in found] == ([severity] if severity else [])
        for each in found:
            assert each["key"] == f"pandacon.{key}"
            assert says in f"{each['problem']}; {each['advice']}"

    @pytest.mark.parametrize(("kind", "scheme"), [("proxy", "https"), ("token", "https"), ("token", "http")])
    def test_what_is_made_when_the_service_starts_is_not_missed(self, call: CommandLine, kind: str, scheme: str):
        proxy = {"plugin": "grid_proxy", "configs": {"robot": {"outCertFile": f"{call.place}/made"}}}
        account = call.place / "account"
        account.write_text('{"issuer": "https://iam", "client_id": "h", "client_secret": "s"}')
        account.chmod(0o600)
        plan = {"client_cred_file": str(account), "out_dir": str(call.place), "target_type": "panda"}
        token = {"plugin": "iam_token", "configs": {"server": {**plan, "panda_token_filename": "made"}}}
        shown = {
            "proxy": f"cert_file = {call.place}/made\nkey_file = {call.place}/made",
            "token": f"auth_type = oidc\nauth_origin = vo\nauth_token = file:{call.place}/made",
        }[kind]
        configs = json.dumps([{"proxy": proxy, "token": token}[kind]])
        text = call.config.read_text().replace("http:", f"{scheme}:") + shown
        call.config.write_text(f"{text}\n[credmanager]\npluginConfigs =\n  {configs}\n")
        (found,) = [each for each in findings_of(call) if f"{call.place}/made" in each["problem"]]
        assert (found["severity"], found["advice"]) == ("info", "[credmanager] makes it when the service starts")

    def test_what_proxies_are_made_from_is_looked_at_too(self, call: CommandLine):
        source = call.place / "robot"
        text = call.config.read_text() + (
            "\n[credmanager]\nmoduleName = pandaharvester.harvestercredmanager.grid_cred_manager\n"
            f"className = GridCredManager\ninCertFile = {source}\noutCertFile = {call.place}/proxy\n"
        )
        call.config.write_text(text)
        since = datetime.now(UTC) - timedelta(days=300)
        source.write_text(made_proxy(datetime.now(UTC) + timedelta(days=30), since=since))
        assert findings_of(call) == []
        source.write_text(made_proxy(datetime.now(UTC) + timedelta(days=10), since=since))
        (found,) = findings_of(call)
        assert (found["severity"], found["key"]) == ("warning", "credmanager.moduleName")
        assert "robot can be used until" in found["problem"]

    def test_every_file_that_is_missing_is_named(self, call: CommandLine):
        keys = ("ca_cert", "cert_file", "key_file")
        lines = "\n".join(f"{key} = {call.place}/no-{key}" for key in keys)
        call.config.write_text(call.config.read_text().replace("http:", "https:") + lines)
        found = [each for each in findings_of(call) if each["severity"] == "error"]
        assert [each["key"] for each in found] == [f"pandacon.{key}" for key in keys]
        assert {each["advice"] for each in found} == {"put it there, or correct the path"}

    def test_a_missing_driver(self, call: CommandLine, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setitem(sys.modules, "psycopg", None)
        call.config.write_text(call.config.read_text().replace("[db]", "[db]\nengine = postgresql"))
        (found,) = findings_of(call)
        assert (found["key"], found["advice"]) == ("db.engine", "pip install 'harvester[postgresql]'")
        assert "pip install 'harvester[postgresql]'" in call("status").stderr

    @pytest.mark.parametrize(
        ("submitter", "severity", "key", "says"),
        [
            ('"plugin": "slurm"', "error", "templateFile", "is not set"),
            ('"plugin": "slurm", "templateFile": "PLACE/no.sh"', "error", "templateFile", "/no.sh"),
            ('"plugin": "local", "templateFile": "PLACE/no.sh"', "error", "templateFile", "/no.sh"),
            ('"plugin": "local", "command": ["PLACE/no.sh"]', "warning", "command", "is not found"),
            ('"plugin": "local", "command": ["PLACE/panda_harvester.cfg"]', "warning", "command", "is not executable"),
            ('"plugin": "local", "command": ["no-such-program"]', "warning", "command", "is not found"),
            ('"plugin": "local", "command": ["true", "{accesPoint}"]', "error", "command", "write {accessPoint}"),
            ('"plugin": "local", "command": ["true", "${accesPoint}"]', "error", "command", "write {accessPoint}"),
        ],
    )
    def test_plugins(self, call: CommandLine, submitter: str, severity: str, key: str, says: str):
        block = submitter.replace("PLACE", str(call.place))
        call.queues.write_text('{"Q": ' + QUEUE.replace('"plugin": "local", "command": ["/bin/true"]', block) + "}")
        (found,) = findings_of(call)
        assert (found["severity"], found["key"]) == (severity, f"Q.submitter.{key}")
        assert says in f"{found['problem']}; {found['advice']}"

    @pytest.mark.parametrize(
        "submitter",
        [
            '"plugin": "slurm", "templateFile": "/no/such/file"',
            '"plugin": "local", "templateFile": "/no/such/file"',
            '"plugin": "local", "command": ["/no/such/file"]',
        ],
    )
    def test_a_directory_of_another_machine_is_no_mistake(self, call: CommandLine, submitter: str):
        call.queues.write_text('{"Q": ' + QUEUE.replace('"plugin": "local", "command": ["/bin/true"]', submitter) + "}")
        assert [each["severity"] for each in findings_of(call)] == ["info"]
        assert [each.severity for each in load([call.config], None).findings] == ["warning"]

    @pytest.mark.parametrize("plugin", ["slurm", "local"])
    def test_a_file_that_may_come_back_does_not_leave_present_workers_alone(self, call: CommandLine, plugin: str):
        block = f'"plugin": "{plugin}", "templateFile": "{call.place}/no.sh"'
        call.queues.write_text('{"Q": ' + QUEUE.replace('"plugin": "local", "command": ["/bin/true"]', block) + "}")
        configuration = load([call.config], None)
        assert call("check").exit_code == 1
        assert configuration.queues.active == {"Q"}
        assert [each.severity for each in configuration.findings] == ["warning"]

    @pytest.mark.parametrize(
        "command", ['["sh", "-c", "echo ${HOME} ${WORKER_ID} {}"]', '["./run.sh", "{workerID}"]', '["{accessPoint}/x"]']
    )
    def test_what_only_the_worker_can_know_is_believed(self, call: CommandLine, command: str):
        call.queues.write_text('{"Q": ' + QUEUE.replace('["/bin/true"]', command) + "}")
        assert findings_of(call) == []


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ('["/bin/true"]', '"/bin/true --x"', "submitter.command", 'write ["/bin/true", "--x"]'),
        ('["/bin/true"]', '["/bin/true", 5]', "submitter.command", "item 2 must be text, not 5"),
        ('"command": ["/bin/true"]', '"cores": 2', "submitter", "nothing to run; add 'command'"),
        ('"command":', '"cores": 0, "command":', "submitter.cores", "must be more than 0, not 0"),
        ('"plugin": "dummy"}', '"plugin": "copy"}', "stager.destination", 'is not set; write "destination": …'),
        ('"command":', '"environment": {"A": 1}, "command":', "submitter.environment", "A must be text, not 1"),
    ],
)
def test_the_words_are_those_of_operators(call: CommandLine, old: str, new: str, key: str, says: str):
    before, _, after = QUEUE.rpartition(old)
    call.queues.write_text(f'{{"Q": {before}{new}{after}}}')
    (found,) = findings_of(call)
    assert found["key"] == f"Q.{key}"
    assert says in f"{found['problem']}; {found['advice']}"
    assert "Value error" not in found["problem"]


def test_errors_come_first_and_infos_only_when_asked_for(call: CommandLine):
    call.queues.write_text('{"Q": {"mapType": "NoJob", "maxWorkerz": 5,\n"submitter": {"plugin": "locl"}}}')
    short, full = call("check"), call("check", "--verbose")
    severities = [line.split(": ")[1] for line in full.stdout.splitlines()]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    assert set(severities) == {"error", "warning", "info"}
    assert short.stdout == "".join(line for line in full.stdout.splitlines(keepends=True) if ": info: " not in line)
    assert f"{severities.count('info')} infos (told with --verbose)" in short.stderr
