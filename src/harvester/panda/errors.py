"""What can go wrong between a Harvester and its PanDA server, by name."""

from harvester.core.errors import HarvesterError


class PandaError(HarvesterError):
    """Any failed call to a PanDA server, or to one that works for it.

    `url` is the call that failed, without its arguments; `status` the HTTP status, if it was not 200.
    """

    def __init__(self, url: str, reason: str, *, status: int | None = None) -> None:
        super().__init__(f"{url}: {reason}")
        self.url = url
        self.reason = reason
        self.status = status


class PandaUnavailable(PandaError):  # noqa: N818 - the field's own word; it is raised, never defined away
    """No usable answer: no connection, HTTP 5xx, HTML, half a body, or silence until the time-out.

    `reached` is False when the request certainly never arrived, so that even a call which reserves something on the
    server may be repeated.
    """

    def __init__(self, url: str, reason: str, *, reached: bool = True, status: int | None = None) -> None:
        super().__init__(url, reason, status=status)
        self.reached = reached


class PandaRefused(PandaError):  # noqa: N818 - as above
    """The server understood and said no; `reason` starts with its own words."""


class CredentialError(HarvesterError):
    """A certificate, key, token or per-host table cannot be used; the message names the file, never its content."""


class BadJob(ValueError):  # noqa: N818 - a job that is refused is the field's word for it
    """One job of an answer that cannot be run as it stands; its neighbours are not concerned.

    Attributes:
        attempt: its attempt number, without which the server would not know what is reported about it.
    """

    def __init__(self, job_id: int | None, reason: str, attempt: int | None = None) -> None:
        super().__init__(f"job {job_id if job_id is not None else '(without PandaID)'}: {reason}")
        self.job_id = job_id
        self.reason = reason
        self.attempt = attempt
