"""The Dagster UI of a store: the web server behind our door, and the daemon that runs sensors and queued runs.

Belongs here: which processes, with which settings, and their end. Does not belong here: the door (`ui_door`).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import yaml

from phenodose.errors import InputError, ProcessError
from phenodose.io.files import write_text
from phenodose.settings.environment import CACHE, INBOX, PLATES, STORE
from phenodose.store.store import Store
from phenodose_assets.instance import instance_home, open_instance
from phenodose_assets.ui_door import LOCAL_NAMES

_LOOK_S, _END_S = 0.5, 60.0
#: The module that holds our definitions.
_CODE = "phenodose_assets.definitions"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def allowed_names(host: str, more: Sequence[str]) -> list[str]:
    """Names under which the server may be asked: those of this machine where it listens, and those that were given."""
    everywhere = host in ("0.0.0.0", "::", "")
    own = {socket.gethostname().lower(), socket.getfqdn().lower()} if everywhere else {host.lower()}
    return sorted({*LOCAL_NAMES, *own, *(name.lower() for name in more)})


def location_name() -> str | None:
    """Name of the code location, as ./workspace.yaml says; None where that file names something else than our code."""
    workspace = Path("workspace.yaml")
    if not workspace.is_file():
        return _CODE
    try:
        said = yaml.safe_load(workspace.read_text(encoding="utf-8"))["load_from"]
        (only,) = said
        module = only["python_module"]
        return str(module.get("location_name", _CODE)) if module["module_name"] == _CODE else None
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError, UnicodeDecodeError):
        return None


def code_server(socket_path: Path) -> list[str]:
    """The command of the process that holds our definitions, for the web server and the daemon alike."""
    start = [sys.executable, "-m", "dagster", "code-server", "start", "-m", _CODE]
    return [*start, "--socket", str(socket_path), "--use-python-environment-entry-point"]


def commands(host: str, port: int, names: Sequence[str], workspace: Path) -> list[list[str]]:
    """The commands of the web server and of the daemon, for what a workspace.yaml names."""
    code = ["-w", str(workspace)]
    server = [sys.executable, "-m", "phenodose_assets.ui_server", ",".join(names), "-h", host, "-p", str(port)]
    daemon = [sys.executable, "-m", "phenodose_assets.ui_daemon", "run"]
    return [[*server, *code], [*daemon, *code]]


def environment(store: Store, inbox: Path | None) -> dict[str, str]:
    """What the processes are told: the store, its places, where runs are kept, and that nothing is sent anywhere."""
    places = {STORE: str(store.root), INBOX: inbox, PLATES: store.plates_root, CACHE: store.cache}
    told = {name: str(value) for name, value in places.items() if value is not None}
    told |= {"DAGSTER_HOME": str(instance_home(store).absolute()), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    return {**os.environ, **told}


def serve(
    store: Store,
    host: str,
    port: int,
    more_names: Sequence[str] = (),
    inbox: Path | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Run the UI until it is interrupted.

    Args:
        store: what is shown.
        host: address at which the server listens.
        port: its port.
        more_names: further names under which it may be asked, such as that of a proxy before it.
        inbox: where new screens arrive; None for that of the environment.
        say: is given every line that the processes print, without colours.

    Raises:
        InputError: the port is taken.
        ProcessError: one of the processes ended by itself.
        KeyboardInterrupt: the user ended it.
    """
    _expect_free(host, port)
    told = environment(store, inbox)
    with open_instance(store):
        pass  # Its databases are made here: two processes that begin together on a new home would break them.
    name, folder = location_name(), Path(tempfile.mkdtemp(prefix="phenodose-ui-"))
    try:
        with _running(told, say) as processes:
            workspace = Path("workspace.yaml").absolute()
            if name is not None:
                # Without it, web server and daemon load the definitions each for itself, the daemon every minute anew.
                answers, workspace = folder / "code", folder / "workspace.yaml"
                served = {"grpc_server": {"socket": str(answers), "location_name": name}}
                write_text(workspace, yaml.safe_dump({"load_from": [served]}))
                processes.start(code_server(answers))
                while not _answers(answers) and processes.live():
                    time.sleep(_LOOK_S)
            for command in commands(host, port, allowed_names(host, more_names), workspace):
                processes.start(command)
            while processes.live():
                time.sleep(_LOOK_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    raise ProcessError("a process of the UI ended by itself; what it said last stands above. Start it again.")


def _expect_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            asked.bind((host, port))
        except OSError as error:
            raise InputError(
                f"{host}:{port}: cannot be listened at ({error.strerror}); give another --port."
            ) from error


def _answers(path: Path) -> bool:
    """Whether a process listens at a socket of this machine."""
    with socket.socket(socket.AF_UNIX) as asked:
        try:
            asked.connect(str(path))
        except OSError:
            return False
    return True


@dataclass
class _Processes:
    """Processes of the UI.

    Attributes:
        told: their environment.
        say: is given every line that they print.
    """

    told: dict[str, str]
    say: Callable[[str], None]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, command: Sequence[str]) -> None:
        """Start one more."""
        process = subprocess.Popen(command, env=self.told, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.started.append(process)
        threading.Thread(target=_pass_on, args=(process, self.say), daemon=True).start()

    def live(self) -> bool:
        """Whether all of them run."""
        return all(process.poll() is None for process in self.started)


@contextlib.contextmanager
def _running(told: dict[str, str], say: Callable[[str], None]) -> Iterator[_Processes]:
    """Processes, which end with the block, the last first; a SIGTERM ends it as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    processes = _Processes(told, say)
    try:
        yield processes
    finally:
        signal.signal(signal.SIGTERM, before)
        for process in reversed(processes.started):
            process.terminate()
        end = time.monotonic() + _END_S
        for process in reversed(processes.started):
            with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
                process.wait(max(0.0, end - time.monotonic()))
            if process.poll() is None:
                process.kill()
                process.wait()


def _pass_on(process: subprocess.Popen[bytes], say: Callable[[str], None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        say(_COLOUR.sub("", line.decode("utf-8", "replace")).rstrip("\n"))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
