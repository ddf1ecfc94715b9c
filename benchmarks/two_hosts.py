"""Whether two hosts rebuild one cohort in turn, each reading only what is new, and whether what is unsafe is refused.

Run: sudo .venv/bin/python benchmarks/two_hosts.py [--check 5 --check 8] [--screens 20]

A host is a process with a name and process ids of its own (`unshare`, where it is allowed) and a cache of its own. The
bucket is moto's S3 server on the loopback (extra `dev`). The checks:

5  Screens come one by one into a store, written by one host or the other, and a host rebuilds the cohort after each:
   it reads that screen alone, and at the end every table is that of a cohort from nothing. In a bucket, and in a folder
   that is taken for one on a file server.
8  Refused with a remedy: a bucket whose server ignores conditions of writing; Dagster's SQLite on a file server (the
   table of mounts that says so is made up, for which root is needed); a second daemon, with an instance of its own, on
   an inbox of which the first one takes in the screens.

It ends with 1 where a check did not hold.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

#: Screens that are there before hosts take turns; of fewer, one more is so much that everything is read.
THERE = 10
MOST_S, MOST_REFUSAL_S = 900.0, 180.0
_HERE = Path(__file__).parent
_PHENODOSE = [sys.executable, "-c", "from phenodose.cli import main; main()"]
#: A host: for every line it does something, and says as a line what came of it.
HOST = """
import json, os, sys, time
from grown_store import grow
from phenodose.cohort.build import rebuild_cohort
from phenodose.pipeline.verdict import ScreenJudge
from phenodose.store.store import Store

# Whatever else prints, answers alone are read.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    asked, began = json.loads(line), time.process_time()
    store = Store.open(asked["store"], cache=sys.argv[1])
    if asked["screens"]:
        grow(asked["store"], asked["screens"])
        told = {}
    else:
        found = rebuild_cohort(store, whole=asked["whole"], judge=ScreenJudge(store))
        copy = str(store.local_copy(store.cohort_path))
        told = {"read": list(found.screens_read), "faults": list(found.faults), "cohort": copy}
    print(json.dumps({**told, "cpu_s": time.process_time() - began}), file=answers, flush=True)
