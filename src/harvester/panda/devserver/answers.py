"""What a handler gives back: nearly always an envelope with HTTP 200, rarely a bare HTTP failure."""

from dataclasses import dataclass

from pydantic import JsonValue

DATABASE_ERROR = "database error in the PanDA server"


@dataclass(frozen=True, slots=True)
class Answer:
    """The envelope of every answer."""

    success: bool
    message: str = ""
    data: JsonValue = None

    def to_wire(self) -> dict[str, JsonValue]:
        """Give the JSON object."""
        return {"success": self.success, "message": self.message, "data": self.data}


def ok(data: JsonValue = None, message: str = "") -> Answer:
    """A call that did what it was asked."""
    return Answer(success=True, message=message, data=data)


def refused(message: str, data: JsonValue = None) -> Answer:
    """A call that did not; still HTTP 200."""
    return Answer(success=False, message=message, data=data)


class HttpFailure(Exception):  # noqa: N818 - an HTTP answer, not an error of this program
    """An answer outside the envelope: plain text of the application or HTML of the web server in front of it."""

    def __init__(self, status: str, text: str, *, html: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.html = html
        self.body = f"<html><head><title>{status}</title></head><body><h1>{text}</h1></body></html>" if html else text


def crashed(reason: object) -> HttpFailure:
    """The application's own 500."""
    return HttpFailure("500 Internal Server Error", f"ERROR : {reason}")


def forbidden(reason: str) -> HttpFailure:
    """The application's own 403."""
    return HttpFailure("403 Forbidden", f"ERROR : {reason}")
