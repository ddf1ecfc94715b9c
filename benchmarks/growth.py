"""How the cost of a cohort grows with the number of its screens: rebuilds, questions, report, sensors, listings.

Run: python benchmarks/growth.py [--screens 100 --screens 300 --screens 1000] [--only cohort --only questions]

Stores of tables are made by `grown_store.py` (3 plates, 75 drugs, 4 readouts, 3 scorers, 33 files a screen). Every
figure is taken in a process of its own: CPU seconds of the work alone, without imports, and the most memory that the
process has had. The last column is the exponent: cost is proportional to screens to that power, by least squares over
all sizes. `--grown 3000` (or 10000) asks the questions of a database whose rows are those of the largest store copied
in SQL under other names; nothing else is measured there.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

PARTS = ("cohort", "questions", "report", "sensors", "listing", "bucket")
#: What a question may take.
MOST_QUESTION_MS = 50.0
#: What was measured, by row of the table.
Figures = dict[str, float]


@click.command()
@click.option("--screens", type=click.IntRange(min=12), multiple=True, default=(100, 300, 1000), show_default=True)
@click.option("--only", type=click.Choice(PARTS), multiple=True, default=PARTS, help="What to measure; default all.")
@click.option("--into", type=click.Path(path_type=Path), help="Keep the stores here, and go on with those there.")
@click.option("--grown", type=int, help="Ask the questions of a database grown to so many screens, too.")
def main(screens: tuple[int, ...], only: tuple[str, ...], into: Path | None, grown: int | None) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="phenodose-growth-") as name:
        found: dict[int, Figures] = {}
        for number in sorted(screens):
            place = (into or Path(name)) / str(number)
            found[number] = {}
            for part in ("store", *(part for part in PARTS if part in only)):
                found[number] |= _apart(part, place, number)
            click.echo(_table(found), err=True)
        if grown:
            found[grown] = _apart("grown", (into or Path(name)) / str(max(screens)), grown)
        click.echo(_table(found))


def _table(found: dict[int, Figures]) -> str:
    rows = list(dict.fromkeys(row for of in found.values() for row in of))
    lines = [f"| {'screens':<52} | {' | '.join(f'{n:>9,}' for n in found)} | exponent |"]
    lines.append(f"|{'---|' * (len(found) + 2)}")
    for row in rows:
        known = {n: of[row] for n, of in found.items() if row in of}
        cells = " | ".join(f"{_shown(known[n]):>9}" if n in known else " " * 9 for n in found)
        lines.append(f"| {row:<52} | {cells} | {_exponent(known):>8} |")
    return "\n".join(lines)


def _shown(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def _exponent(known: dict[int, float]) -> str:
    points = [(math.log(n), math.log(value)) for n, value in known.items() if value > 0]
    if len(points) < 2:
        return ""
    slope, _ = statistics.linear_regression(*zip(*points, strict=True))
    return f"{slope:.2f}"


def _apart(part: str, place: Path, number: int) -> Figures:
    """Measure a part in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measure, args=(part, place, number, theirs))
    process.start()
    theirs.close()
    found: Figures = {}
    with suppress(EOFError):
        while True:
            found |= ours.recv()
    process.join()
    if process.exitcode:
        sys.exit(f"{part} at {number} screens ended with {process.exitcode}")
    return found


def _measure(part: str, place: Path, number: int, out: Any) -> None:
    """In the process: tell every figure as soon as it is known."""
    _OF_PART[part](place, number, lambda **told: out.send(told))
    out.close()


