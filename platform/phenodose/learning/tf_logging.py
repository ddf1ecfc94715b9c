"""TensorFlow's start without its lines on the terminal.

Belongs here: which of its lines are shown, and the hook that makes every import of it quiet, whoever imports it. Does
not belong here: Python's own logging and warnings.

TensorFlow writes to the standard error of the process, past Python, and its first lines before it has read how much to
tell (TF_CPP_MIN_LOG_LEVEL). So that stream is held while TensorFlow is imported and looks for devices, and what says
something is written afterwards: all of it if the import fails, else what is not merely information. With
TF_CPP_MIN_LOG_LEVEL=0 in the environment nothing is held.
"""

from __future__ import annotations

import importlib.machinery
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from types import ModuleType

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_STDERR = 2
#: Information, with or without a date, and the notice that there are such lines.
_INFORMATION = re.compile(rb"I\d{4} |[-\d]+ [\d:.]+: I |WARNING: All log messages before absl::InitializeLog")
#: What a machine without a card of NVIDIA is told about it.
_NO_CARD = re.compile(rb"[EW]\d{4} .*(cuInit|cuda|CUDA)|[-\d]+ [\d:.]+: [EW] .*(cuInit|cuda|CUDA)")


def quieten_tensorflow() -> None:
    """Make the import of TensorFlow quiet from now on; nothing is imported yet."""
    if os.environ.setdefault(_LEVEL, "1") != "0" and not any(isinstance(known, _Finder) for known in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


@contextmanager
def worth_saying() -> Iterator[None]:
    """Hold what is written to standard error meanwhile, by any code of the process, then write what says something."""
    try:
        terminal = os.dup(_STDERR)
    except OSError:  # there is no such stream to keep clean
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), _STDERR)
        failed = True
        try:
            yield
            failed = False
        finally:
            os.dup2(terminal, _STDERR)
            os.close(terminal)
            held.seek(0)
            for line in held:
                if failed or not _is_idle(line):
                    os.write(_STDERR, line)


def _is_idle(line: bytes) -> bool:
    return bool(_INFORMATION.match(line) or (_NO_CARD.match(line) and not shutil.which("nvidia-smi")))


class _Finder(MetaPathFinder):
    """Finds TensorFlow where it would be found anyway, and has it executed quietly."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "tensorflow":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def quietly(module: ModuleType) -> None:
            with worth_saying():
                execute(module)
                module.config.list_physical_devices()  # it looks for cards at its first operation otherwise

        spec.loader.exec_module = quietly  # type: ignore[method-assign]
        return spec
