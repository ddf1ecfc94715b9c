"""The cohort database holds what the tables hold, is swapped in whole, and can only be read."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from filelock import FileLock

from phenodose.cohort.build import metabolic_readouts, rebuild_cohort
from phenodose.cohort.query import query, questions
from phenodose.errors import BusyError, InputError, MissingInputError, StoreError
from phenodose.names import curve_names
from phenodose.plugins import registry
from phenodose.store.store import Store
from phenodose.tables import TABLES

FULL, METABOLIC_ONLY = "BT-40_V1_DS1", "INF_R_153_V1_DS1"
SWAPS = 2
ADD_ON_NM = (0.0625, 50.0, 1e6, 123456789.5)


class Grown(NamedTuple):
    """A store, and three of its drugs that were combined with an add-on, each in its way."""

    store: Store
    one: str
    two: str
    three: str


@pytest.fixture(scope="module")
def asked_only(made_up_root: Path) -> Store:
    """The made-up store itself: for queries, which change nothing."""
    return Store.open(made_up_root)


def answer(store: Store, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in query(store, sql).table.to_pylist()]


def test_every_table_holds_the_rows_of_the_store(asked_only: Store) -> None:
    for name, table in TABLES.items():
        stored = asked_only.read_table(name)
        got = query(asked_only, f'SELECT * FROM "{name}"', row_limit=None).table
        assert got.column_names == table.column_names
        assert len(stored) > 0
        key = list(table.key)
        one = got.to_pandas().sort_values(key).reset_index(drop=True)
        other = stored.sort_values(key).reset_index(drop=True)
        for column in table.column_names:
            same = (one[column] == other[column]) | (one[column].isna() & other[column].isna())
            assert bool(same.all()), (name, column)


def test_synergies_rank_the_pairs_of_a_sample_by_their_excess(asked_only: Store) -> None:
    found = query(asked_only, "SELECT * FROM synergies").table.to_pandas()
    of = TABLES["combination_scores"].column_names
    stored = asked_only.read_table("combination_scores")[of].set_index("measure")
    assert set(found["measure"]) == set(stored.index)
    for row in found.to_dict("records"):
        assert (row["drug"], row["add_on"], row["place"]) == (stored["drug"].iloc[0], "Temo", 1)
        numbers = ["value", "lower", "upper"]
        assert [row[name] for name in numbers] == list(stored.loc[row["measure"], numbers])
        assert pd.isna(row["not_computed"])
    assert found.set_index("measure").loc["bliss", "interaction"] == "synergy"


def test_types_and_comments_come_from_the_declaration(asked_only: Store) -> None:
    rows = answer(
        asked_only, "SELECT column_name, data_type, comment FROM duckdb_columns() WHERE table_name = 'viability'"
    )
    assert [row[0] for row in rows] == TABLES["viability"].column_names
    types = {row[0]: row[1] for row in rows}
    assert (types["column"], types["viability_fraction"], types["masked"]) == ("BIGINT", "DOUBLE", "BOOLEAN")
    comments = {row[0]: row[2] for row in rows}
    assert comments["viability_fraction"] == "Raw scaled so that DMSO is 1 and the killing control is 0 [fraction]"


def test_an_empty_store_gives_an_empty_cohort(tmp_path) -> None:
    store = Store.open(tmp_path / "nothing")
    summary = rebuild_cohort(store)
    assert summary.faults == ()
    assert set(summary.rows) == set(TABLES)
    assert sum(summary.rows.values()) == 0
    assert answer(store, "SELECT * FROM scores_wide") == []


def test_selective_scores_stand_side_by_side(made_up_cohort: Store) -> None:
    assert answer(made_up_cohort, "SELECT * FROM selective_scores") == []
    plain = made_up_cohort.read_table("scores", FULL, "dss_asym.ctg")
    for scorer, shift in (("sdss_asym", 4.0), ("zdss", 6.0)):
        rows = plain.assign(scorer=scorer, plugin=scorer, hit=None, score=plain["score"] - shift)
        rows.loc[rows["drug"] == "Lorlatinib", ["score", "lower", "upper"]] = None
        made_up_cohort.write_table("scores", FULL, f"scores/{scorer}", rows)
    rebuild_cohort(made_up_cohort)
    found = query(made_up_cohort, "SELECT * FROM selective_scores ORDER BY drug").table.to_pandas()
    expected = plain[(plain["replicate"] == "pooled") & (plain["drug"] != "Lorlatinib")].sort_values("drug")
    assert list(found["drug"]) == list(expected["drug"])
    assert set(found["readout"]) == {"ctg"}
    for name, shift in (("dss_asym", 0.0), ("sdss_asym", 4.0), ("zdss", 6.0)):
        assert list(found[name] + shift) == pytest.approx(list(expected["score"]))
    assert found["rdss"].isna().all()


@pytest.fixture(scope="module")
def grown(made_up_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Grown:
    """The made-up cohort with what the next tests ask of: combinations of three drugs, and three screens more."""
    store = Store.open(shutil.copytree(made_up_root, tmp_path_factory.mktemp("grown") / "store"))
    wells = store.read_table("wells", FULL)
    one, two, three = wells.loc[wells["well_type"] == "therapy", "treatment"].unique()[:3]
    plain = store.read_table("scores", FULL, "dss_asym.ctg").set_index("drug", drop=False)

    def add(name: str, wells: list[pd.DataFrame], scores: list[pd.DataFrame]) -> None:
        store.write_table("wells", FULL, name, pd.concat(wells, ignore_index=True))
        store.write_table("scores", FULL, f"scores/{name}", pd.concat(scores, ignore_index=True))

    def with_add_on(drug: str, before_plate: str, **more: object) -> pd.DataFrame:
        own = wells[(wells["well_type"] == "therapy") & (wells["treatment"] == drug)]
        return own.assign(plate=before_plate + own["plate"], **{"add_on": "Temo"} | more)

    def scored(drug: str, name: str, shift: float) -> pd.DataFrame:
        own = plain.loc[[drug]]
        return own.assign(drug=name, **{column: own[column] + shift for column in ("score", "lower", "upper")})

    add("beside", [with_add_on(one, "with ")], [scored(one, f"{one} + Temo", 2.5)])
    add(
        "parts",
        [with_add_on(two, "with "), with_add_on(two, "single ", treatment=f"{two} + Temo", add_on=None)],
        [scored(two, f"{two} + Temo", 20.0), scored(two, f"{two} with add-on Temo", 2.5)],
    )
    doses = [with_add_on(three, f"{dose} ", add_on_concentration_nM=dose) for dose in ADD_ON_NM]
    every = pd.concat([wells, *doses], ignore_index=True)
    names = curve_names(every)
    named = [names[every["add_on_concentration_nM"] == dose].iloc[0] for dose in ADD_ON_NM]
    add("doses", doses, [scored(three, name, number) for number, name in enumerate(named)])
    metabolic = store.read_table("scores", METABOLIC_ONLY, "dss_asym.ctg").query("drug == 'Lorlatinib'")
    for screen, sample, score in (("A_V1_DS1", "A", 30.0), ("A_V1_DS2", "A", 10.0), ("B_V1_DS1", "B", 0.0)):
        rows = metabolic.assign(screen=screen, sample=sample, score=score)
        store.write_table("scores", screen, "dss_asym.ctg", rows)
    rebuild_cohort(store)
    return Grown(store, one, two, three)


def combined(grown: Grown, drug: str) -> pd.DataFrame:
    asked = f"SELECT * FROM drug_combinations WHERE drug = '{drug}' ORDER BY difference"
    return query(grown.store, asked).table.to_pandas()


def test_combinations_stand_beside_the_drug_alone(asked_only: Store, grown: Grown) -> None:
    assert answer(asked_only, "SELECT * FROM drug_combinations") == []
    found = combined(grown, grown.one)
    assert found[["add_on", "readout", "scorer"]].to_numpy().tolist() == [["Temo", "ctg", "dss_asym"]]
    assert found["difference"].iloc[0] == pytest.approx(2.5)
    assert found["lower"].iloc[0] < 2.5 < found["upper"].iloc[0]
    drugs = answer(grown.store, "SELECT DISTINCT drug FROM drug_combinations")
    assert {drug for (drug,) in drugs} == {grown.one, grown.two, grown.three}


def test_a_combination_with_the_name_of_another_drug_is_joined_by_its_parts(grown: Grown) -> None:
    found = combined(grown, grown.two)
    assert found["add_on"].tolist() == ["Temo"]
    assert found["difference"].iloc[0] == pytest.approx(2.5)


def test_every_concentration_of_an_add_on_stands_beside_the_drug_alone(grown: Grown) -> None:
    found = combined(grown, grown.three)
    assert found["add_on"].tolist() == ["Temo"] * len(ADD_ON_NM)
    assert found["add_on_concentration_nM"].tolist() == list(ADD_ON_NM)
    assert found["difference"].tolist() == pytest.approx([0, 1, 2, 3])


def test_z_scores_count_every_sample_once(asked_only: Store, grown: Grown) -> None:
    """Four samples, the first of them screened twice; with two samples there is no z-score."""
    one = "drug = 'Lorlatinib' AND readout = 'ctg' AND scorer = 'dss_asym'"
    asked = f"SELECT screen, score, n_samples, z_score FROM cohort_z_scores WHERE {one} ORDER BY screen"
    assert {row[2:] for row in answer(asked_only, asked)} == {(2, None)}
    found = {row[0]: row for row in answer(grown.store, asked)}
    samples = pd.Series([20.0, 0.0, found[FULL][1], found[METABOLIC_ONLY][1]])
    assert found["A_V1_DS1"][2] == 4
    assert found["A_V1_DS1"][3] == pytest.approx((30.0 - samples.mean()) / samples.std())
    assert found["B_V1_DS1"][3] == pytest.approx((0.0 - samples.mean()) / samples.std())


def test_scores_wide_has_a_column_a_readout(asked_only: Store) -> None:
    wide = query(asked_only, "SELECT * FROM scores_wide ORDER BY screen, drug").table.to_pandas()
    assert list(wide.columns) == ["screen", "sample", "drug", "cnn_phase2", "cnn_phase3", "ctg", "mean_of_stack"]
    assert len(wide) == 12
    metabolic_only = wide[wide["screen"] == METABOLIC_ONLY]
    assert metabolic_only["cnn_phase3"].isna().all()
    stored = asked_only.read_table("scores", METABOLIC_ONLY)
    pooled = stored[(stored["scorer"] == "dss_asym") & (stored["replicate"] == "pooled")].sort_values("drug")
    assert metabolic_only["ctg"].tolist() == pooled["score"].tolist()


def test_views_answer_the_first_questions(asked_only: Store) -> None:
    hits = answer(asked_only, f"SELECT drug FROM hits WHERE screen = '{FULL}' AND call = 'hit' ORDER BY score DESC")
    assert [row[0] for row in hits] == ["Trametinib", "Panobinostat", "Vemurafenib", "Venetoclax"]
    alone = answer(
        asked_only,
        "SELECT DISTINCT drug, hit_in FROM imaging_vs_metabolic WHERE hit_in IN ('imaging only', 'metabolic only')",
    )
    assert alone == [("Vemurafenib", "imaging only")]
    assert answer(asked_only, "SELECT count(*) FROM dose_points WHERE well_type NOT IN ('therapy', 'trc')") == [(0,)]
    assert answer(asked_only, "SELECT DISTINCT first_replicate, second_replicate FROM replicate_pairs") == [(1, 2)]
    pairs = answer(
        asked_only, f"SELECT readout, count(*) FROM replicate_pairs WHERE screen = '{FULL}' GROUP BY readout"
    )
    assert {count for _, count in pairs} == {29}, "30 pairs less the masked well's"
    summary = answer(
        asked_only, f"SELECT verdict, n_fail, complaints FROM qc_summary WHERE screen = '{FULL}' AND n_fail > 0"
    )
    assert summary == [("fail", 1, "Controls of P2 are poorly separated.")]
    latest = answer(asked_only, f"SELECT asset, seconds FROM latest_runs WHERE screen = '{FULL}' LIMIT 1")
    assert latest == [("scores/dss_asym", 30.0)]


def test_ctg_is_metabolic_and_the_network_is_not() -> None:
    names = metabolic_readouts(registry())
    assert "ctg" in names
    assert not [name for name in names if name.startswith("cnn")]


def test_a_file_that_does_not_fit_is_named_and_the_rest_is_kept(made_up_cohort: Store) -> None:
    bad = made_up_cohort.table_part("scores", FULL, "dss_asym.ctg")
    pd.read_parquet(bad, partitioning=None).drop(columns=["scorer"]).to_parquet(bad)
    broken = made_up_cohort.table_part("scores", METABOLIC_ONLY, "dss_asym.ctg")
    broken.write_bytes(b"PAR1 this is no Parquet file")
    summary = rebuild_cohort(made_up_cohort)
    assert len(summary.faults) == 2
    assert str(bad) in summary.faults[0]
    assert "lacks the columns scorer" in summary.faults[0]
    assert str(broken) in summary.faults[1]
    assert answer(made_up_cohort, "SELECT count(*) FROM scores") == [(180 - 2 * 18,)]


def test_an_older_file_without_an_optional_column_is_read(made_up_cohort: Store) -> None:
    older = made_up_cohort.table_part("drugs", FULL, "layout")
    pd.read_parquet(older, partitioning=None).drop(columns=["targets"]).to_parquet(older)
    assert rebuild_cohort(made_up_cohort).faults == ()
    assert answer(made_up_cohort, f"SELECT count(*), count(targets) FROM drugs WHERE screen = '{FULL}'") == [(6, 0)]


def test_a_key_in_two_files_is_told(made_up_cohort: Store) -> None:
    rows = made_up_cohort.read_table("drugs", FULL)
    made_up_cohort.write_table("drugs", FULL, "again", rows.head(1))
    faults = rebuild_cohort(made_up_cohort).faults
    assert len(faults) == 1
    assert "table drugs: 1 keys stand in more than one file" in faults[0]
    assert f"screen={FULL}" in faults[0]


def test_a_rebuild_waits_for_another_and_says_so(made_up_store: Store) -> None:
    with FileLock(made_up_store.root / ".cohort.lock"), pytest.raises(BusyError, match="another process"):
        rebuild_cohort(made_up_store, wait_seconds=0.1)
    assert not made_up_store.cohort_path.exists()


def test_an_open_reader_keeps_its_cohort_over_a_rebuild(made_up_cohort: Store) -> None:
    with questions(made_up_cohort) as ask:
        made_up_cohort.drop_table_part("drugs", FULL, "layout")
        rebuild_cohort(made_up_cohort)
        assert ask("SELECT count(*) AS n FROM drugs", None).table.to_pylist() == [{"n": 12}]
        with pytest.raises(InputError, match="The cohort has: "):
            ask("SELECT * FROM drug", None)
        assert ask("SELECT screen FROM drugs", 5).truncated, "a question with a fault costs no other"
    assert answer(made_up_cohort, "SELECT count(*) FROM drugs") == [(6,)]
    left = sorted(
        path.name for path in made_up_cohort.root.iterdir() if path.name.startswith((".cohort.duckdb", "cohort"))
    )
    assert left == ["cohort.duckdb"]


def test_a_reader_is_never_blocked_by_rebuilds(made_up_cohort: Store) -> None:
    """One process rebuilds in a loop while this one reads: no error, never a half cohort."""
    program = (
        "import sys\n"
        "from phenodose.cohort.build import rebuild_cohort\n"
        "from phenodose.store.store import Store\n"
        "print('begins', flush=True)\n"
        f"for _ in range({SWAPS}): rebuild_cohort(Store.open(sys.argv[1]))\n"
    )
    before = made_up_cohort.cohort_path.stat().st_mtime_ns
    reads, swapped = 0, set()
    command = [sys.executable, "-c", program, str(made_up_cohort.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"begins\n"
        while writer.poll() is None or reads < 5:
            counts = answer(
                made_up_cohort, "SELECT (SELECT count(*) FROM viability), (SELECT count(*) FROM scores_wide)"
            )
            assert counts == [(420, 12)]
            swapped.add(made_up_cohort.cohort_path.stat().st_mtime_ns)
            reads += 1
        assert writer.stderr is not None
        assert writer.stderr.read().decode() == ""
    assert writer.returncode == 0
    assert len(swapped | {made_up_cohort.cohort_path.stat().st_mtime_ns} - {before}) > 1


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("INSERT INTO screens VALUES ('x')", "INSERT"),
        ("COPY scores TO 'out.csv'", "COPY"),
        ("ATTACH 'other.duckdb'", "ATTACH"),
        ("INSTALL httpfs", "LOAD"),
        ("SET memory_limit = '9GB'", "SET"),
        ("DROP TABLE scores", "DROP"),
        ("SELECT 1; SELECT 2", "SELECT, SELECT"),
        ("  ", "nothing"),
    ],
)
def test_only_one_reading_statement_is_answered(asked_only: Store, sql: str, said: str) -> None:
    before = asked_only.cohort_path.read_bytes()
    with pytest.raises(InputError, match=f"one SELECT, WITH, DESCRIBE or SHOW statement at a time; this is {said}"):
        query(asked_only, sql)
    assert asked_only.cohort_path.read_bytes() == before


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_parquet('https://example.org/x.parquet')",
        "DESCRIBE SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
    ],
)
def test_nothing_but_the_cohort_can_be_read(asked_only: Store, sql: str) -> None:
    with pytest.raises(InputError) as caught:
        query(asked_only, sql)
    assert "root:" not in str(caught.value)


def test_python_variables_are_not_tables(asked_only: Store) -> None:
    mine = pd.DataFrame({"secret": [1]})
    with pytest.raises(InputError, match="mine does not exist"):
        query(asked_only, "SELECT * FROM mine")
    assert len(mine) == 1


def test_settings_cannot_be_unlocked_from_sql(asked_only: Store) -> None:
    rows = dict(
        answer(
            asked_only,
            "SELECT name, value FROM duckdb_settings() WHERE name IN ('enable_external_access', 'lock_configuration')",
        )
    )
    assert rows == {"enable_external_access": "false", "lock_configuration": "true"}


def test_endless_work_is_stopped(asked_only: Store) -> None:
    endless = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r"
    with pytest.raises(InputError, match=r"longer than 0\.3 s and was stopped"):
        query(asked_only, endless, seconds=0.3)


def test_rows_stop_at_the_limit(asked_only: Store) -> None:
    result = query(asked_only, "SELECT * FROM range(1000000000)", row_limit=7)
    assert (result.table.num_rows, result.truncated) == (7, True)
    result = query(asked_only, "SELECT * FROM range(7)", row_limit=7)
    assert (result.table.num_rows, result.truncated) == (7, False)


def test_faults_name_what_exists(asked_only: Store) -> None:
    with pytest.raises(InputError, match=r"The cohort has: agreement, agreement_counts, .*curves, .*hits.*wells"):
        query(asked_only, "SELECT * FROM score")
    with pytest.raises(InputError, match=r"Columns: hits \(screen, sample, entity"):
        query(asked_only, "SELECT dss FROM hits")
    with pytest.raises(InputError, match="Parser Error"):
        query(asked_only, "SELEC 1")


def test_memory_is_bounded(asked_only: Store) -> None:
    with pytest.raises(InputError, match="memory"):
        query(asked_only, "SELECT list(a.range + b.range) FROM range(20000) a, range(20000) b", memory_limit="100MB")


def test_describe_show_and_from_are_answered(asked_only: Store) -> None:
    assert ("hits",) in answer(asked_only, "SHOW TABLES")
    assert answer(asked_only, "DESCRIBE drugs")[0][:2] == ("screen", "VARCHAR")
    assert len(answer(asked_only, "FROM drugs")) == 12


def test_a_missing_or_damaged_cohort_says_how_to_build_it(made_up_store: Store) -> None:
    with pytest.raises(MissingInputError, match="--rebuild"):
        query(made_up_store, "SELECT 1")
    made_up_store.cohort_path.write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        query(made_up_store, "SELECT 1")
    rebuild_cohort(made_up_store)
    assert answer(made_up_store, "SELECT 1") == [(1,)]
