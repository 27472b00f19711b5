"""The ways a call can end without an answer; the command line turns them into exit statuses."""


class InputError(ValueError):
    """What was asked for cannot be done; the message is one sentence that says what to do (exit status 2)."""


class Unfinished(RuntimeError):
    """Stopped before the end with everything done so far saved; the same call continues (exit status 3)."""


class TasksFailed(RuntimeError):
    """Some tasks failed for good while all others finished; the message lists them (exit status 1)."""


class Contested(RuntimeError):
    """A task was done twice with different results: something in it is not determined by its recipe."""


class NotFinite(RuntimeError):
    """A task came to a number that is not finite; it ends there, and nothing of it is stored from then on."""
