import json
from pathlib import Path

import pytest
from cli_tools import QUEUE, CommandLine
from typer.testing import CliRunner

from harvester.cli.loading import as_line, load
from harvester.cli.main import app

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
    assert findings[0].keys() == {"severity", "file", "line", "key", "problem", "advice"}
    assert findings[0]["severity"] == "error"
    assert "did you mean local?" in findings[0]["problem"]


def test_a_wrong_setting_of_a_plugin_is_found_in_its_line(call: CommandLine):
    call.queues.write_text('{"Q": ' + QUEUE.replace('"command":', '"cores": "many",\n"command":') + "}")
    result = call("check", "--json")
    found = next(each for each in json.loads(result.stdout) if "integer" in each["problem"])
    assert found["key"] == "Q.submitter.cores"
    assert '"cores"' in call.queues.read_text().splitlines()[found["line"] - 1]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('"NoJob"', '"OneToMany", "nQueueLimitJob": 5', "Q.mapType"),
        ('"NoJob"', '"ManyToOne", "nQueueLimitJob": 5', "Q.mapType"),
        ('"maxWorkers": 5', '"maxWorkers": 5, "runMode": "slave"', "Q.runMode"),
    ],
)
def test_what_comes_with_a_later_version_is_said(call: CommandLine, old: str, new: str, key: str):
    call.queues.write_text(f'{{"Q": {QUEUE.replace(old, new)}}}')
    result = call("check", "--json")
    found = next(each for each in json.loads(result.stdout) if each["key"] == key)
    assert result.exit_code == 1
    assert "comes with a later version" in found["problem"]
    assert key.removeprefix("Q.") in call.queues.read_text().splitlines()[found["line"] - 1]


def test_what_a_template_says_is_found_in_the_template(call: CommandLine):
    template = QUEUE.replace('"NoJob"', '"ManyToOne", "nQueueLimitJob": 5').replace("{", '{"isTemplateQueue": true,', 1)
    call.queues.write_text(f'{{"T": {template},\n"Q": {{"templateQueueName": "T"}}}}')
    found = [each for each in json.loads(call("check", "--json").stdout) if each["key"] == "Q.mapType"]
    assert found[0]["line"] == 2


def test_only_queues_that_would_be_served_are_told_about_later_versions(call: CommandLine):
    later = QUEUE.replace('"NoJob"', '"OneToMany"')
    call.queues.write_text(f'{{"Q": {QUEUE}, "P": {later}}}')
    call.config.write_text(call.config.read_text() + "[qconf]\nqueueList = Q\n")
    assert call("check").exit_code == 0


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


@pytest.mark.parametrize(
    ("block", "written"),
    [
        ("submitter", '"uploadLog": true, "nCoreFactor": 1, "siteName": "S", "_note": "text"'),
        ("monitor", '"checkTimeout": 5'),
        ("messenger", '"subTarballName": "x", "worker_heartbeat": 5, "jsonJobReport": "x"'),
        ("workerMaker", '"nJobsPerWorker": 1, "jobAttributesToUse": []'),
    ],
)
def test_settings_that_somebody_reads_are_no_mistake(call: CommandLine, block: str, written: str):
    common = QUEUE.replace("{", '{"common": {"ofSomePlugin": 1},', 1)
    call.queues.write_text('{"Q": ' + common.replace(f'"{block}": {{', f'"{block}": {{{written}, ') + "}")
    assert call("check").stdout == ""


def test_what_the_plugin_refuses_as_well_is_told_once(call: CommandLine):
    call.queues.write_text('{"Q": ' + QUEUE.replace('"/w/${workerID}"', "3") + "}")
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
    assert "\n".join(map(as_line, configuration.findings)).encode()


def test_what_the_terminal_cannot_show_is_escaped(call: CommandLine):
    call.queues.write_text(f'{{"Zürich": {QUEUE.replace("NoJob", "None")}}}')
    result = CliRunner(charset="ascii").invoke(app, ["check", "--config", str(call.config)])
    assert "Z\\xfcrich" in result.stdout


def test_a_missing_file_is_an_error_with_advice(call: CommandLine):
    call.queues.unlink()
    result = call("check")
    assert result.exit_code == 1
    assert "there is no such file" in result.stdout


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.iterdir()))
def test_the_shipped_examples_are_without_mistakes(example: str):
    assert CommandLine(EXAMPLES / example)("check").stdout == ""