"""


class Host:
    """One of the hosts."""

    def __init__(self, name: str, folder: Path, surroundings: dict[str, str]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [*apart(name), sys.executable, "-c", HOST, str(folder / f"cache_{name}")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **surroundings, "PYTHONPATH": _path(_HERE)},
        )

    def asked(self, store: str, screens: int = 0, whole: bool = False) -> dict[str, Any]:
        """Let it bring a store to a number of screens, or rebuild the cohort; what it says of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"store": store, "screens": screens, "whole": whole}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise click.ClickException(f"host {self.name} has ended")
        told: dict[str, Any] = json.loads(line)
        return told

    def end(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def apart(name: str) -> list[str]:
    """What stands before a command so that it has a host name and process ids of its own; nothing if not allowed."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return []
    return ["unshare", "--uts", "--pid", "--fork", "--mount-proc", "sh", "-c", f'hostname {name} && "$@"', "sh"]


def _path(*folders: Path) -> str:
    return os.pathsep.join([*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])])


@contextlib.contextmanager
def bucket(ignores_conditions: bool = False) -> Iterator[tuple[str, dict[str, str]]]:
    """An address in a bucket on the loopback, and what must stand in the environment."""
    import boto3

    sys.path.insert(0, str(_HERE.parent / "tests"))
    from s3_server import S3Server

    server = S3Server()
    server.ignores_conditions = ignores_conditions
    keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"}
    boto3.client(
        "s3",
        endpoint_url=server.url,
        aws_access_key_id="any",
        aws_secret_access_key="any",
        region_name="us-east-1",
    ).create_bucket(Bucket="bucket")
    try:
        yield "s3://bucket/lab", {**keys, "AWS_ENDPOINT_URL": server.url}
    finally:
        server.close()


# --- 5 --------------------------------------------------------------------------------------------


def in_turn(folder: Path, screens: int) -> list[str]:
    """Two hosts rebuild the cohort in turn, in a bucket and in a folder."""
    faults = []
    with bucket() as (address, surroundings):
        faults += _in_turn(folder / "bucket", address, surroundings, screens)
    shared = folder / "shared" / "store"
    shared.mkdir(parents=True)
    (shared / ".several_machines").touch()
    return faults + _in_turn(folder / "shared", str(shared), {}, screens)


def _in_turn(folder: Path, store: str, surroundings: dict[str, str], screens: int) -> list[str]:
    folder.mkdir(exist_ok=True)
    hosts = [Host(name, folder, surroundings) for name in ("north", "south", "third")]
    faults, costs, cohort = [], [], ""
    try:
        hosts[0].asked(store, THERE)
        hosts[0].asked(store)
        for number in range(screens):
            # All four: a host rebuilds what it has written itself, or what the other one has.
            hosts[number % 2].asked(store, THERE + number + 1)
            told = hosts[number // 2 % 2].asked(store)
            costs.append(told["cpu_s"])
            faults += told["faults"]
            # The second host has made no cohort before, and yet reads no more.
            if len(told["read"]) != 1:
                faults.append(f"rebuild {number + 1} in {store} read {len(told['read'])} screens: {told['read']}")
            cohort = told["cohort"]
        kept = shutil.copy(cohort, folder / "in_turn.duckdb")
        anew = hosts[2].asked(store, whole=True)
        faults += [f"{store}: the table {name} is another one from nothing" for name in _other(kept, anew["cohort"])]
        click.echo(
            f"check 5, {store}: {screens} rebuilds, {sum(costs) / len(costs):.2f} CPU-s each; from nothing, of "
            f"{len(anew['read'])} screens, {anew['cpu_s']:.1f}"
        )
    finally:
        for host in hosts:
            host.end()
    return faults


def _other(one: Path | str, two: Path | str) -> list[str]:
    """Tables that differ between two cohorts, whatever the order of rows, numbers to five digits after the point.

    Sums in another order differ in the last bit, and the deviation of equal numbers is the square root of that.
    """
    import duckdb

    with duckdb.connect() as con:
        con.execute(f"ATTACH '{one}' AS one (READ_ONLY); ATTACH '{two}' AS two (READ_ONLY)")
        names = [
            name
            for (name,) in con.execute(
                "SELECT DISTINCT table_name FROM duckdb_tables() WHERE schema_name = 'main' ORDER BY table_name"
            ).fetchall()
        ]

        def rounded(name: str) -> str:
            about = con.execute(f"DESCRIBE one.{name}").fetchall()
            return ", ".join(f'round("{c}", 5)' if of in ("DOUBLE", "FLOAT") else f'"{c}"' for c, of, *_ in about)

        return [
            name
            for name in names
            if any(
                con.execute(
                    f"SELECT 1 FROM (SELECT {rounded(name)} FROM {a}.{name} "
                    f"EXCEPT ALL SELECT {rounded(name)} FROM {b}.{name}) LIMIT 1"
                ).fetchone()
                for a, b in (("one", "two"), ("two", "one"))
            )
        ]


# --- 8 --------------------------------------------------------------------------------------------


def refusals(folder: Path) -> list[str]:
    """What would be unsafe is refused, each with a remedy."""
    return [*_poor_bucket(folder), *_sqlite_on_a_file_server(folder), *_second_daemon(folder)]


def _poor_bucket(folder: Path) -> list[str]:
    with bucket(ignores_conditions=True) as (address, surroundings):
        command = [*_PHENODOSE, "sql", "--rebuild", "SELECT 1", "--store", address]
        remedy = "use one that keeps to If-Match and If-None-Match"
        return _refused("a poor S3 server", command, surroundings, remedy, folder)


def _sqlite_on_a_file_server(folder: Path) -> list[str]:
    what = "SQLite on a file server"
    if not apart(""):
        click.echo(f"check 8, {what}: not tried, as root is needed for a table of mounts of one's own")
        return []
    store = folder / "exported"
    store.mkdir()
    mounts = folder / "mounts"
    mounts.write_text(f"root / ext4 rw 0 0\nserver:/lab {store.resolve()} nfs4 rw 0 0\n")
    mount = f'mount --bind {mounts} /proc/$$/mounts && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", mount, "sh", *_PHENODOSE, "ui", "--store", str(store)]
    return _refused(what, command, {}, "set DAGSTER_HOME to a folder on", folder)


def _refused(what: str, command: Sequence[str], surroundings: dict[str, str], remedy: str, where: Path) -> list[str]:
    own = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"} | surroundings
    try:
        # Elsewhere than in a folder with a dagster.yaml of its own.
        done = subprocess.run(
            command, env=own, cwd=where, capture_output=True, text=True, check=False, timeout=MOST_REFUSAL_S
        )
    except subprocess.TimeoutExpired:
        return [f"{what}: was not refused"]
    said = " ".join(done.stderr.split())[:400]
    click.echo(f"check 8, {what}: exit code {done.returncode}: {said}")
    return [] if done.returncode == 2 and remedy in said else [f"{what}: was not refused with its remedy"]


def _second_daemon(folder: Path) -> list[str]:
    """Two daemons with an instance each on one inbox: screens are run by the first alone."""
    import dagster as dg

    store, inbox, homes = folder / "store", folder / "inbox", [folder / "north", folder / "south"]
    for each in (store, inbox, *homes):
        each.mkdir()
    small = ["--kind=control-experiment", "--control-wells=6", "--size-px=48", "--planes=1"]
    subprocess.run([*_PHENODOSE, "simulate", str(folder / "MADE_V1_DS1"), *small], check=True, cwd=folder)
    daemons: list[subprocess.Popen[bytes]] = []

    def start(home: Path) -> dg.DagsterInstance:
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        places = {"DAGSTER_HOME": home, "PHENODOSE_STORE": store, "PHENODOSE_INBOX": inbox}
        instance = dg.DagsterInstance.from_config(str(home))
        daemon = [str(Path(sys.executable).with_name("dagster-daemon")), "run", "-m", "phenodose_assets.definitions"]
        with (home / "daemon.txt").open("wb") as log:
            own = {**os.environ, **{name: str(path) for name, path in places.items()}}
            command = [*apart(home.name), *daemon]
            daemons.append(subprocess.Popen(command, env=own, stdout=log, stderr=log, start_new_session=True, cwd=home))
        return instance

    try:
        first = start(homes[0])
        _waited(lambda: _ticks(first), "tick of the first daemon")
        second = start(homes[1])
        _waited(lambda: any("stop one of the two daemons" in said for said in _ticks(second)), "refusal of the second")
        (folder / "MADE_V1_DS1").rename(inbox / "MADE_V1_DS1")
        _waited(lambda: first.get_runs_count(), "run of the screen")
        before = len(_ticks(second))
        _waited(lambda: len(_ticks(second)) > before + 1, "further ticks of the second")
        runs = [instance.get_runs_count() for instance in (first, second)]
        said = next(said for said in _ticks(second) if said)
        click.echo(f"check 8, a second daemon: runs {runs[0]} and {runs[1]}; the second one says: {said}")
        return [] if runs == [1, 0] else [f"a second daemon: {runs[1]} runs of its own, beside {runs[0]}"]
    finally:
        for daemon in daemons:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()


def _ticks(instance: Any) -> list[str]:
    """What the ticks of `new_screens` gave as reason for doing nothing; '' where one did something."""
    for state in instance.all_instigator_state():
        if state.name == "new_screens":
            ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=50)
            return [tick.skip_reason or "" for tick in ticks if tick.status.value != "STARTED"]
    return []


def _waited(found: Any, what: str) -> None:
    until = time.monotonic() + MOST_S
    while not found():
        if time.monotonic() > until:
            raise TimeoutError(f"no {what} within {MOST_S:g} s")
        time.sleep(2)


@click.command()
@click.option("--check", "checks", multiple=True, type=click.Choice(["5", "8"]), default=("5", "8"), help="Which.")
@click.option("--screens", type=click.IntRange(min=4), default=20, show_default=True, help="How many come, of check 5.")
def main(checks: tuple[str, ...], screens: int) -> None:
    """Try the checks, and print what held."""
    click.echo(f"hosts on {socket.gethostname()}, {'in' if apart('') else 'without'} namespaces of their own")
    faults = []
    for name in checks:
        with tempfile.TemporaryDirectory(prefix="phenodose-hosts-", ignore_cleanup_errors=True) as folder:
            found = in_turn(Path(folder), screens) if name == "5" else refusals(Path(folder))
        click.echo(f"check {name}: {'; '.join(found) or 'held'}")
        faults += found
    sys.exit(int(bool(faults)))


if __name__ == "__main__":
    main()
