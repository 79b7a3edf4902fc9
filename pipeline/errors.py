"""The one exception that stands for a mistake of the user."""


class InputError(ValueError):
    """Bad input: the message is one sentence with the value, the place and the remedy.

    The command line prints it and exits with status 2; nothing already computed is lost.
    """
