"""An environment as a plugin's author has it: phenodose and pip are there, nothing of the author's is.

It is a new virtual environment that sees the libraries of this one; what is installed into it comes from pip. No index
is asked.

Belongs here: making it and running commands in it. Does not belong here: what is installed (each test says that).
"""

from __future__ import annotations

import json
import os
import site
import subprocess
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

#: Runs commands of `phenodose` and pytest one after the other; prints what each printed, as a JSON list.
TOGETHER = """
import contextlib, io, json, sys
from phenodose.cli import main
printed = []
for program, *words in json.loads(sys.argv[1]):
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        try:
            if program == "pytest":
                import pytest
                sys.exit(pytest.main(words))
            main(words)
        except SystemExit as ended:
            code = ended.code
    if code:
        sys.exit(f"{program} {' '.join(words)}: {code}: {told.getvalue()}")
    printed.append(told.getvalue())
print(json.dumps(printed))
"""


class FreshEnvironment:
    """A virtual environment and a folder to work in.

    Attributes:
        folder: where commands run; the store is `store` in it.
    """

    def __init__(self, place: Path) -> None:
        made = place / "environment"
        venv.EnvBuilder(with_pip=False, symlinks=True).create(made)
        libraries = next((made / "lib").glob("python*/site-packages"))
        shared = "; ".join(f"site.addsitedir({path!r})" for path in site.getsitepackages())
        (libraries / "libraries.pth").write_text(f"import site; {shared}\n", encoding="utf-8")
        self.python = made / "bin" / "python"
        for command in ("phenodose", "pip", "pytest"):
            script = made / "bin" / command
            script.write_text(f'#!/bin/sh\nexec {self.python} -m {command} "$@"\n', encoding="utf-8")
            script.chmod(0o755)
        self.folder = place / "work"
        self.folder.mkdir()
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("DAGSTER", "PHENODOSE", "PYTEST"))
        }
        kept.pop("PYTHONPATH", None)
        self.environment = kept | {
            "PATH": f"{made / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as the option's value: 0 is no isolation
            "PIP_QUIET": "1",
        }

    def run(self, *command: str | Path, cwd: Path | None = None, variables: Mapping[str, str] | None = None) -> str:
        """What a command prints; the test fails with all it said if it ends with an error."""
        words = [str(word) for word in command]
        ended = subprocess.run(
            words,
            cwd=cwd or self.folder,
            env=self.environment | dict(variables or {}),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        told = f"{' '.join(words)}\n{ended.stdout[-6000:]}\n{ended.stderr[-6000:]}"
        assert ended.returncode == 0, told
        return ended.stdout

    def phenodose(self, *arguments: str | Path) -> str:
        """What `phenodose ARGUMENTS` prints."""
        return self.run(self.python, "-m", "phenodose", *arguments)

    def together(
        self, commands: Sequence[Sequence[str | Path]], variables: Mapping[str, str] | None = None
    ) -> list[str]:
        """What commands of `phenodose` and pytest print that share one process, which imports everything once."""
        words = json.dumps([[str(word) for word in command] for command in commands])
        printed: list[str] = json.loads(self.run(self.python, "-c", TOGETHER, words, variables=variables))
        return printed
