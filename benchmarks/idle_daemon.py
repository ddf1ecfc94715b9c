"""What the UI of a store takes of the processor while nothing happens: daemon, code server and web server.

Run: python benchmarks/idle_daemon.py [--screens 5] [--seconds 240]

Simulated metabolic screens (one plate, 25 drugs) are made by `phenodose run` as far as the scores of one scorer, then
`phenodose ui` is started beside them, with the settings of `make ui`. When its daemon has no run left, the CPU seconds
of each process and of its children are read from /proc over a while. Nobody looks at the web server's pages meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import dagster as dg
from run_screen import loop, simulated

from phenodose.store.store import Store
from phenodose_assets.dead_runs import NOT_OVER
from phenodose_assets.instance import open_instance

#: What a process is, by a part of its command.
_PROCESSES = {"code-server": "code server", "ui_daemon": "daemon", "ui_server": "web server"}
#: Those of `make ui`.
_SETTINGS = Path(__file__).resolve().parents[1] / "dagster.yaml"
_MADE = "layout,viability/ctg,curves/ctg,scores/dss_asym"
#: Seconds without a run after which the daemon is idle and has loaded what it needs; and after which it should be.
_QUIET_S, _MOST_S = 150.0, 3600.0
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@click.command()
@click.option("--screens", type=click.IntRange(min=1), default=5, show_default=True, help="Screens in the store.")
@click.option("--seconds", type=click.IntRange(min=60), default=240, show_default=True, help="How long to measure.")
@click.option("--into", type=click.Path(path_type=Path), help="Keep the store here, and go on with the one there.")
def main(screens: int, seconds: int, into: Path | None) -> None:
    """Print what each process takes."""
    with tempfile.TemporaryDirectory(prefix="phenodose-idle-") as name:
        place = (into or Path(name)).absolute()
        place.mkdir(exist_ok=True)
        click.echo(f"a loop of 10 million additions: {loop():.2f} CPU-s")
        shutil.copyfile(_SETTINGS, place / "dagster.yaml")
        os.environ["DAGSTER_HOME"] = str(place)
        with contextlib.chdir(place):
            _make_screens(place, screens)
        with contextlib.chdir(place), _ui(place) as server:
            _wait_until_idle(Store.open(place / "store"))
            before = _cpu_seconds(server)
            time.sleep(seconds)
            after = _cpu_seconds(server)
        click.echo(f"{screens} screens, nothing to do, {seconds} s")
        for process, used in after.items():
            took = used - before[process]
            click.echo(f"  {process:12}{took:7.2f} CPU-s{100 * took / seconds:7.2f} % of a core")
        click.echo(f"a loop of 10 million additions: {loop():.2f} CPU-s")


def _make_screens(place: Path, number: int) -> None:
    """Folders of the inbox, without the mark that lets the sensor take them in, and what is made of them."""
    for each in range(number):
        folder = place / "inbox" / f"IDLE{each}_V1_DS1"
        if not folder.exists():
            folder.mkdir(parents=True)
            layout = simulated()
            layout[layout["Plate"] == 1].assign(Sample=f"IDLE{each}").to_excel(folder / "layout.xlsx", index=False)
            asked = ["run", str(folder), f"--store={place / 'store'}", f"--select={_MADE}"]
            subprocess.run([sys.executable, "-m", "phenodose", *asked], check=True, capture_output=True)


@contextlib.contextmanager
def _ui(place: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`phenodose ui` of a store while the block runs; what it says is beside the store."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    asked = [sys.executable, "-m", "phenodose", "ui", f"--store={place / 'store'}", f"--inbox={place / 'inbox'}"]
    with (place / "said.txt").open("wb") as said:
        server = subprocess.Popen([*asked, f"--port={port}"], stdout=said, stderr=subprocess.STDOUT)
        try:
            yield server
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


def _wait_until_idle(store: Store) -> None:
    """Wait until the daemon runs, the cohort is made, and no run is left for a while."""
    begin, quiet_since = time.time(), None
    while time.time() - begin < _MOST_S:
        time.sleep(5)
        with open_instance(store) as instance:
            beats = [beat.timestamp for beat in instance.get_daemon_heartbeats().values()]
            runs = max(beats, default=0.0) > begin
            cohort = instance.get_latest_materialization_event(dg.AssetKey("cohort_report"))
            busy = instance.get_run_records(dg.RunsFilter(statuses=NOT_OVER))
        if not runs or cohort is None or busy:
            quiet_since = None
        elif time.time() - (quiet_since := quiet_since or time.time()) > _QUIET_S:
            return
    raise click.ClickException(f"the daemon is not idle after {_MOST_S:.0f} s.")


def _cpu_seconds(server: subprocess.Popen[bytes]) -> dict[str, float]:
    """CPU seconds so far of each process of the UI, with those of its children, living or ended."""
    stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, command = int(path.parent.name), path.with_name("cmdline").read_text()
            after_name = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        # Fields 4 and 14 to 17 of proc(5): parent; user and system time, own and of children that were waited for.
        stats[pid] = int(after_name[1]), sum(map(int, after_name[11:15])) / _TICKS_A_SECOND, command
    found = {"launcher": stats[server.pid][1]}
    for pid, (parent, _, command) in stats.items():
        if parent == server.pid:
            what = next((name for part, name in _PROCESSES.items() if part in command), command)
            found[what] = sum(stats[each][1] for each in _with_descendants(pid, {p: s[0] for p, s in stats.items()}))
    return found


def _with_descendants(pid: int, parents: dict[int, int]) -> set[int]:
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


if __name__ == "__main__":
    main()
