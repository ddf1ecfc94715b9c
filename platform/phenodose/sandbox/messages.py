"""What a worker sends: something on the way, an answer, or a fault; each as its kind and then its content, both bytes.

Belongs here: the kinds, and exceptions as JSON. Does not belong here: what answers say (see `encoding` for values).
"""

from __future__ import annotations

import builtins
import json
import traceback
from collections.abc import Sequence
from typing import Any

from phenodose import errors
from phenodose.sandbox.importing import name_of

TOLD, ANSWER, FAULT = b"told", b"answer", b"fault"


def fault_of(error: BaseException) -> bytes:
    """An exception as JSON: its classes, the nearest first, its message and its traceback; see `HandlerFault`."""
    classes = [name_of(cls) for cls in type(error).__mro__ if issubclass(cls, BaseException)]
    text = "".join(traceback.format_exception(error))
    return json.dumps({"classes": classes, "message": str(error), "traceback": text}).encode()


class BadMessage(Exception):
    """What the worker sent is no message."""


class HandlerFault(Exception):
    """The handler raised; see `error`."""

    def __init__(self, classes: Sequence[str], message: str, traceback: str) -> None:
        self.classes = classes
        self.message = message
        self.traceback = traceback
        super().__init__(message)

    @classmethod
    def read(cls, content: bytes) -> HandlerFault:
        """The fault that a message tells of.

        Raises:
            BadMessage: the message is none of a fault.
        """
        try:
            fields = json.loads(content)
            return cls([str(name) for name in fields["classes"]], str(fields["message"]), str(fields["traceback"]))
        except Exception as error:
            raise BadMessage(f"{type(error).__name__}: {error}") from error

    def error(self) -> Exception:
        """What the handler raised: of its own class if that is phenodose's or Python's, else of the nearest base."""
        for name in self.classes:
            module, _, attribute = name.partition(":")
            known: Any = {"phenodose.errors": errors, "builtins": builtins}.get(module)
            found = getattr(known, attribute, None)
            if isinstance(found, type) and issubclass(found, Exception) and found is not Exception:
                break
        else:
            found = RuntimeError
        try:
            error: Exception = found(self.message)
        except TypeError:
            error = RuntimeError(f"{self.classes[0].rpartition(':')[2]}: {self.message}")
        error.__cause__ = _Traceback(self.traceback)
        return error


class _Traceback(Exception):
    """The traceback of another process, shown as the cause."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"
