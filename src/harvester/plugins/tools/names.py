"""Names that come from outside and are to become files: one plain name, never a path."""

_LONGEST = 255
"""Bytes that Linux file systems allow in one name."""


def is_plain_name(name: str) -> bool:
    """Whether the name stays in the directory it is joined to, and a file system can hold it."""
    if name in {"", ".", ".."} or "/" in name or not name.isprintable():
        return False
    return len(name.encode(errors="surrogatepass")) <= _LONGEST
