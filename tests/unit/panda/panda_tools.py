import json
import socket
from urllib.parse import urlsplit

from hypothesis import strategies as st

odd_numbers = st.sampled_from([2**63 - 1, 2**63, -(2**63), 10**4000, float("nan"), float("inf"), 1e300])
odd_texts = st.from_regex(r"[ +-]{0,3}[0-9]{1,25}[.e]?[0-9]*", fullmatch=True) | st.sampled_from(
    ["9" * 5000, "nan", "-inf", "1e400", "\u0665", "\u00b2", "\0", "\ud800"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | odd_numbers | odd_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
"""All that JSON can say, and what Python's reader lets through besides."""


def speak(url: str, request: bytes) -> tuple[int, bytes, bytes]:
    """Send bytes over a fresh connection; gives status, header block and body of the answer."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head, body


def request(
    url: str, verb: str, path: str, body: bytes = b"", content_type: str = "application/json", **headers: str
) -> tuple[int, bytes]:
    """Make one call by hand; gives status and body."""
    lines = [f"{verb} /api/v1/{path} HTTP/1.1", "Host: localhost", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    status, _, answer = speak(url, "\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    return status, answer


def call(url: str, path: str, **arguments: object) -> dict[str, object]:
    """POST arguments by hand as JSON; gives the envelope."""
    _, body = request(url, "POST", path, json.dumps(arguments).encode())
    envelope: dict[str, object] = json.loads(body)
    return envelope


def look(url: str, path: str) -> dict[str, object]:
    """GET by hand; gives the envelope."""
    _, body = request(url, "GET", path, Accept="application/json")
    envelope: dict[str, object] = json.loads(body)
    return envelope
