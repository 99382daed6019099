"""The batch system of the plugin page, as three commands that really run jobs."""

import sys
from pathlib import Path

_TEXT = """#!{python}
import json, os, signal, subprocess, sys
from pathlib import Path

ROOT = Path({root!r})


def put(path, text):
    fresh = path.with_name(f"{{path.name}}.{{os.getpid()}}")
    fresh.write_text(text)
    fresh.rename(path)


def read(job, name):
    return (job / name).read_text() if (job / name).exists() else ""


def xsub(arguments):
    script = arguments[arguments.index("--script") + 1]
    for each in json.load(sys.stdin):
        number = 1
        while (job := ROOT / str(number)).exists():
            number += 1
        job.mkdir()
        line = f'sh "{{script}}"; echo $? > "{{job}}/fresh"; mv "{{job}}/fresh" "{{job}}/code"'
        process = subprocess.Popen(
            ["sh", "-c", line], cwd=each["directory"], start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        put(job / "pid", str(process.pid))
        put(job / "name", each["name"])
        print(number)


def xstat(arguments):
    jobs = {{}}
    for job in ROOT.iterdir():
        code, name = read(job, "code"), read(job, "name")
        state = "K" if read(job, "killed") else "R" if not code else "F" if int(code) else "C"
        if name:
            exit_code = int(code) if state in "CF" else None
            jobs[job.name] = {{"name": name, "state": state, "exit_code": exit_code}}
    print(json.dumps(jobs))


def xdel(arguments):
    for job in (ROOT / each for each in arguments if each.isdigit()):
        if job.exists() and not read(job, "code") and not read(job, "killed"):
            os.killpg(int(read(job, "pid")), signal.SIGKILL)
            put(job / "killed", "yes")


globals()[Path(sys.argv[0]).name](sys.argv[1:])
"""


def make_commands(directory: Path, state: Path) -> None:
    """Put `xsub`, `xstat` and `xdel` into a directory; their jobs are known in another."""
    for each in (directory, state):
        each.mkdir()
    for name in ("xsub", "xstat", "xdel"):
        command = directory / name
        command.write_text(_TEXT.format(python=sys.executable, root=str(state)))
        command.chmod(0o755)
