"""The exception that a user's mistake raises, and a kind of it."""


class InputError(ValueError):
    """What was passed in can't be used. The message names the offending value and what to do, on one line."""

    def __init__(self, message: str = "") -> None:
        super().__init__(" ".join(message.splitlines()))  # a name in a file may go over several


class MismatchError(InputError):
    """Logits that labels can't be compared with: what gave the logits may be to blame."""
