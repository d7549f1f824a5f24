"""The one exception that means "the user can mend this"."""


class UserError(Exception):
    """A mistake in the input; its text is one clear message that says what to do. The CLI prints it and exits with 2."""
