"""How often two machines hold a store's lock at once: many rounds of the ways in which that could happen.

Contenders are processes in process id namespaces of their own (`unshare`), so that each has the numbers of the others,
with host names, caches and clocks of their own, up to a day apart. In a bucket (moto's S3 server on the loopback) and
in a folder that is taken for one on a file server whose locks do not reach its other clients. Waits and pauses are
shortened together: a lock is left over after `--stale` seconds instead of 60.

Run: .venv/bin/python benchmarks/lock_interleavings.py --rounds 200
Each round is one of five cases with random pauses: three at once; clocks a day apart; the same names and numbers; a
holder that is killed, with two waiters; a holder that is suspended for one to five times `--stale` and comes back to
write. Every holder adds its name to a list that it has read, so that a write under a lock which another one held loses
or doubles a name: then the round has failed. It is also told how often somebody was refused, which is no failure.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

CASES = ("three at once", "clocks a day apart", "the same names", "holder killed", "holder suspended")
DAY_S = 86_400.0

#: One machine: for every line it plays a part in a round, in a process of its own that may be killed or suspended.
CONTENDER = """
import json, os, random, signal, socket, subprocess, sys, time
from pathlib import Path
import filelock, s3fs, upath
from phenodose.errors import BusyError
from phenodose.io import leases, locks
from phenodose.io.files import write_text
from phenodose.io.places import place, read_bytes

def play(asked):
    chance = random.Random(asked["seed"])
    real = time.time
    time.time = lambda: real() + asked["clock_s"]
    socket.gethostname = lambda: asked["host"]
    stale = asked["stale_s"]
    leases.STALE_S, leases.RENEW_S, leases.SURE_S, leases._LOOK_S = stale, stale / 4, stale / 2, stale / 20
    leases.boot = lambda: asked["boot"]
    locks.is_of_one_machine = lambda folder: False
    store, local = place(asked["store"]), Path(asked["local"]) / "lock"
    time.sleep(asked["wait_s"])
    for turn in range(asked["turns"]):
        try:
            with locks.locked(store / "lock", local, str, asked["patience_s"]):
                before = json.loads(read_bytes(store / "held") or b"[]")
                if asked["fate"] == "killed":
                    print("killed", flush=True)
                    os.kill(os.getpid(), signal.SIGKILL)
                if asked["fate"] == "suspended":
                    pause = chance.uniform(1, 5) * stale
                    print("suspended", flush=True)
                    subprocess.Popen(["sh", "-c", f"sleep {pause}; kill -CONT {os.getpid()}"])
                    os.kill(os.getpid(), signal.SIGSTOP)
                time.sleep(chance.uniform(0, stale / 4))
                write_text(store / "held", json.dumps([*before, f"{asked['name']} {turn}"]))
                print(f"wrote {asked['name']} {turn}", flush=True)
        except BusyError:
            print("refused", flush=True)

for line in sys.stdin:
    child = os.fork()
    if not child:
        try:
            play(json.loads(line))
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.waitpid(child, 0)
    print("end", flush=True)
