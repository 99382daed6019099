"""Tokens by which workers show at the door who they are (reliability §4; plugins reference §5.3).

JSON Web Tokens, signed by HS256 with the keys of `[frontend] secretFile`. The file is read again when it has changed.
Its whole content is one key, or it is a JSON Web Key Set (RFC 7517), of which the first key signs and all are accepted.
"""

import base64
import hashlib
import json
import os
import secrets
import stat
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import jwt
import structlog

from harvester.core.clock import Clock
from harvester.core.errors import HarvesterError
from harvester.plugins.tools.regular_files import open_regular

log = structlog.get_logger(__name__)

ALGORITHM: Final = "HS256"
TYPE: Final = "worker+jwt"
"""In the header, so that no token that was signed for something else is taken for a worker's."""
SHORTEST_KEY: Final = 32
"""Bytes; HS256 is as strong as a key of 256 bits (RFC 7518 §3.2)."""
LONGEST_TOKEN: Final = 2000

_LARGEST_FILE: Final = 100_000
_FORBIDDEN_MODE: Final = 0o027
"""The group may read, as a web server's account has to now and then; nobody else may anything."""
_LOOK_AGAIN: Final = 1.0
_SKEW: Final = 60
"""Seconds by which the clocks of two hosts of an instance may differ."""
_REMEMBERED: Final = 50_000
_LARGEST_ID: Final = 2**63 - 1
_CLAIMS: Final = ("sub", "aud", "iss", "iat", "nbf", "exp", "jti")


class KeyFileError(HarvesterError):
    """The file with the keys cannot be used; the message names it and says what to do."""


class InvalidTokenError(HarvesterError):
    """A token shows nothing; the message is for the log, not for whoever has sent it."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key and the name that tokens call it by."""

    key_id: str
    secret: bytes = field(repr=False)


def read_keys(path: Path) -> Sequence[Key]:
    """The keys of a file, the one that signs first.

    Raises:
        KeyFileError: it cannot be read, others may read it, or it holds no usable key.
    """
    try:
        with open_regular(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        raise KeyFileError(f"{path} is not there; make a key with: harvester door-key --file {path}") from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror or error}; let this account read it") from None
    if mode & _FORBIDDEN_MODE:
        raise KeyFileError(f"{path} has mode {stat.S_IMODE(mode):o}; correct it with: chmod 600 {path}")
    if len(content) > _LARGEST_FILE:
        raise KeyFileError(f"{path} is larger than {_LARGEST_FILE} bytes; it should hold keys and nothing else")
    keys = _keys_of(path, content)
    for key in keys:
        if len(key.secret) < SHORTEST_KEY:
            raise KeyFileError(
                f"{path}: key {key.key_id} has {len(key.secret)} bytes, HS256 needs {SHORTEST_KEY}; "
                f"make one with: harvester door-key --file {path}"
            )
    return keys


def _keys_of(path: Path, content: bytes) -> Sequence[Key]:
    if not content.lstrip().startswith(b"{"):
        return (Key(_fingerprint(content), content),)
    try:
        entries = json.loads(content)["keys"]
        keys = tuple(_key_of(entry) for entry in entries)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise KeyFileError(
            f'{path} begins like a key set and is none; it should be {{"keys": [{{"kty": "oct", "kid": …, "k": …}}]}}'
        ) from None
    if not keys:
        raise KeyFileError(f"{path} holds no key; make one with: harvester door-key --file {path}")
    return keys


def _key_of(entry: Mapping[str, str]) -> Key:
    if entry["kty"] != "oct" or entry.get("alg", ALGORITHM) != ALGORITHM:
        raise ValueError("not a key for HS256")
    text = entry["k"]
    secret = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    return Key(entry.get("kid") or _fingerprint(secret), secret)


def _fingerprint(secret: bytes) -> str:
    """A name that tells nothing of the key."""
    return hashlib.sha256(b"harvester key id\0" + secret).hexdigest()[:16]


def with_new_key(path: Path, keep: int = 2) -> str:
    """The text of a key set with a fresh key in front of the first `keep` keys that the file holds now.

    Raises:
        KeyFileError: there is a file that cannot be used.
    """
    known = read_keys(path)[:keep] if path.exists() else ()
    fresh = secrets.token_bytes(SHORTEST_KEY)
    keys = (Key(_fingerprint(fresh), fresh), *known)
    entries = [{"kty": "oct", "alg": ALGORITHM, "kid": each.key_id, "k": _as_text(each.secret)} for each in keys]
    return json.dumps({"keys": entries}, indent=1) + "\n"


def _as_text(secret: bytes) -> str:
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


