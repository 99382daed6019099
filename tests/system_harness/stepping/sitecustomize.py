"""Makes the clock of a Python process one that a test can set: `STEPPED_BY` names a file with seconds to be added."""

import os
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from harvester.core import clock

_FILE = Path(os.environ["STEPPED_BY"])


class _Stepped(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # a plain datetime, as all others
        return datetime.now(tz) + timedelta(seconds=float(_FILE.read_text()))


clock.datetime = _Stepped  # type: ignore[misc]  # what the module takes the time from
