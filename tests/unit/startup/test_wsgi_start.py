"""What importing the WSGI application does, in a process that takes itself for one of uWSGI's."""

import json
import subprocess
import sys
from pathlib import Path

from system_harness.config_server import Answer, ConfigServer

PROGRAM = """
import sys, types
sys.modules["uwsgi"] = types.SimpleNamespace(worker_id=lambda: 1)
from harvester import wsgi
print(wsgi._configuration.settings.master.harvester_id, flush=True)
wsgi.application.stop()
"""


def started(place: Path, address: str) -> str:
    """The id of the instance that starts."""
    environ = {"PANDA_HOME": str(place), "HARVESTER_INSTANCE_CONFIG_URL": address, "HOME": str(place)}
    command = [sys.executable, "-P", "-c", PROGRAM]
    environ["PYTHONPATH"] = ":".join(sys.path)
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_main_configuration_is_fetched_anew_at_each_start_and_kept_for_those_without_it(tmp_path: Path):
    (tmp_path / "etc/panda").mkdir(parents=True)
    (tmp_path / "etc/panda/panda_queueconfig.json").write_text("{}")
    (tmp_path / "etc/panda/panda_harvester.cfg").write_text(f"[master]\nworkDir = {tmp_path}/work\n")

    def answer(instance: str) -> Answer:
        panda = {"server_api_url": "http://127.0.0.1:9/api/v1"}
        frontend = {"type": "uwsgi", "authEnable": "False"}
        sections = {"master": {"harvester_id": instance}, "pandacon": panda, "frontend": frontend}
        return Answer(json.dumps(sections).encode())

    with ConfigServer() as server:
        server.answer = answer("first")
        assert started(tmp_path, server.url) == "first"
        server.answer = answer("second")
        assert started(tmp_path, server.url) == "second"
        server.go_away()
        assert started(tmp_path, server.url) == "second"
