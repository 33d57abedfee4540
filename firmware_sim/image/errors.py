"""The one error that building an image raises on purpose."""


class ImageError(Exception):
    """Building cannot go on: what happened, and what the person can do about it.

    Attributes:
        message: one line, what happened.
        hint: one line, what to do; empty when nothing helps but reading the message.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class PackageGone(ImageError):
    """A locked package is no longer on the mirror, or the mirror has other bytes under its name."""
