"""The messenger of workers that talk HTTP: they come to the door, which knows the files of the access point.

Everything that the shared-file messenger does stays as it is. A worker finds in addition a token by which it shows at
the door who it is (docs/door.md).
"""

from collections.abc import Sequence
from typing import Self

from pydantic import model_validator

from harvester.plugins.api import Assignment, Done, Failed, Fed, Later
from harvester.plugins.messengers.shared_file import SharedFileMessenger, SharedFileSettings
from harvester.plugins.tools.worker_tokens import KeyFileError


class HttpSettings(SharedFileSettings):
    """Those of the shared-file messenger; each worker needs a directory of its own, which holds its token."""

    @model_validator(mode="after")
    def _has_own_directories(self) -> Self:
        if not self.has_own_directories:
            raise ValueError("'accessPoint' names no ${workerID}, so that workers could take each other's tokens")
        return self


class HttpMessenger(SharedFileMessenger):
    """Exchanges files with workers in their access points, which the workers reach through the door."""

    Settings = HttpSettings

    def feed(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        """Fill the access points as the shared-file messenger does, and put a token into each."""
        fed = super().feed(assignments)
        pairs = zip(assignments, fed, strict=True)
        return [self._admit(each) if isinstance(answer, Done) else answer for each, answer in pairs]

    def _admit(self, assignment: Assignment) -> Fed | Later:
        if self.context.door is None:
            return Fed()
        try:
            return Fed(self.context.door.admit(assignment.worker))
        except KeyFileError as error:
            return Later(f"no token for the door: [frontend] secretFile: {error}")
        except OSError as error:
            return Later(f"no token for the door: {error.filename}: {error.strerror}")
