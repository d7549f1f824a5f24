"""The one exception that means "the user can mend this"."""


class UserError(Exception):
    """A mistake in the input; its text says what to do. The command line prints it and exits with 2."""
