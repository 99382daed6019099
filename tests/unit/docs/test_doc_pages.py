"""What the pages say can be copied and works."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harvester.config.findings import Severity
from harvester.config.instance_sections import PayloadInteraction
from harvester.config.json_lines import parse_json
from harvester.config.queues import LoadedQueues, QueueSources, load_queues
from harvester.core.workers import MapType, Worker, WorkerStatus
from harvester.plugins.api import Assignment, PluginContext
from harvester.plugins.data.copying import CopyStagerSettings
from harvester.plugins.messengers.shared_file import SharedFileMessenger, SharedFileSettings
from harvester.plugins.registry import problems

ROOT = Path(__file__).parents[3]
PAGES = {page.name: page.read_text() for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}
QUEUE_FILES = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "docs" / "examples").glob("*/*.json")}


def _queue_examples() -> Mapping[str, str]:
    """Queue configurations, by where they are."""
    blocks = {
        f"{name}:{number}": block
        for name, text in PAGES.items()
        for number, block in enumerate(re.findall(r"```json\n(.*?)```", text, re.DOTALL))
    }
    return {place: block for place, block in blocks.items() if '"submitter"' in block} | QUEUE_FILES


EXAMPLES = _queue_examples()


def load(place: str) -> LoadedQueues:
    """The queues of an example; of templates whose queues the information system names, one each."""
    entries = json.loads(EXAMPLES[place])
    if all(entry.get("isTemplateQueue") for entry in entries.values()):
        entries |= {f"OF_{name}": {"templateQueueName": name, "mapType": "NoJob"} for name in list(entries)}
    document = parse_json(json.dumps(entries), place)
    return load_queues(QueueSources(document), ("ALL",), work_dir=Path("/state"))


def test_there_are_examples():
    pages = {place.partition(":")[0] for place in EXAMPLES}
    assert pages >= {"README.md", "local.md", "slurm.md", "data.md", "docs/examples/minimal/panda_queueconfig.json"}


@pytest.mark.parametrize("place", EXAMPLES)
def test_queue_of_an_example_does_something(place: str):
    loaded = load(place)
    assert [each for each in loaded.findings if each.severity is not Severity.INFO] == []
    assert loaded.active
    for name in loaded.active:
        queue = loaded.queues[name]
        assert queue.max_workers, f"{place}: {name} has no maxWorkers"
        assert queue.n_queue_limit_worker, f"{place}: {name} has no nQueueLimitWorker"
        assert queue.map_type is MapType.NO_JOB or queue.n_queue_limit_job, f"{place}: {name} has no nQueueLimitJob"


@pytest.mark.parametrize("place", EXAMPLES)
def test_plugins_of_an_example_take_their_settings(place: str):
    for queue in load(place).queues.values():
        found = [each for role, block in queue.blocks.items() for each in problems(role, block)]
        of_files_of_a_site = [each for each in found if each.may_pass or each.severity is Severity.WARNING]
        assert found == of_files_of_a_site


@pytest.mark.parametrize("name", PAGES)
def test_links_between_pages_lead_somewhere(name: str):
    here = ROOT if name == "README.md" else ROOT / "docs"
    linked = re.findall(r"\]\(([^)#]+\.md)", PAGES[name])
    assert [each for each in linked if not each.startswith("http") and not (here / each).is_file()] == []


def test_every_page_is_linked_from_the_first():
    assert {name for name in PAGES if f"docs/{name}" not in PAGES["README.md"]} == {"README.md"}


# ---- files of a worker


def default_names() -> dict[str, str]:
    names: dict[str, str] = PayloadInteraction().model_dump(by_alias=True, exclude_none=True)
    return names


def test_files_of_a_worker_have_the_names_that_the_page_says():
    rows = re.findall(r"^\| `([^`]+)` \|.*\| `(\w+)` \| `\w+` \|$", PAGES["worker-files.md"], re.MULTILINE)
    assert len(rows) == 12
    assert {key: name for name, key in rows}.items() <= default_names().items()


def test_jobs_are_in_the_file_that_the_page_says(tmp_path: Path):
    (name,) = re.findall(r"^### Jobs: `(.*)`$", PAGES["worker-files.md"], re.MULTILINE)
    context = PluginContext("h", "Q", lambda: datetime.now(UTC), tmp_path, default_names())
    settings = SharedFileSettings.model_validate({"accessPoint": f"{tmp_path}/${{workerID}}"})
    worker = Worker(7, "Q", WorkerStatus.PENDING, "h-7", job_ids=(101,), access_point=str(tmp_path / "7"))
    SharedFileMessenger(settings, context).feed([Assignment(worker, {101: {"PandaID": 101}})])
    assert json.loads((tmp_path / "7" / name).read_text()) == {"101": {"PandaID": 101}}


def test_every_setting_of_copying_is_documented():
    fields: Mapping[str, Any] = CopyStagerSettings.model_fields
    keys = {name for field in fields.values() for name in getattr(field.validation_alias, "choices", [field.alias])}
    assert {key for key in keys if f"`{key}`" not in PAGES["data.md"]} == set()
