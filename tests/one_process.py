"""A process that answers one call after another as the conformance kit's own answers one, for suites of many plugins.

To import what plugins need costs more than all else; the kit's own processes, a new one a call, are tried in
test_broken_plugins_are_told.py. Test files of plugins in the making are run here with it, in the process of the tests.

Belongs here: that process, and running such files. Does not belong here: what a plugin is asked.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from phenodose.testing.isolation import Seen
from phenodose.testing.rules import PluginConformance

#: Told the folder of each call and the search path; the kit's curves of the same arguments are made once.
_PROCESS = """
import functools, json, os, sys
from pathlib import Path
from phenodose.testing import synthetic
from phenodose.testing.isolation import _answer
synthetic.curves = functools.cache(synthetic.curves)
told, sys.stdout = sys.stdout, open(os.devnull, "w")
for line in sys.stdin:
    place, sys.path[:] = json.loads(line)
    _answer(Path(place), sys.argv[1:])
    print("done", file=told, flush=True)
"""


class OneProcess:
    """Calls functions in one watched process, in an empty folder that is its home."""

    def __init__(self, folder: Path) -> None:
        self._scratch, self._number = folder.resolve(), 0
        home = self._scratch / "home"
        home.mkdir()
        env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "HOME": str(home)}
        env |= {"TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROCESS, str(self._scratch)],
            env=env,
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Seen:
        """What the function gave there, and what it did; or what it raised."""
        asks, answers = self._process.stdin, self._process.stdout
        assert asks is not None
        assert answers is not None
        self._number += 1
        place = self._scratch / str(self._number)
        place.mkdir()
        (place / "asked").write_bytes(pickle.dumps((function, arguments)))
        print(json.dumps([str(place), sys.path]), file=asks, flush=True)
        assert answers.readline() == "done\n"
        failed, value, writes, connections = pickle.loads((place / "answer").read_bytes())
        if failed:
            raise value
        return Seen(value, tuple(writes), tuple(connections))

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def outcomes(self, files: Sequence[Path], folder: Path, patch: pytest.MonkeyPatch) -> dict[str, str]:
        """How the tests of these files end, run by a pytest of their own in this process: 'passed', or what failed.

        Args:
            files: test files of plugins that can be imported.
            folder: holds the files; the names of the tests begin there.
            patch: lets the plugins' suites ask this process.
        """
        heard = _Heard()
        patch.setattr(PluginConformance, "isolated", lambda suite, function, *arguments: self(function, *arguments))
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        apart = [
            word for name in ("cacheprovider", "faulthandler", "xdist", "timeout") for word in ("-p", f"no:{name}")
        ]
        options = [
            "-q",
            "-W",
            "error",
            "--import-mode=importlib",
            f"--rootdir={folder}",
            f"--basetemp={folder / 'tmp'}",
        ]
        pytest.main([*options, *apart, "-c", str(folder / "pytest.ini"), *map(str, files)], plugins=[heard])
        return heard.outcomes


class _Heard:
    """Hears from pytest how each test went."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.outcomes[report.nodeid] = report.longreprtext

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.outcomes[report.nodeid] = report.longreprtext
        elif report.when == "call":
            self.outcomes.setdefault(report.nodeid, report.outcome)