class KeyFile:
    """The keys of a file that may change at any time; looked at once a second at the most.

    Args:
        path: the file; None if nobody has named one, which is told to whoever needs a key.
        tick: seconds of a clock that never goes back.
    """

    def __init__(self, path: Path | None, tick: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._tick = tick
        self._lock = threading.Lock()
        self._keys: Sequence[Key] = ()
        self._state: tuple[int, ...] = ()
        self._look_at = float("-inf")

    def keys(self) -> Sequence[Key]:
        """The keys as they are now; if what is there now cannot be used, those that could be used last.

        Raises:
            KeyFileError: none could ever be used.
        """
        if self._tick() < self._look_at:
            return self._keys
        with self._lock:
            if (now := self._tick()) >= self._look_at:
                self._follow()
                self._look_at = now + _LOOK_AGAIN
            return self._keys

    def _follow(self) -> None:
        if self._path is None:
            raise KeyFileError("it is not set; name a file there, and make a key with: harvester door-key --file FILE")
        state = _state_of(self._path)
        if self._keys and state == self._state:
            return
        try:
            self._keys = read_keys(self._path)
        except KeyFileError as error:
            if not self._keys:
                raise
            log.warning("the keys of the door cannot be read anew, the old ones stay", problem=str(error))
        self._state = state


def _state_of(path: Path) -> tuple[int, ...]:
    """Differs as soon as the file is another one, or has changed."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class WorkerTokens:
    """Issues and reads the tokens of one instance.

    Args:
        instance: `harvester_id`, the issuer and the audience of all tokens.
        key_file: the keys.
        clock: the instance's time.
    """

    def __init__(self, instance: str, key_file: KeyFile, clock: Clock) -> None:
        self._instance = instance
        self._key_file = key_file
        self._clock = clock
        self._lock = threading.Lock()
        self._shown: dict[bytes, _Shown] = {}
        """What was verified, by the digest of the token."""

    def require_keys(self) -> None:
        """Make sure that tokens can be issued and read.

        Raises:
            KeyFileError: they cannot.
        """
        self._key_file.keys()

    def issue(self, worker_id: int, lifetime: timedelta) -> str:
        """A token for one worker.

        Raises:
            KeyFileError: there is no key to sign it with.
        """
        now = int(self._clock().timestamp())
        claims: dict[str, object] = {
            "sub": str(worker_id),
            "aud": self._instance,
            "iss": self._instance,
            "iat": now,
            "nbf": now,
            "exp": now + int(lifetime.total_seconds()),
            "jti": secrets.token_hex(16),
        }
        key = self._key_file.keys()[0]
        return jwt.encode(claims, key.secret, ALGORITHM, headers={"typ": TYPE, "kid": key.key_id})

    def read(self, token: str) -> int:
        """The worker that a token was issued for.

        Raises:
            InvalidTokenError: it was not issued by this instance for one of its workers, or not for the present time.
            KeyFileError: no key can be used.
        """
        keys = self._key_file.keys()
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        shown = self._shown.get(digest)
        try:
            if shown is None or shown.keys is not keys:
                shown = self._remember(digest, _read_claims(self._claims(token, keys), keys))
            shown.require_present(self._clock().timestamp())
        except jwt.PyJWTError as error:
            raise InvalidTokenError(type(error).__name__) from None
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidTokenError(f"{type(error).__name__}: {error}"[:100]) from None
        return shown.worker_id

    def _remember(self, digest: bytes, shown: "_Shown") -> "_Shown":
        """Verifying costs as much as all the rest of a request, and a worker comes with the same token each time."""
        with self._lock:
            self._shown[digest] = shown
            if len(self._shown) > _REMEMBERED:
                del self._shown[next(iter(self._shown))]
        return shown

    def _claims(self, token: str, keys: Sequence[Key]) -> Mapping[str, object]:
        """What a token says, once its signature was found to be ours."""
        if len(token) > LONGEST_TOKEN:
            raise ValueError("it is too long")
        header = jwt.get_unverified_header(token)
        if header.get("typ") != TYPE:
            raise ValueError("it is of another type")
        key = next((each for each in keys if each.key_id == header.get("kid")), None)
        if key is None:
            raise ValueError("nobody knows its key")
        claims: Mapping[str, object] = jwt.decode(
            token,
            key.secret,
            algorithms=[ALGORITHM],
            audience=self._instance,
            issuer=self._instance,
            options={"require": list(_CLAIMS), "verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
        return claims


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a verified token shows, as long as the keys are the same."""

    keys: Sequence[Key]
    worker_id: int
    begin: int
    end: int

    def require_present(self, now: float) -> None:
        """Make sure that the token is valid now by the instance's clock."""
        if now >= self.end:
            raise ValueError("it has expired")
        if now < self.begin - _SKEW:
            raise ValueError("it is not valid yet")


def _read_claims(claims: Mapping[str, object], keys: Sequence[Key]) -> _Shown:
    begin, end, subject = claims["nbf"], claims["exp"], claims["sub"]
    if not isinstance(begin, int) or not isinstance(end, int):
        raise TypeError("its times are no numbers")
    if not isinstance(subject, str) or not subject.isascii() or not subject.isdigit():
        raise ValueError("its subject is no worker")
    number = int(subject)
    if not 0 < number <= _LARGEST_ID:
        raise ValueError("its subject is no worker")
    return _Shown(keys, number, begin, end)
