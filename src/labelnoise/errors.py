"""The one exception a user's mistake raises: a plain sentence, no traceback on the command line."""


class InputError(ValueError):
    """What was passed in can't be used. The message names the offending value and what to do."""
