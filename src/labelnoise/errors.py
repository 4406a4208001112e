"""The one exception that a user's mistake raises."""


class InputError(ValueError):
    """What was passed in can't be used. The message names the offending value and what to do."""
