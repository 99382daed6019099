"""Documents that hold keys or passwords: kept in files of the instance's own, never in the database."""

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import structlog
from pydantic import JsonValue

from harvester.config.findings import is_secret
from harvester.plugins.tools.lasting_files import write_privately
from harvester.store.cache import CacheKey

log = structlog.get_logger(__name__)

_MARK = "PRIVATE KEY"


def is_private(key: CacheKey, document: JsonValue) -> bool:
    """Whether a document is, or holds, a secret; its name or one of its keys says so, or its text does."""
    names = [key.main, *(document if isinstance(document, Mapping) else ())]
    texts = document.values() if isinstance(document, Mapping) else [document]
    return any(map(is_secret, names)) or any(isinstance(text, str) and _MARK in text for text in texts)


class PrivateDocuments:
    """The private documents of this host.

    Args:
        directory: made when it is needed; only its owner may look into it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def save(self, key: CacheKey, document: JsonValue) -> None:
        """Replace a document.

        Raises:
            OSError: it cannot be written.
        """
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_privately(self._path(key), json.dumps(document))

    def load(self, key: CacheKey) -> JsonValue:
        """A document; None if this host does not have it, or cannot read it."""
        path = self._path(key)
        try:
            document: JsonValue = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is damaged"
            advice = "correct its rights, or remove it and let the cacher fetch it again; then restart"
            log.warning("a private document cannot be read", file=str(path), reason=reason, advice=advice)
            return None
        return document

    def remove(self, key: CacheKey) -> None:
        """Forget a document."""
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: CacheKey) -> Path:
        return self._directory / quote(str(key), safe="|")
