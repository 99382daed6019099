"""The files of the access point have the names that `[payload_interaction]` gives them."""

from dataclasses import replace
from pathlib import Path

import pytest
from messenger_tools import Place

from harvester.core.files import File, FileKind, FileStatus
from harvester.plugins.api import Done, PluginContext
from harvester.plugins.messengers.shared_file import SharedFileMessenger, SharedFileSettings

NAMES = {
    "workerAttributesFile": "attributes",
    "jobReportFile": "report",
    "eventStatusDumpJsonFile": "outputs",
    "jobSpecFile": "jobs",
    "xmlPoolCatalogFile": "catalog",
    "pandaIDsFile": "ids",
    "killWorkerFile": "kill",
    "heartbeatFile": "beat",
}


def named(context: PluginContext, tmp_path: Path) -> SharedFileMessenger:
    settings = SharedFileSettings.model_validate({"accessPoint": f"{tmp_path}/access/${{workerID}}"})
    return SharedFileMessenger(settings, replace(context, file_names=NAMES))


@pytest.mark.shows(
    "payload_interaction.jobSpecFile", "payload_interaction.pandaIDsFile", "payload_interaction.xmlPoolCatalogFile"
)
def test_what_harvester_writes(context: PluginContext, tmp_path: Path, place: Place):
    source = tmp_path / "in"
    source.write_text("x")
    given = File(0, 101, "in.root", FileKind.INPUT, FileStatus.READY, path=str(source), guid="G-1")
    assert named(context, tmp_path).feed([place.assignment(inputs=[given])]) == [Done()]
    assert place.names() == {NAMES["jobSpecFile"], NAMES["pandaIDsFile"], NAMES["xmlPoolCatalogFile"], "in.root"}


@pytest.mark.shows(
    "payload_interaction.workerAttributesFile", "payload_interaction.jobReportFile",
    "payload_interaction.eventStatusDumpJsonFile", "payload_interaction.killWorkerFile",
    "payload_interaction.heartbeatFile", "payload_interaction.jobRequestFile",
)  # fmt: skip
def test_what_the_worker_writes(context: PluginContext, tmp_path: Path, place: Place):
    place.write_text("result.root", "x")
    place.write(NAMES["workerAttributesFile"], {"nEvents": 5})
    place.write(NAMES["jobReportFile"], {"fine": 1})
    place.write(NAMES["eventStatusDumpJsonFile"], {"101": [{"path": "result.root", "type": "output"}]})
    place.write(NAMES["killWorkerFile"], {})
    place.write(NAMES["heartbeatFile"], {})
    (news,) = named(context, tmp_path).collect([place.worker])
    assert news.attributes[101]["nEvents"] == 5
    assert news.attributes[101]["metaData"] == '{"fine":1}'
    assert [each.lfn for each in news.files] == ["result.root"]
    assert news.kill_requested
    assert news.heartbeat_at is not None
