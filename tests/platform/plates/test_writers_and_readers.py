"""Four processes write 200 partitions and swap the cohort while others read: no error, no torn read, nobody waits.

Every partition is written twice; all rows of a version hold the version's number, so that a mixture of two versions,
or a part of one, shows.
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

WRITERS, ROWS, REBUILDS = 4, 60, 4

#: What every process begins with; `version` is 1 or 2.
COMMON = f"""
import sys, json
from pathlib import Path
from phenodose.store.store import Store
from phenodose.cohort.build import rebuild_cohort
from phenodose.tables import TABLES
store = Store.open(Path(sys.argv[1]))

def frame(screen, version):
    by = {{"run_id": "r", "plugin": "dss_asym", "plugin_version": "1", "parameters": "{{}}"}}
    return TABLES["scores"].frame([
        by | {{"screen": screen, "sample": screen, "readout": "ctg", "replicate": "pooled", "drug": f"D{{n}}",
               "scorer": "dss_asym", "score": float(version), "unit": "", "bound": "=", "status": "ok"}}
        for n in range({ROWS})
    ])
"""

WRITER = (
    COMMON
    + f"""
number, screens = map(int, sys.argv[2].split("/"))
for place in range(2 * screens):
    screen, version = f"W{{number}}_{{place % screens:02}}", 1 + place // screens
    store.write_table("scores", screen, "scores/dss_asym", frame(screen, version))
    if (place + 1) % (2 * screens // {REBUILDS}) == 0:
        assert rebuild_cohort(store).faults == ()
"""
)

#: Asks until the file `stop` is there; prints how often, and every inconsistency.
READER = (
    COMMON
    + f"""
import duckdb, pandas as pd
from phenodose.cohort.query import query
how, stop, wrong, asked = sys.argv[2], Path(sys.argv[1]).parent / "stop", [], 0
SQL = "SELECT screen, count(*) AS n, min(score) AS low, max(score) AS high FROM scores GROUP BY screen"
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
print(json.dumps({{"asked": asked, "wrong": wrong}}))
"""
)


def start(code: str, store: Store, word: str) -> subprocess.Popen[str]:
    """A Python process of its own."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", code, str(store.root), word]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


@pytest.mark.parametrize("screens_each", [6, pytest.param(25, marks=pytest.mark.slow)])
def test_writers_and_readers_do_not_disturb_each_other(tmp_path: Path, screens_each: int) -> None:
    store = Store.open(tmp_path / "store")
    first = subprocess.run(
        [
            sys.executable,
            "-c",
            COMMON + "store.write_table('scores', 'A', 'scores/dss_asym', frame('A', 1))",
            str(store.root),
        ],
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert first.returncode == 0
    rebuild_cohort(store)
    with duckdb.connect(str(store.cohort_path), read_only=True) as shell:
        assert shell.execute("SELECT count(*) FROM scores").fetchone() == (ROWS,)
        readers = [start(READER, store, how) for how in ("sql", "shell", "pandas")]
        writers = [start(WRITER, store, f"{number}/{screens_each}") for number in range(WRITERS)]
        written = [writer.communicate() for writer in writers]
        (tmp_path / "stop").touch()
        told = [reader.communicate() for reader in readers]
        assert [writer.returncode for writer in writers] == [0] * WRITERS, written
        assert [reader.returncode for reader in readers] == [0] * len(readers), told
        # the open shell still sees the cohort that it opened
        assert shell.execute("SELECT count(*) FROM scores").fetchone() == (ROWS,)
    for answer in (json.loads(out) for out, _ in told):
        assert answer["wrong"] == []
    rebuild_cohort(store)
    rows = query(
        store,
        "SELECT count(DISTINCT screen) AS screens, count(*) AS n, min(score) AS low FROM scores WHERE screen <> 'A'",
    )
    assert rows.table.to_pylist() == [
        {"screens": WRITERS * screens_each, "n": WRITERS * screens_each * ROWS, "low": 2.0}
    ]
    assert not list((store.root / "tables").rglob("*.tmp*"))


def test_a_rebuild_does_not_wait_for_a_shell_that_is_open(made_up_cohort: Store) -> None:
    with duckdb.connect(str(made_up_cohort.cohort_path), read_only=True) as shell:
        shell.execute("BEGIN")
        shell.execute("SELECT * FROM scores")
        assert rebuild_cohort(made_up_cohort, wait_seconds=5, whole=True).faults == ()
        with pytest.raises(duckdb.Error):
            shell.execute("INSERT INTO scores SELECT * FROM scores")
