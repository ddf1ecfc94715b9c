"""Processes write partitions and swap the cohort while others read: no error, no torn read, nobody waits.

Every partition is written twice; all rows of a version hold the version's number, so that a mixture of two versions,
or a part of one, shows. `make test-slow` has four writers and 200 partitions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from phenodose.cohort.build import rebuild_cohort
from phenodose.cohort.query import query
from phenodose.store.store import Store
from phenodose.tables import TABLES

ROWS = 60

#: Told the store, numbers of writers, screens and rebuilds of each; all are forks of one process, since to import what
#: they need costs more than what they do. Every one leaves what it has to say in `<name>.json` beside the store.
HERD = f"""
import json, os, sys, time, traceback
from pathlib import Path
import duckdb, pandas as pd
from phenodose.store.store import Store
from phenodose.cohort.build import rebuild_cohort
from phenodose.cohort.query import query
from phenodose.tables import TABLES
import pyarrow.parquet

root, (writers, screens, rebuilds) = Path(sys.argv[1]), map(int, sys.argv[2:])
store, stop = Store.open(root), root.parent / "stop"
SQL = "SELECT screen, count(*) AS n, min(score) AS low, max(score) AS high FROM scores GROUP BY screen"

def frame(screen, version):
    by = {{"run_id": "r", "plugin": "dss_asym", "plugin_version": "1", "parameters": "{{}}"}}
    return TABLES["scores"].frame([
        by | {{"screen": screen, "sample": screen, "readout": "ctg", "replicate": "pooled", "drug": f"D{{n}}",
               "scorer": "dss_asym", "score": float(version), "unit": "", "bound": "=", "status": "ok"}}
        for n in range({ROWS})
    ])

def write(number):
    for place in range(2 * screens):
        screen, version = f"W{{number}}_{{place % screens:02}}", 1 + place // screens
        store.write_table("scores", screen, "scores/dss_asym", frame(screen, version))
        if (place + 1) % (2 * screens // rebuilds) == 0:
            assert rebuild_cohort(store).faults == ()

def read(how):
    # How often it asked until the file `stop` is there, and every inconsistency.
    wrong, asked = [], 0
    while asked <= 3 or not stop.exists():
        asked += 1
        if how == "sql":
            rows = query(store, SQL).table.to_pylist()
        elif how == "shell":
            with duckdb.connect(str(store.cohort_path), read_only=True) as con:
                rows = con.execute(SQL).to_arrow_table().to_pylist()
        else:
            rows = []
            for path in sorted((store.root / "tables" / "scores").glob("screen=*/*.parquet")):
                part = pd.read_parquet(path)
                found = {{"n": len(part), "low": part.score.min(), "high": part.score.max()}}
                rows.append(found | {{"screen": path.parent.name}})
        wrong += [row for row in rows if row["n"] != {ROWS} or row["low"] != row["high"]]
        time.sleep(0.4)
    return {{"asked": asked, "wrong": wrong}}

def fork(name, task, *told):
    child = os.fork()
    if not child:
        try:
            said = task(*told)
        except BaseException:
            said = traceback.format_exc()
        (root.parent / f"{{name}}.json").write_text(json.dumps(said))
        os._exit(0)
    return child

readers = [fork(how, read, how) for how in ("sql", "shell", "pandas")]
for child in [fork(f"writer-{{number}}", write, number) for number in range(writers)]:
    os.waitpid(child, 0)
stop.touch()
for child in readers:
    os.waitpid(child, 0)
"""


@pytest.mark.parametrize(
    ("writers", "screens_each", "rebuilds"), [(2, 2, 1), pytest.param(4, 25, 4, marks=pytest.mark.slow)]
)
def test_writers_and_readers_do_not_disturb_each_other(
    tmp_path: Path, writers: int, screens_each: int, rebuilds: int
) -> None:
    store = Store.open(tmp_path / "store")
    by = {"run_id": "r", "plugin": "dss_asym", "plugin_version": "1", "parameters": "{}"}
    first = [
        by
        | {"screen": "A", "sample": "A", "readout": "ctg", "replicate": "pooled", "drug": f"D{n}"}
        | {"scorer": "dss_asym", "score": 1.0, "unit": "", "bound": "=", "status": "ok"}
        for n in range(ROWS)
    ]
    store.write_table("scores", "A", "scores/dss_asym", TABLES["scores"].frame(first))
    rebuild_cohort(store)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with duckdb.connect(str(store.cohort_path), read_only=True) as shell:
        assert shell.execute("SELECT count(*) FROM scores").fetchone() == (ROWS,)
        numbers = map(str, (writers, screens_each, rebuilds))
        subprocess.run([sys.executable, "-c", HERD, str(store.root), *numbers], check=True, env=env)
        # the open shell still sees the cohort that it opened
        assert shell.execute("SELECT count(*) FROM scores").fetchone() == (ROWS,)
    told = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    assert {f"writer-{number}": None for number in range(writers)}.items() <= told.items(), told
    for how in ("sql", "shell", "pandas"):
        assert told[how]["wrong"] == []
    rebuild_cohort(store)
    rows = query(
        store,
        "SELECT count(DISTINCT screen) AS screens, count(*) AS n, min(score) AS low FROM scores WHERE screen <> 'A'",
    )
    partitions = writers * screens_each
    assert rows.table.to_pylist() == [{"screens": partitions, "n": partitions * ROWS, "low": 2.0}]
    assert not list((store.root / "tables").rglob("*.tmp*"))


def test_a_rebuild_does_not_wait_for_a_shell_that_is_open(made_up_cohort: Store) -> None:
    with duckdb.connect(str(made_up_cohort.cohort_path), read_only=True) as shell:
        shell.execute("BEGIN")
        shell.execute("SELECT * FROM scores")
        assert rebuild_cohort(made_up_cohort, wait_seconds=5, whole=True).faults == ()
        with pytest.raises(duckdb.Error):
            shell.execute("INSERT INTO scores SELECT * FROM scores")