def _cost(work: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds of some work, and the megabytes that this process has had at most so far."""
    before = time.process_time()
    work()
    seconds = time.process_time() - before
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e3 if sys.platform == "linux" else 1e6)


# --- the parts ------------------------------------------------------------------------------------


def _store(place: Path, number: int, tell: Callable[..., None]) -> None:
    from grown_store import grow

    grow(place / "store", number)


def _cohort(place: Path, number: int, tell: Callable[..., None]) -> None:
    from grown_store import grow

    from phenodose.cohort.build import rebuild_cohort
    from phenodose.pipeline.verdict import ScreenJudge
    from phenodose.store.store import Store

    # Imports are paid for by a rebuild of a store of one screen.
    with tempfile.TemporaryDirectory() as small:
        one = grow(Path(small) / "store", 1)
        rebuild_cohort(one, judge=ScreenJudge(one))
    store = Store.open(place / "store")

    def rebuild() -> None:
        found = rebuild_cohort(store, judge=ScreenJudge(store))
        assert not found.faults, found.faults

    store.cohort_path.unlink(missing_ok=True)
    seconds, megabytes = _cost(rebuild)
    tell(**{"cohort from nothing, CPU-s": seconds, "cohort from nothing, MB": megabytes})
    tell(**{"cohort.duckdb, MB": store.cohort_path.stat().st_size / 1e6})


def _after(place: Path, number: int, tell: Callable[..., None]) -> None:
    from grown_store import grow

    from phenodose.cohort.build import rebuild_cohort
    from phenodose.pipeline.verdict import ScreenJudge
    from phenodose.store.store import Store

    with tempfile.TemporaryDirectory() as small:
        one = grow(Path(small) / "store", 1)
        rebuild_cohort(one, judge=ScreenJudge(one))
    store = Store.open(place / "store")
    grow(store.root, len(store.screens()) + 1)
    seconds, megabytes = _cost(lambda: rebuild_cohort(store, judge=ScreenJudge(store)))
    tell(**{"cohort after one new screen, CPU-s": seconds, "cohort after one new screen, MB": megabytes})
    seconds, _ = _cost(lambda: rebuild_cohort(store, judge=ScreenJudge(store)))
    tell(**{"cohort, nothing new, CPU-s": seconds})


def _cohort_and_after(place: Path, number: int, tell: Callable[..., None]) -> None:
    for row, value in {**_apart("whole", place, number), **_apart("after", place, number)}.items():
        tell(**{row: value})


def _questions(place: Path, number: int, tell: Callable[..., None]) -> None:
    from warehouse import questions

    from phenodose.cohort.query import query
    from phenodose.store.store import Store

    store = Store.open(place / "store")
    query(store, "SELECT 1")
    clocks, costs = {}, {}
    for heading, sql in questions().items():
        rounds = []
        for _ in range(3):
            clock, cpu = time.perf_counter(), time.process_time()
            query(store, sql.replace("PAT_0500", "PAT_00005"), row_limit=10_000)
            rounds.append((1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - clock)))
        costs[heading], clocks[heading] = (min(each) for each in zip(*rounds, strict=True))
    opening = min(1e3 * _cost(lambda: query(store, "SELECT 1"))[0] for _ in range(3))
    for heading in sorted(costs, key=lambda one: -costs[one])[:12]:
        click.echo(f"{costs[heading]:8.0f} CPU-ms {clocks[heading]:8.0f} ms  {heading}", err=True)
    tell(
        **{
            f"{len(costs)} questions, median, CPU-ms": statistics.median(costs.values()),
            f"{len(costs)} questions, worst, CPU-ms": max(costs.values()),
            f"{len(costs)} questions, above {MOST_QUESTION_MS:g} ms by the clock": sum(
                one > MOST_QUESTION_MS for one in clocks.values()
            ),
            "of which opening the database, CPU-ms": opening,
        }
    )


def _report(place: Path, number: int, tell: Callable[..., None]) -> None:
    from phenodose.reports.cohort import build_cohort_report
    from phenodose.store.store import Store

    store = Store.open(place / "store")
    out = place / "cohort.html"
    seconds, megabytes = _cost(lambda: build_cohort_report(store, out))
    tell(**{"cohort report, CPU-s": seconds, "cohort report, MB": megabytes})
    tell(**{"cohort report, MB of HTML": out.stat().st_size / 1e6})


def _sensors(place: Path, number: int, tell: Callable[..., None]) -> None:
    import dagster as dg
    from grown_store import name_of
    from sensors import MadeUp, Sensors, write_folder

    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        (made / "home").mkdir()
        (made / "store").symlink_to((place / "store").resolve())
        names = [name_of(one)[1] for one in range(number)]
        for name in names:
            write_folder(made / "inbox" / name)
        with dg.DagsterInstance.local_temp(str(made / "home")) as instance:
            store = MadeUp(made, instance, names)
            ours = Sensors(store)
            ours.register()
            store.materialize_all()
            ours.tick("first look")
            while not ours.has_come_to_all():
                ours.tick("first look goes on")
            ours.tick("nothing new")
            for name, (seconds, statements) in store.cost.items():
                tell(**{f"quiet tick of {name}, CPU-s": seconds, f"quiet tick of {name}, statements": statements})


def _listing(place: Path, number: int, tell: Callable[..., None]) -> None:
    from phenodose.store.store import Store

    store = Store.open(place / "store")
    store.screens()
    tell(**{"store.screens() in a folder, CPU-ms": 1e3 * _cost(store.screens)[0]})


def _bucket(place: Path, number: int, tell: Callable[..., None]) -> None:
    """A bucket on the loopback, served by moto (extra `dev`)."""
    import os

    import boto3
    from grown_store import name_of

    from phenodose.store.store import Store

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from s3_server import S3Server

    server = S3Server()
    os.environ |= {"AWS_ENDPOINT_URL": server.url, "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
    client = boto3.client("s3")
    client.create_bucket(Bucket="growth")
    for one in range(number):
        body = json.dumps({"screen": name_of(one)[1], "source": "/raw"}).encode()
        client.put_object(Bucket="growth", Key=f"store/screens/{name_of(one)[1]}/source.json", Body=body)
    with tempfile.TemporaryDirectory() as cache:
        store = Store.open("s3://growth/store", cache=cache)
        for row in ("first, requests", "again, requests"):
            before = server.requests
            assert len(store.screens()) == number
            tell(**{f"store.screens() in a bucket, {row}": server.requests - before})
    server.close()


def _grown(place: Path, number: int, tell: Callable[..., None]) -> None:
    """The questions of a database grown in SQL."""
    from grown_store import grow_database

    with tempfile.TemporaryDirectory(dir=place) as folder:
        grow_database(place / "store" / "cohort.duckdb", Path(folder) / "store" / "cohort.duckdb", number)
        _questions(Path(folder), number, tell)


_OF_PART: dict[str, Callable[[Path, int, Callable[..., None]], None]] = {
    "store": _store,
    "cohort": _cohort_and_after,
    "whole": _cohort,
    "after": _after,
    "questions": _questions,
    "report": _report,
    "sensors": _sensors,
    "listing": _listing,
    "bucket": _bucket,
    "grown": _grown,
}

if __name__ == "__main__":
    main()
