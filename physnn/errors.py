"""Errors by which a call ends without an answer; the command line turns them into exit statuses."""


class InputError(ValueError):
    """Input that cannot be worked with; the message is one sentence that says what to do (exit status 2)."""


class Unfinished(RuntimeError):
    """Stop before the end with everything done so far saved; the same call continues (exit status 3)."""


class TasksFailed(RuntimeError):
    """Failure of some tasks for good while all others finished; the message lists them (exit status 1)."""


class Contested(RuntimeError):
    """Different results of one task done twice: something in it is not determined by its recipe."""


class NotFinite(RuntimeError):
    """Number that is not finite in a task; the task ends there, and nothing of it is stored from then on."""
