"""The error tree: what went wrong, where, and the way out.

Belongs here: every exception class that the project raises on purpose. Each is also the builtin it
stands for, so that callers who do not know the project can catch it. A `PhenodoseError` is something
the user can mend (exit code 2 on the command line); anything else that escapes is a bug (exit code 1).
Does not belong here: messages. The place that finds the fault knows the file, the well and the remedy.
"""

from __future__ import annotations

from collections.abc import Iterable


class PhenodoseError(Exception):
    """Base of everything the user can mend; the message says what, where and how."""


class InputError(PhenodoseError, ValueError):
    """A file, folder or argument given by the user is not what it should be."""


class MissingInputError(InputError, FileNotFoundError):
    """A file or folder that is needed is not there."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class DownloadError(InputError, ConnectionError):
    """Something that is fetched over the network once could not be had."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class TooLongError(InputError, TimeoutError):
    """Work would take longer than the site allows; nothing of it was done."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class StoreError(PhenodoseError, RuntimeError):
    """The store holds something incomplete, damaged or made by another version."""


class BusyError(StoreError):
    """Another process is working on the same thing; the message names which."""


class TableError(StoreError, TypeError):
    """A table does not have the columns, types or keys that its declaration promises."""


class CheckpointError(StoreError):
    """A checkpoint is missing, damaged or does not fit the network or the tensors."""


class ProcessError(PhenodoseError, ChildProcessError):
    """A process that did part of the work was ended from outside; the message says what is kept."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class PluginError(PhenodoseError, LookupError):
    """A plugin is unknown, broken, ambiguous or breaks its contract."""


class FitError(PhenodoseError, ArithmeticError):
    """Dose-response data as a whole cannot be fitted (one bad curve never raises this)."""


class NotMade(PhenodoseError):
    """A product cannot be made for this screen, for the reason given; the rest of the screen goes on.

    Raised for instance where a screen has no images, no duplicates or no control experiment to start
    from. The asset graph turns it into a skipped asset with its reason, never into a failed run.
    """


class Faults:
    """Collects every fault of one input so that they are raised together, once.

    Example:
        >>> faults = Faults("layout.csv")
        >>> faults.add("row 3: Column is 'x'; write a number from 1 to 48.")
        >>> faults.raise_if_any()
        Traceback (most recent call last):
        ...
        phenodose.errors.InputError: layout.csv: row 3: Column is 'x'; write a number from 1 to 48.
    """

    def __init__(self, where: str, most: int = 20) -> None:
        self.where = where
        self.most = most
        self.messages: list[str] = []

    def add(self, message: str) -> None:
        """Note one fault, once: a sentence that names the place and the remedy."""
        if message not in self.messages:
            self.messages.append(message)

    def extend(self, messages: Iterable[str]) -> None:
        """Note several faults."""
        for message in messages:
            self.add(message)

    def __bool__(self) -> bool:
        return bool(self.messages)

    def raise_if_any(self, error: type[PhenodoseError] = InputError) -> None:
        """Raise `error` with all faults in one message, or do nothing if there are none."""
        if not self.messages:
            return
        shown = self.messages[: self.most]
        if len(self.messages) > self.most:
            shown.append(f"... and {len(self.messages) - self.most} more of the kind.")
        if len(shown) == 1:
            raise error(f"{self.where}: {shown[0]}")
        raise error(f"{self.where}: {len(self.messages)} faults:\n  - " + "\n  - ".join(shown))
