"""Kill every command that writes at a random moment, ask it again, and count what was lost or is blocked.

Run: python benchmarks/kills.py [--kills 500] [--seed 1] [--into kills.csv]

It takes hours; with `--into` every outcome is kept as it comes, and the same command goes on where it was.

A small store is made once: two screens of one simulated sample each, one of them with images. Then, kill by kill, a
copy of it is made, a command is started in a process of its own and killed (SIGKILL) at a moment drawn from the time
that it takes, and the same command is asked again, with a limit of time. What can become of it:

- whole: the second command ends, and what the store then gives is what it gives without any kill;
- lost: the second command ends, and something is missing or other than it should be. There must be none;
- blocked: the second command refuses, fails or does not end. There must be none either.

A command that had ended before its moment came was not killed: another moment is drawn.

Processes are forked from one that has imported everything, so that moments fall into the work and not into imports.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import itertools
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pandas as pd

ONE, OTHER = "KILLED_V1_DS1", "SPARED_V1_DS1"
_SCORES = "layout,viability/ctg,curves/ctg,scores/dss_asym"
_LIMIT_S = 300.0
UNREADABLE = "cannot be read"
ENDED = "ended before"


@dataclass(frozen=True)
class Command:
    """A command that writes.

    Attributes:
        name: what the table calls it.
        arguments: of `phenodose`, given the folder of everything.
        left: a text that is the same whenever the command has come to its end, given the folder of everything.
        refuses_twice: whether the command refuses (exit code 2) what has been done already.
        turns: how often it is killed in a round of all commands.
    """

    name: str
    arguments: Callable[[Path], list[str]]
    left: Callable[[Path], str]
    refuses_twice: bool = False
    turns: int = 9


@click.command()
@click.option("--kills", type=click.IntRange(min=1), default=500, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the moments.")
@click.option("--into", type=click.Path(dir_okay=False, path_type=Path), help="Keep outcomes here, and go on from it.")
def main(kills: int, seed: int, into: Path | None) -> None:
    """Make a store, kill, and print what became of it."""
    warnings.simplefilter("ignore")
    known = _kept(into)
    commands = _commands()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        _prepared(base)
        takes, whole = {}, {}
        for command in commands:
            with _copied(base) as copy:
                clock = time.monotonic()
                _expect(_phenodose(command.arguments(copy), copy), command.name)
                takes[command.name] = time.monotonic() - clock
                whole[command.name] = _left(command, copy)
                if whole[command.name].startswith(UNREADABLE):
                    raise click.ClickException(f"what {command.name} leaves {whole[command.name]} without any kill.")
        counts: dict[str, Counter[str]] = {command.name: Counter() for command in commands}
        for command in _order(commands, kills):
            while True:
                number = counts[command.name].total()
                if number < len(known[command.name]):
                    came = known[command.name][number]
                else:
                    draw = np.random.default_rng([seed, commands.index(command), number])
                    with _copied(base) as copy:
                        came = _killed(command, copy, draw.uniform(0, takes[command.name]), whole[command.name])
                    _keep(into, command.name, came)
                counts[command.name][came] += 1
                if came not in ("whole", ENDED):
                    click.echo(f"{came}: {command.name}, number {number}", err=True)
                if came != ENDED:
                    break
    columns = ("whole", "lost", "blocked")
    table = pd.DataFrame(
        [
            {"command": name, "kills": found.total() - found[ENDED], **{each: found[each] for each in columns}}
            for name, found in counts.items()
        ]
    )
    click.echo(table.to_string(index=False))
    click.echo(f"kills: {table['kills'].sum()}")
    sys.exit(int(table["lost"].sum() + table["blocked"].sum()) > 0)


def _order(commands: Sequence[Command], kills: int) -> Iterator[Command]:
    """Which command every kill is for: rounds of all, the quick ones more often."""
    turns = [command for command in commands for _ in range(command.turns)]
    return itertools.islice(itertools.cycle(turns), kills)


def _kept(into: Path | None) -> dict[str, list[str]]:
    """What became of every kill that is kept, by command, in order."""
    outcomes: dict[str, list[str]] = defaultdict(list)
    if into is not None and into.exists():
        with into.open(newline="") as lines:
            for name, came in csv.reader(lines):
                outcomes[name].append(came)
    return outcomes


def _keep(into: Path | None, name: str, came: str) -> None:
    if into is not None:
        with into.open("a", newline="") as lines:
            csv.writer(lines).writerow([name, came])


def _commands() -> list[Command]:
    """Every command that writes into a store or makes a plate."""
    run = ["run", ONE, "--store=store"]
    return [
        Command("ingest", lambda folder: ["ingest", f"inbox/{ONE}/P1", "P1.ome.zarr"], _plate),
        Command("run, scores", lambda folder: [*run, f"--select={_SCORES}"], _scores, turns=2),
        Command("run, tensors", lambda folder: [*run, "--select=plate_images,pseudo_rgb"], _tensors, turns=2),
        Command("report", lambda folder: ["report", ONE, "--store=store", "--no-maps"], _report),
        Command("sql --rebuild", lambda folder: ["sql", "--rebuild", "SELECT 1", "--store=store"], _scores),
        Command(
            "screen remove",
            lambda folder: ["screen", "remove", ONE, "--yes", "--store=store"],
            _scores,
            refuses_twice=True,
            turns=3,
        ),
        Command(
            "curate",
            lambda folder: ["curate", ONE, "exclude", "P1/C07", "--because=lint", "--by=A", "--store=store"],
            _decisions,
            refuses_twice=True,
        ),
        Command("sign", lambda folder: ["sign", OTHER, "--by=A", "--store=store"], _signed, refuses_twice=True),
        Command(
            "export --crate",
            lambda folder: ["export", ONE, "--crate=crate.zip", "--store=store"],
            _crate,
            refuses_twice=True,
        ),
    ]


def _plate(folder: Path) -> str:
    from phenodose.plates.plate import Plate
    from phenodose.plates.verify import verify_plate

    plate = Plate.open(folder / "P1.ome.zarr")
    faults = verify_plate(plate.path).faults
    stacks = map(plate.stack, plate.wells)
    return str(faults) + _hash(*(np.asarray(stack).tobytes() for stack in stacks))


def _tensors(folder: Path) -> str:
    from phenodose.plates.tensors import open_tensors
    from phenodose.store.store import Store

    return _hash(open_tensors(Store.open(folder / "store").tensor_path(ONE)).to_numpy().tobytes())


def _scores(folder: Path) -> str:
    """Scores of both screens as SQL gives them, and as their tables hold them."""
    from phenodose import open_store, query

    store = open_store(folder / "store")
    columns = "screen, readout, drug, replicate, scorer, score, lower, upper"
    asked = query(f"SELECT {columns} FROM scores ORDER BY ALL", store, row_limit=100_000)
    return _hash(asked.to_csv().encode()) + str(len(store.read_table("scores")))


def _report(folder: Path) -> str:
    text = (folder / "store" / "reports" / f"{ONE}.html").read_text(encoding="utf-8")
    return f"{text.count('<svg')} figures, whole: {text.rstrip().endswith('</html>')}"


def _decisions(folder: Path) -> str:
    """What was decided on the wells of both screens, and that it is read without a fault."""
    from phenodose import open_store
    from phenodose.screens.curations import decisions_of

    store = open_store(folder / "store")
    return str(
        [(each.number, each.what, each.because) for screen in (ONE, OTHER) for each in decisions_of(store, screen)]
    )


def _signed(folder: Path) -> str:
    """Every signed version with its files, and what is wrong with their chain."""
    from phenodose import open_store
    from phenodose.store.signed import signed_faults, signed_reports

    store = open_store(folder / "store")
    found = [(each.name, each.by, sorted(each.record["files"])) for each in signed_reports(store, OTHER)]
    return f"{found}, faults: {[faults for _, faults in signed_faults(store, OTHER) if faults]}"


def _crate(folder: Path) -> str:
    """Names of the crate's files, and which of them does not hold what its check sum says."""
    with zipfile.ZipFile(folder / "crate.zip") as crate:
        return f"{sorted(crate.namelist())}, damaged: {crate.testzip()}"


