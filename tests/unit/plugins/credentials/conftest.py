"""Commands that stand in for those of VOMS: a proxy is a file that says how many seconds it lasts."""

from pathlib import Path

import pytest

_INIT = """#!/bin/sh
echo "$@" >> "{place}/asked"
[ -e "{place}/init_fails" ] && {{ echo "Error: the VOMS server is down" >&2; exit 1; }}
while [ $# -gt 0 ]; do [ "$1" = -out ] && out="$2"; shift; done
cat "{place}/lifetime" > "$out"
"""
_INFO = """#!/bin/sh
[ -e "{place}/info_fails" ] && {{ echo "Error: no proxy can be read" >&2; exit 1; }}
while [ $# -gt 0 ]; do [ "$1" = -file ] && file="$2"; shift; done
cat "$file"
"""


@pytest.fixture
def voms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands look for what to do, and write down what they were asked."""
    place = tmp_path / "voms"
    place.mkdir()
    (place / "lifetime").write_text("345600\n")
    for name, text in (("voms-proxy-init", _INIT), ("voms-proxy-info", _INFO)):
        (place / name).write_text(text.format(place=place))
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(place), prepend=":")
    return place
