import json
from pathlib import Path

import pytest
from cli_tools import QUEUE, CommandLine


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


def test_a_missing_file_is_an_error_with_advice(call: CommandLine):
    call.queues.unlink()
    result = call("check")
    assert result.exit_code == 1
    assert "there is no such file" in result.stdout


def test_the_shipped_examples_are_without_mistakes():
    minimal = Path(__file__).parents[3] / "docs" / "examples" / "minimal"
    line = CommandLine(minimal)
    assert line("check").stdout == ""