"""

Machine = subprocess.Popen


def machines() -> tuple[list[Machine[str]], bool]:
    """Three machines, and whether each has process ids of its own."""
    root = os.getuid() == 0
    apart = ["unshare", "--pid", "--fork", "--mount-proc"] if root else ["unshare", "-r", "--pid", "--fork"]
    allowed = shutil.which("unshare") is not None and not subprocess.run([*apart, "true"], check=False).returncode
    # The first process of a system of ids cannot be killed from within, so it is not one that plays.
    started = [*(apart if allowed else []), "sh", "-c", 'exec 3<&0; "$@" <&3 & wait $!', "sh"]
    command = [*started, sys.executable, "-c", CONTENDER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return [subprocess.Popen(command, text=True, **pipes) for _ in "ABC"], allowed  # type: ignore[call-overload]


def part_of(name: str, case: str, store: str, folder: Path, stale_s: float, chance: random.Random) -> dict[str, object]:
    """What one contender is asked to play in a round."""
    (folder / name).mkdir()
    fate = case.split()[1] if case in ("holder killed", "holder suspended") and name == "A" else ""
    after = chance.uniform(0.2, 1.5) if case.startswith("holder") else chance.uniform(0, 1)
    return {
        "name": name,
        "store": store,
        "local": str(folder / name),
        "seed": chance.random(),
        "stale_s": stale_s,
        "clock_s": 0.0 if case == "three at once" else chance.uniform(-DAY_S, DAY_S),
        "host": "workstation" if case == "the same names" else f"host-{name}",
        "boot": f"start-{name}",
        "wait_s": 0.0 if fate else after * stale_s,
        "patience_s": 20 * stale_s,
        "turns": 1 if case.startswith("holder") else 2,
        "fate": fate,
    }


def said_by(machine: Machine[str]) -> list[str]:
    """What a machine says of its part in a round."""
    assert machine.stdout is not None
    lines: list[str] = []
    while (line := machine.stdout.readline().strip()) != "end":
        if not line:
            raise RuntimeError("a contender has ended")
        lines.append(line)
    return lines


def one_round(
    playing: list[Machine[str]], store: str, case: str, stale_s: float, seed: str
) -> tuple[Counter[str], str]:
    """One round: how often what was said, and what went wrong; '' for nothing."""
    from phenodose.io.places import place, read_bytes

    chance = random.Random(seed)
    if "://" not in store:
        Path(store).mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, machine in zip("ABC", playing, strict=True):
            assert machine.stdin is not None
            asked = part_of(name, case, store, Path(folder), stale_s, chance)
            machine.stdin.write(json.dumps(asked) + "\n")
            machine.stdin.flush()
        said = [line for machine in playing for line in said_by(machine)]
    wrote = [line.removeprefix("wrote ") for line in said if line.startswith("wrote ")]
    kept = json.loads(read_bytes(place(store) / "held") or b"[]")
    # Who was refused only when giving the lock back has written under it all the same.
    fault = "" if len(set(kept)) == len(kept) and set(wrote) <= set(kept) else f"{sorted(wrote)} became {kept}"
    counted = Counter(line for line in said if not line.startswith("wrote "))
    return counted + Counter(rounds=1, writes=len(kept), double=int(bool(fault))), fault


def main() -> None:
    """Run the rounds and print a table."""
    options = argparse.ArgumentParser(description="Interleavings of locks among machines.")
    options.add_argument("--rounds", type=int, default=200)
    options.add_argument("--stale", type=float, default=2.0, help="seconds after which a lock is left over")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--where", nargs="+", choices=("bucket", "folder"), default=("bucket", "folder"))
    asked = options.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from s3_server import S3Server

    server = S3Server()
    os.environ |= {"AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ["AWS_ENDPOINT_URL"] = server.url
    from phenodose.io.places import place

    place("s3://bucket").fs.mkdir("bucket")  # type: ignore[attr-defined]
    playing, apart = machines()
    began, faults = time.monotonic(), list[str]()
    counts: dict[tuple[str, str], Counter[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(asked.rounds):
            case = CASES[number % len(CASES)]
            where = asked.where[number // len(CASES) % len(asked.where)]
            store = f"{'s3://bucket' if where == 'bucket' else folder}/round{number}"
            counted, fault = one_round(playing, store, case, asked.stale, f"{asked.seed} {number}")
            counts[where, case] = counts.get((where, case), Counter()) + counted
            if fault:
                faults.append(f"round {number}, {where}, {case}: {fault}")
    lines = [f"process ids of its own for each contender: {'yes' if apart else 'no (unshare is not allowed here)'}"]
    columns = ("rounds", "writes", "killed", "suspended", "refused", "double")
    lines += [f"| where | case | {' | '.join(columns)} |", "|---" * (len(columns) + 2) + "|"]
    for (where, case), one in sorted(counts.items()):
        lines.append(f"| {where} | {case} | {' | '.join(str(one[name]) for name in columns)} |")
    lines += [f"{asked.rounds} rounds, {len(faults)} with two holders, {time.monotonic() - began:.0f} s", *faults]
    print("\n".join(lines))  # noqa: T201
    for machine in playing:
        machine.kill()
    server.close()


if __name__ == "__main__":
    main()
