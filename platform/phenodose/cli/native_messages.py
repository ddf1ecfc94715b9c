"""What libraries write to standard error past Python, kept from the terminal of a command.

TensorFlow tells of its start, and of graphics cards that a machine lacks, before it has read how much to tell
(TF_CPP_MIN_LOG_LEVEL silences none of these lines). A command that starts networks filters its own standard error
instead; nobody's import is changed, and other programs that use phenodose see what TensorFlow says.

Belongs here: the filter, and which lines it drops. Does not belong here: Python's own logging and warnings.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from phenodose.cli.terminal import harmless

_STDERR = 2
#: Information, with or without a date, and the notices beside it.
_INFORMATION = re.compile(
    rb"I\d{4} |[-\d]+ [\d:.]+: I |WARNING: All log messages before absl|To enable the following instructions:"
)
#: What a machine without a card of NVIDIA is told about it.
_NO_CARD = re.compile(rb"[EW]\d{4} .*(cuInit|cuda|CUDA)|[-\d]+ [\d:.]+: [EW] .*(cuInit|cuda|CUDA)")


@contextmanager
def filter_stderr() -> Iterator[TextIO]:
    """Drop native lines that say nothing from standard error, also those of processes that are started meanwhile.

    Yields:
        A stream to the terminal itself, for what the command displays.
    """
    try:
        is_plain = sys.stderr.fileno() == _STDERR
    except (OSError, ValueError):
        is_plain = False
    if not is_plain:
        yield sys.stderr
        return
    sys.stderr.flush()
    real = os.dup(_STDERR)
    reading, writing = os.pipe()
    os.dup2(writing, _STDERR)
    os.close(writing)
    pump = threading.Thread(target=_pass_on, args=(reading, real), daemon=True)
    pump.start()
    try:
        with os.fdopen(os.dup(real), "w", buffering=1, encoding="utf-8") as stream:
            yield stream
    finally:
        sys.stderr.flush()
        os.dup2(real, _STDERR)
        pump.join(timeout=2)


def says_something(line: bytes) -> bool:
    """Whether a line of standard error is more than a library's own information."""
    return not (_INFORMATION.match(line) or (_NO_CARD.match(line) and not shutil.which("nvidia-smi")))


def _pass_on(reading: int, real: int) -> None:
    """Copy lines that say something from one file descriptor to another, until the first is closed."""
    with os.fdopen(reading, "rb") as lines, os.fdopen(real, "wb", buffering=0) as out:
        for line in lines:
            if says_something(line):
                out.write(harmless(line.decode("utf-8", "replace")).encode())
