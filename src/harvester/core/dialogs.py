"""Messages of the service that the server shows to people."""

from datetime import datetime
from enum import StrEnum

from harvester.core.records import record_type


class DialogLevel(StrEnum):
    """How grave a message is, in the server's words."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@record_type
class Dialog:
    """One message.

    Attributes:
        module: the area of the log line, such as `submitter`.
        identifier: what it is about, such as `queue=SITE_A`.
    """

    at: datetime
    module: str
    identifier: str
    level: DialogLevel
    message: str
