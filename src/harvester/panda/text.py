"""Texts and times as the server's columns take them."""

from datetime import UTC, datetime

_JOB_TIME = "%Y-%m-%d %H:%M:%S"


def clip(text: str, limit: int) -> str:
    """Cut a text to a column of `limit` characters or bytes, whichever the server's database counts.

    NUL and lone surrogates go too: PostgreSQL refuses them and with them every neighbour in the call.
    """
    if len(text) <= limit and text.isascii() and "\0" not in text:
        return text
    clean = text.replace("\0", "").encode("utf-8", "replace")
    return clean[:limit].decode("utf-8", "ignore")


def worker_time(moment: datetime) -> str:
    """Give the one form in which worker and instance times are parsed: prefix and fraction are mandatory."""
    return f"datetime/{precise_time(moment)}"


def precise_time(moment: datetime) -> str:
    """Give the form of times of messages and measurements: the fraction is mandatory."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def job_time(text: str) -> str | None:
    """Bring a time a worker wrote into the form of job updates, or None if it is no time.

    A time without zone is UTC already, as the pilot writes it.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment.astimezone(UTC) if moment.tzinfo else moment).strftime(_JOB_TIME)
    except (ValueError, OverflowError):
        return None
