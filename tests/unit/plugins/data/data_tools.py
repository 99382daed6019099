"""What the tests of preparators and stagers share."""

from dataclasses import dataclass
from pathlib import Path

from harvester.core.files import File
from harvester.plugins.api import Done, Failed, FileOutcome, Later
from harvester.plugins.data.copying import CopyPreparator, CopyStager

ADLER32 = "ad:11e60398"
MD5 = "md:9c677286866aad38f8e9b660f5411814"
TEXT = "Wikipedia"


@dataclass(frozen=True)
class Copying:
    """A preparator or stager and its directory, one file at a time."""

    plugin: CopyPreparator | CopyStager
    directory: Path

    def trigger(self, file: File) -> Done | Later | Failed:
        (outcome,) = self.plugin.trigger([file])
        return outcome

    def check(self, file: File) -> FileOutcome:
        (outcome,) = self.plugin.check([file])
        return outcome

    def put(self, text: str) -> Path:
        """Store a file as somebody else would, under the name that `make_file` gives."""
        path = self.directory / "panda" / "out.root"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def stored(self) -> set[str]:
        return {str(path.relative_to(self.directory)) for path in self.directory.rglob("*") if path.is_file()}
