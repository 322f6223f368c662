"""The one exception that a user's mistake raises."""


class UserError(ValueError):
    """A mistake that a person can mend; its text is one sentence with the name, the value and what it may be."""
