"""`phenodose sql` answers strangers: what reaches beyond the cohort, does not end or grows without end is refused."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from phenodose.cohort import query as warehouse
from phenodose.cohort.build import rebuild_cohort
from phenodose.cohort.query import query
from phenodose.errors import InputError, StoreError
from phenodose.io.spreadsheet_text import harmless, harmless_frame
from phenodose.sandbox.process_limits import process_limits
from phenodose.store.store import Store

FULL, METABOLIC_ONLY = "BT-40_V1_DS1", "INF_R_153_V1_DS1"
SECRET = "kept from everyone"
#: None of these may be answered; {outside} is a file beside the store, {database} another DuckDB file.
ATTACKS = [
    "SELECT * FROM read_blob('{outside}')",
    "SELECT * FROM read_ndjson_objects('{outside}')",
    "SELECT * FROM sniff_csv('{outside}')",
    "SELECT * FROM parquet_metadata('{outside}')",
    "SELECT * FROM read_duckdb('{database}')",
    "SELECT * FROM '{database}'",
    "FROM '{outside}'",
    'FROM "{outside}"',
    "SELECT * FROM query_table('{outside}')",
    "SELECT * FROM query('FROM read_text(''{outside}'')')",
    "SELECT * FROM (DESCRIBE SELECT * FROM read_csv('{outside}'))",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM read_text(''{outside}'')'))",
    "SELECT * FROM read_csv('/dev/stdin')",
    "FROM 's3://bucket/x.parquet'",
    "SELECT * FROM which_secret('s3://bucket', 's3')",
    "SELECT * FROM duckdb_extensions()",
    "SELECT * FROM enable_logging()",
    "SELECT getenv('HOME')",
    "ATTACH '{database}' AS other",
    "EXPORT DATABASE '{outside}.d'",
    "COPY FROM DATABASE cohort TO memory",
    "COPY (SELECT 1) TO '{outside}.csv'",
    "WITH x AS (SELECT * FROM screens) INSERT INTO screens SELECT * FROM x",
    "MERGE INTO screens USING screens s ON true WHEN MATCHED THEN DELETE",
    "CREATE TEMP TABLE t AS SELECT 1",
    "CREATE MACRO f() AS 1",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{outside}.csv'",
    "PRAGMA database_list",
    "PRAGMA enable_profiling",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "CALL force_checkpoint()",
    "USE memory",
    "DETACH cohort",
    "VACUUM",
    "LOAD httpfs",
]


@pytest.fixture(scope="module")
def beside_secrets(made_up_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with a file and a database beside it; for reading only."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "outside.csv").write_text(f"a\n{SECRET}\n", encoding="utf-8")
    with duckdb.connect(str(folder / "other.duckdb")) as con:
        con.execute("CREATE TABLE t AS SELECT ? AS a", [SECRET])
    return Store.open(shutil.copytree(made_up_root, folder / "store"))


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_beyond_the_cohort_is_read_or_written(beside_secrets: Store, attack: str) -> None:
    folder = beside_secrets.root.parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with pytest.raises(InputError) as refused:
        query(beside_secrets, attack.format(outside=folder / "outside.csv", database=folder / "other.duckdb"))
    assert SECRET not in str(refused.value)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_an_answer_of_few_long_rows_is_bounded(made_up_cohort: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warehouse, "_MOST_BYTES", 1 << 20)
    with pytest.raises(InputError, match="more than 1 MiB"):
        query(made_up_cohort, "SELECT repeat('x', 100000) AS x FROM range(100)")
    assert query(made_up_cohort, "SELECT repeat('x', 100000) AS x FROM range(5)").table.num_rows == 5


def told_by_command(store: Store, sql: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "phenodose", "sql", sql, "--seconds", "0.5", "--store", str(store.root)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_function_that_works_for_ever_is_ended_with_its_process(made_up_cohort: Store) -> None:
    done = told_by_command(made_up_cohort, "SELECT levenshtein(repeat('a', 200000), repeat('b', 200000))")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("phenodose: the query took longer than 0.5 s")
    assert len(done.stderr.splitlines()) == 1
    rebuild_cohort(made_up_cohort)
    assert query(made_up_cohort, "SELECT count(*) FROM drugs").table.to_pydict() == {"count_star()": [12]}


def test_memory_of_the_process_is_bounded_and_given_back() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with process_limits(60, most_bytes=256 << 20):
        with pytest.raises(MemoryError):
            bytearray(512 << 20)
        bytearray(1 << 20)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    bytearray(512 << 20)


def test_the_watchdog_ends_only_what_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phenodose.sandbox.process_limits.GRACE_S", 0.05)
    ended = threading.Event()
    reasons: list[str] = []

    def end(why: str) -> None:
        reasons.append(why)
        ended.set()

    with process_limits(30, end=end):
        pass
    assert not ended.is_set()
    with process_limits(0.05, end=end):
        assert ended.wait(20)
    assert "did not stop by itself" in reasons[0]


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")'])
def test_a_formula_becomes_a_text(text: str) -> None:
    assert harmless(text) == "'" + text
    frame = pd.DataFrame({text: [text, None], "n": [-1.5, 2.0]})
    safe = harmless_frame(frame)
    assert safe.columns.tolist() == ["'" + text, "n"]
    assert safe.iloc[0, 0] == "'" + text
    assert pd.isna(safe.iloc[1, 0])
    assert safe["n"].tolist() == [-1.5, 2.0]
    assert frame.iloc[0, 0] == text, "the frame that was given stays as it was"


@pytest.mark.parametrize("text", ["", "=", "-", "-5", "+1e-3", "Trametinib", "(-)-Epicatechin", "<script>", "a=b"])
def test_what_is_no_formula_stays(text: str) -> None:
    assert harmless(text) == text


# --- files of the store that are not what they should be --------------------------------------------


def test_a_link_out_of_the_store_is_named_and_not_followed(made_up_cohort: Store, tmp_path: Path) -> None:
    part = made_up_cohort.table_part("drugs", FULL, "layout")
    outside = part.rename(tmp_path / "outside.parquet")
    part.symlink_to(outside)
    (fault,) = rebuild_cohort(made_up_cohort).faults
    assert str(part) in fault
    assert str(outside) in fault
    assert query(made_up_cohort, "SELECT DISTINCT screen FROM drugs").table.to_pydict() == {"screen": [METABOLIC_ONLY]}
    with pytest.raises(StoreError, match="is a link to"):
        made_up_cohort.read_table("drugs", FULL)
    outside.unlink()
    (fault,) = rebuild_cohort(made_up_cohort).faults
    assert str(part) in fault
    assert len(made_up_cohort.read_table("drugs", METABOLIC_ONLY)) == 6


def test_a_store_that_is_itself_a_link_is_read(made_up_cohort: Store, tmp_path: Path) -> None:
    tables = made_up_cohort.root / "tables"
    tables.rename(tmp_path / "elsewhere")
    tables.symlink_to(tmp_path / "elsewhere")
    assert rebuild_cohort(made_up_cohort).faults == ()
    assert len(made_up_cohort.read_table("drugs")) == 12


def test_rows_of_another_screen_are_refused(made_up_cohort: Store) -> None:
    """A file copied by hand into another screen's folder: its rows would stay after that screen is gone."""
    copied = made_up_cohort.table_part("drugs", FULL, "copied")
    copied.write_bytes(made_up_cohort.table_part("drugs", METABOLIC_ONLY, "layout").read_bytes())
    (fault,) = rebuild_cohort(made_up_cohort).faults
    assert str(copied) in fault
    assert f"is the file drugs/screen={METABOLIC_ONLY}/layout.parquet, put in the place of this one" in fault
    assert query(made_up_cohort, "SELECT count(*) AS n FROM drugs").table.to_pydict() == {"n": [12]}


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 this is no Parquet file PAR1"])
def test_a_damaged_part_is_a_fault_of_the_store_and_no_bug(made_up_store: Store, content: bytes) -> None:
    part = made_up_store.table_part("scores", FULL, "dss_asym.ctg")
    part.write_bytes(content)
    with pytest.raises(StoreError, match=r"dss_asym\.ctg\.parquet: cannot be read as a table .*phenodose run"):
        made_up_store.read_table("scores", FULL)
    with pytest.raises(StoreError, match=r"dss_asym\.ctg"):
        made_up_store.stored_schema("scores", FULL, "dss_asym.ctg")
    assert len(made_up_store.read_table("scores", METABOLIC_ONLY)) > 0


