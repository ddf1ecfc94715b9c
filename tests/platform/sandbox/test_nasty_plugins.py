"""What a plugin may do to its process, to others and to the one who asks; each costs its own result only."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from phenodose.errors import PluginError
from phenodose.plugins import Registry, Scorer
from phenodose.plugins.isolation import sandboxed
from phenodose.plugins.scores_page import example_curve
from phenodose.sandbox import worker
from phenodose.settings.plugin_limits import PluginLimits

GOOD = "return np.where(curves.fitted, curves.top, np.nan)"
#: Head of the module, body of `score`, and what is told of it; '' where it gives its result.
NASTY = {
    "forks_at_import": ("import time\nif os.fork() == 0: time.sleep(300)", GOOD, ""),
    "both_go_on": ("", f"os.fork()\n{GOOD}", ""),
    "leaves_a_daemon": ("", f"subprocess.Popen(['sleep', '300'], start_new_session=True)\n{GOOD}", ""),
    "dies_before_its_copy": ("", "if os.fork() == 0: time.sleep(300)\nos._exit(5)", "ended its process (exit code 5)"),
    "kills_its_parent": ("", f"os.kill(os.getppid(), 9)\n{GOOD}", "ends what is not its own"),
    "kills_all": ("", f"os.kill(-1, 9)\n{GOOD}", "ends what is not its own"),
    "kills_its_group": ("", "os.killpg(0, 9)", "ended its process (signal SIGKILL)"),
    "takes_no_sigterm": ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", GOOD, ""),
    "never_exits": ("import atexit\natexit.register(lambda: time.sleep(600))", GOOD, ""),
    "exits_at_import": ("sys.exit(3)", GOOD, "fails to import: SystemExit: 3"),
    "exits": ("", "sys.exit(3)", "raised SystemExit: 3"),
    "exits_a_thread": ("", f"t = threading.Thread(target=sys.exit); t.start(); t.join()\n{GOOD}", ""),
    "ends_in_a_thread": ("", "threading.Thread(target=lambda: os._exit(4)).start(); time.sleep(60)", "(exit code 4)"),
    "closes_its_output": ("", f"sys.stdout.close()\n{GOOD}", ""),
    "closes_all": ("", f"os.closerange(3, 256)\n{GOOD}", "ended its process"),
    "empties_the_environment": ("", f"os.environ.clear()\n{GOOD}", ""),
    "shares_memory": ("", f"shared_memory.SharedMemory(create=True, size=9)\n{GOOD}", ""),
    "listens": ("", f"self.s = socket.socket(); self.s.bind(('127.0.0.1', 0)); self.s.listen()\n{GOOD}", ""),
    "sets_errors": ("np.seterr(all='raise')", GOOD, ""),
    "raises_warnings": ("import warnings\nwarnings.simplefilter('error')", GOOD, ""),
    "patches_numpy": ("np.median = lambda *a, **k: 7.0\nnp.where = lambda *a: np.array([7.0])", GOOD, ""),
    "goes_elsewhere": ("os.chdir('/')", GOOD, ""),
    "crashes": ("", "ctypes.string_at(0)", "ended its process (signal SIGSEGV)"),
    "tells_too_much": ("", "return np.ones(1_000_000)", "gave something that cannot be read: a message of more"),
}
#: Those of every day; the others are tried with `-m slow`.
EVERY_DAY = ("leaves_a_daemon", "dies_before_its_copy", "kills_its_parent", "exits_at_import")
HEAD = """
import ctypes, os, signal, socket, subprocess, sys, threading, time
from multiprocessing import shared_memory
import numpy as np
from phenodose.plugins import Scorer
{head}
class It(Scorer):
    name, version, description = "{name}", "1", "A plugin of a test"
    def score(self, curves):
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of distributions."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))
    yield place
    assert not [name for name in sys.modules if name.startswith("of_nasty")]


def descendants_of_this() -> set[str]:
    """What the processes that this one has started are called, and those that they have, zombies left out."""
    from phenodose.sandbox.supervisor import descendants

    found = set()
    for process in descendants(os.getpid()):
        try:
            found.add(Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ").strip())
        except OSError:
            continue
    return found - {""}


@pytest.mark.skipif(sys.platform != "linux", reason="adopts orphans by a means of Linux")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in EVERY_DAY else pytest.mark.slow) for name in NASTY]
)
def test_a_nasty_plugin_costs_its_own_result_only(site: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MOST_BYTES", 1 << 20)
    head, body, told = NASTY[name]
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    (site / f"of_nasty_{name}.py").write_text(HEAD.format(head=head, name=name) + lines)
    info = site / f"nasty_{name}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: nasty-{name}\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(f"[phenodose.scorers]\n{name} = of_nasty_{name}:It\n")
    curves = example_curve()
    before = state_of_this()
    others = {one: Registry().create("scorer", one).score(curves) for one in ("emax", "dss_asym")}
    shared = set(Path("/dev/shm").iterdir()) if Path("/dev/shm").is_dir() else set()
    running = descendants_of_this()
    plugins = Registry(limits=PluginLimits(memory_GiB=4, seconds=120))
    clock = time.monotonic()
    if told:
        with pytest.raises(PluginError) as fault:
            asked(plugins, name).score(curves)
        assert told in str(fault.value)
        assert f"scorer {name!r} of nasty-{name} 1.5" in str(fault.value)
        # Told at once, not after its time was over.
        assert time.monotonic() - clock < 100
    else:
        value = asked(plugins, name).score(curves)
        assert np.shape(getattr(value, "value", value)) == (1,)
    assert descendants_of_this() <= running
    assert state_of_this() == before
    if Path("/dev/shm").is_dir():
        assert not {path for path in set(Path("/dev/shm").iterdir()) - shared if path.name.startswith("psm_")}
    for one, value in others.items():
        again = Registry().create("scorer", one).score(curves)
        np.testing.assert_array_equal(getattr(again, "value", again), getattr(value, "value", value))


def asked(plugins: Registry, name: str) -> Scorer:
    """The plugin, whose process ends with it."""
    return sandboxed(plugins.get("scorer", name), {}, plugins)


def state_of_this() -> dict[str, object]:
    """What a module may have changed in this process."""
    import signal
    import warnings

    return {
        "folder": Path.cwd(),
        "errors": np.geterr(),
        "warnings": list(warnings.filters),
        "environment": {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
        "functions": (np.median, np.where),
        "signal": signal.getsignal(signal.SIGTERM),
    }