def _hash(*contents: bytes) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()


def _prepared(base: Path) -> None:
    """Two raw screens and their store."""
    base.mkdir()
    for screen, drugs in ((ONE, 3), (OTHER, 2)):
        simulated = ["simulate", f"inbox/{screen}", f"--drugs={drugs}", "--plates=1", "--size-px=48", "--planes=2"]
        _expect(_phenodose(simulated, base), "simulate")
        select = f"{_SCORES},plate_images,pseudo_rgb" if screen == ONE else _SCORES
        _expect(_phenodose(["run", f"inbox/{screen}", "--store=store", f"--select={select}"], base), "run")
        _expect(_phenodose(["report", screen, "--store=store", "--no-maps"], base), "report")


@contextlib.contextmanager
def _copied(base: Path):  # type: ignore[no-untyped-def]
    """A copy of everything at the very place where it was made: stores know their raw folders by path."""
    kept = base.with_name("kept")
    if not kept.exists():
        base.rename(kept)
    shutil.copytree(kept, base, symlinks=True)
    try:
        yield base
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _killed(command: Command, folder: Path, moment_s: float, whole: str) -> str:
    """Kill the command after so many seconds, ask it again, and look."""
    child = _forked(command.arguments(folder), folder)
    time.sleep(moment_s)
    ended, _ = os.waitpid(child, os.WNOHANG)
    if not ended:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    code = _phenodose(command.arguments(folder), folder)
    if code != 0 and not (command.refuses_twice and code == 2):
        return "blocked"
    if _left(command, folder) != whole:
        return "lost"
    return ENDED if ended else "whole"


def _expect(code: int, name: str) -> None:
    if code:
        raise click.ClickException(f"phenodose {name} ended with {code} although nothing was killed.")


def _phenodose(arguments: list[str], folder: Path | None = None) -> int:
    """Exit code of a command in a process of its own; -1 if it did not end in time."""
    return _ended(_forked(arguments, folder or Path.cwd()))


def _ended(child: int) -> int:
    clock = time.monotonic()
    while time.monotonic() - clock < _LIMIT_S:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1


def _left(command: Command, folder: Path) -> str:
    """What the command has left, read in a process of its own: this one must stay without threads."""

    def read(_: list[str]) -> None:
        (folder / "left.txt").write_text(command.left(folder), encoding="utf-8")

    code = _ended(_forked([], folder, read))
    return (folder / "left.txt").read_text(encoding="utf-8") if code == 0 else f"{UNREADABLE} ({code})"


def _forked(arguments: list[str], folder: Path, work: Callable[[list[str]], object] | None = None) -> int:
    """Start a command, or some other work, in a fork of this process."""
    child = os.fork()
    if child:
        return child
    try:
        os.chdir(folder)
        os.setsid()
        out = os.open(folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        from phenodose.cli import main as phenodose

        (work or phenodose)(arguments)
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    os.environ.pop("DAGSTER_HOME", None)
    # Imported here, so that forks have them.
    import phenodose_assets.run  # noqa: F401

    main()