def test_a_part_of_another_table_names_what_it_lacks(made_up_store: Store) -> None:
    part = made_up_store.table_part("scores", FULL, "dss_asym.ctg")
    pd.DataFrame({"screen": ["x"], "password": ["y"]}).to_parquet(part)
    with pytest.raises(StoreError, match=r"lacks the columns .*drug.* of the table scores"):
        made_up_store.read_table("scores", FULL)


def test_signs_of_a_pattern_in_the_path_of_a_store_are_no_pattern(made_up_store: Store, tmp_path: Path) -> None:
    odd = tmp_path / "lab [1]*"
    made_up_store.root.rename(odd)
    store = Store.open(odd)
    assert rebuild_cohort(store).faults == ()
    assert query(store, "SELECT count(*) AS n FROM drugs").table.to_pydict() == {"n": [12]}


# --- views ------------------------------------------------------------------------------------------


def test_readouts_are_the_raw_numbers(made_up_cohort: Store) -> None:
    found = query(made_up_cohort, "SELECT * FROM readouts", row_limit=None).table.to_pandas()
    stored = made_up_cohort.read_table("viability")
    key = ["screen", "plate", "well", "readout"]
    pd.testing.assert_frame_equal(
        found.sort_values(key, ignore_index=True)[[*key, "raw"]],
        stored.sort_values(key, ignore_index=True)[[*key, "raw"]],
        check_dtype=False,
    )


def test_the_latest_run_of_a_screen_is_the_last_that_wrote(made_up_cohort: Store) -> None:
    runs = made_up_cohort.read_table("runs", FULL)
    newer = runs[runs["asset"] == "scores/dss_asym"].assign(run_id="run-2")
    for name in ("started_at", "finished_at"):
        newer[name] += pd.Timedelta(days=1)
    made_up_cohort.write_table("runs", FULL, "scores/dss_asym", newer)
    rebuild_cohort(made_up_cohort)
    sql = "SELECT screen, run_id, n_assets, assets, seconds FROM latest_run_of_screen ORDER BY screen"
    (first, second) = query(made_up_cohort, sql).table.to_pylist()
    assert first == {
        "screen": FULL, "run_id": "run-2", "n_assets": 1, "assets": "scores/dss_asym", "seconds": 30.0,
    }  # fmt: skip
    assert (second["screen"], second["run_id"]) == (METABOLIC_ONLY, "run-1")
    assert second["assets"] == "layout, scores/dss_asym, viability/ctg"
