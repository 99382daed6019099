"""A batch script that asks for the same and runs nothing."""

import subprocess
from pathlib import Path

import pytest

from harvester.plugins.slurm import SlurmResource, SlurmSettings
from harvester.plugins.testing import context_in
from harvester.plugins.tools.harmless import harmless_script

HEAD = "#SBATCH --ntasks={nCoreTotal}\n# a remark\n\n#SBATCH --partition={partition}\n"


@pytest.mark.parametrize(
    ("script", "head"),
    [
        (f"#!/bin/bash\n{HEAD}rm -rf /\n#SBATCH --time=1\n", HEAD),
        (f"#!/usr/bin/env python3\n{HEAD}import os\n", HEAD),
        ("#!/bin/sh\nexec pilot\n", ""),
        ("#!/bin/sh\n#SBATCH -n 1\n", "#SBATCH -n 1\n"),
    ],
)
def test_what_is_asked_for_stays_and_what_is_run_does_not(tmp_path: Path, script: str, head: str):
    template = tmp_path / "template.sh"
    template.write_text(script)
    (tmp_path / "copies").mkdir()
    copy = harmless_script(template, tmp_path / "copies")
    text = copy.read_text()
    assert text.startswith(f"#!/bin/sh\n{head}echo ")
    assert "{" not in text.removeprefix(f"#!/bin/sh\n{head}")
    done = subprocess.run(["/bin/sh", str(copy)], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("harvester test: ")
    assert template.read_text() == script


def test_without_a_template_nobody_knows_what_would_run(tmp_path: Path):
    assert SlurmResource(SlurmSettings(), context_in(tmp_path)).harmless(tmp_path) is None
