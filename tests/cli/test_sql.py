"""`phenodose sql`: the formats, the exit codes and what is said on stderr."""

from __future__ import annotations

import io
import json

import pandas as pd
import pytest

from phenodose.cli import main
from phenodose.store.store import Store

RANKING = (
    "SELECT drug, score, hit FROM scores WHERE screen = 'INF_R_153_V1_DS1' "
    "AND scorer = 'dss_asym' AND replicate = 'pooled' ORDER BY score DESC, drug"
)


@pytest.fixture
def ask(made_up_cohort: Store, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["sql", *arguments, "--store", str(made_up_cohort.root)])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def test_a_table_for_people(ask) -> None:
    code, out, err = ask(RANKING)
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].split() == ["drug", "score", "hit"]
    assert lines[2].split() == ["Trametinib", "39.1334", "True"]
    assert lines[-1] == "(6 rows)"


def test_an_answer_of_a_database_that_is_behind_its_tables_says_so(ask, made_up_cohort: Store) -> None:
    part = ("scores", "INF_R_153_V1_DS1", "dss_asym.ctg")
    made_up_cohort.write_table(*part, made_up_cohort.read_table(*part).assign(score=1.0))
    code, out, err = ask(RANKING)
    assert (code, "39.1334" in out) == (0, True)
    assert err == (
        "phenodose: INF_R_153_V1_DS1: changed since this database was built; add --rebuild to ask what is there now.\n"
    )
    code, out, err = ask(RANKING, "--rebuild")
    assert (code, "39.1334" in out, err) == (0, False, "")


def test_csv_keeps_every_digit(ask, made_up_cohort: Store) -> None:
    code, out, _ = ask(RANKING, "--format", "csv")
    got = pd.read_csv(io.StringIO(out))
    scores = made_up_cohort.read_table("scores", "INF_R_153_V1_DS1", "dss_asym.ctg")
    wanted = scores[scores["replicate"] == "pooled"].sort_values(["score", "drug"], ascending=[False, True])
    assert code == 0
    assert got["drug"].tolist() == wanted["drug"].tolist()
    assert got["score"].tolist() == wanted["score"].tolist()


def test_json_has_nulls_and_times(ask) -> None:
    code, out, _ = ask("SELECT started_at, inputs, 'nan'::DOUBLE AS nan FROM runs LIMIT 1", "--format", "json")
    (row,) = json.loads(out)
    assert code == 0
    assert row["inputs"] is None
    assert row["nan"] is None, "NaN is no JSON"
    assert row["started_at"].startswith("2026-03-02 09:")


def test_columns_of_one_name_are_told_apart_in_every_form(ask) -> None:
    query = "SELECT 1 AS a, 2 AS b, 3 AS a, 4 AS a_2, 5 AS a"
    names = ["a", "b", "a_3", "a_2", "a_4"]
    assert ask(query)[1].split()[:5] == names
    assert ask(query, "--format", "csv")[1] == f"{','.join(names)}\n1,2,3,4,5\n"
    assert json.loads(ask(query, "--format", "json")[1]) == [dict(zip(names, range(1, 6), strict=True))]


def test_parquet_needs_a_file(ask, tmp_path) -> None:
    code, _, err = ask(RANKING, "--format", "parquet")
    assert code == 2
    assert "--out" in err
    path = tmp_path / "rows.parquet"
    assert ask(RANKING, "--format", "parquet", "--out", str(path)) == (0, "", "")
    assert len(pd.read_parquet(path)) == 6


def test_out_writes_what_the_terminal_would_show(ask, tmp_path) -> None:
    path = tmp_path / "new" / "rows.csv"
    assert ask(RANKING, "--format", "csv", "--out", str(path))[0] == 0
    assert path.read_text(encoding="utf-8") == ask(RANKING, "--format", "csv")[1]


def test_the_limit_is_told(ask) -> None:
    code, out, err = ask("SELECT * FROM range(100)", "--limit", "3", "--format", "csv")
    assert (code, out) == (0, "range\n0\n1\n2\n")
    assert "more than 3 rows" in err


@pytest.mark.parametrize("query", ["DELETE FROM scores", "SELECT * FROM nope", "SELECT * FROM '/etc/passwd'", "SELEC"])
def test_a_fault_is_one_sentence_and_exit_code_2(ask, query: str) -> None:
    code, out, err = ask(query)
    assert (code, out) == (2, "")
    assert err.startswith("phenodose: ")
    assert "Traceback" not in err


def test_a_slow_query_is_stopped(ask) -> None:
    endless = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r"
    code, _, err = ask(endless, "--seconds", "0.2")
    assert code == 2
    assert "longer than 0.2 s" in err


def test_rebuild_makes_the_cohort_and_tells_faults(ask, made_up_cohort: Store) -> None:
    made_up_cohort.cohort_path.unlink()
    code, _, err = ask("SELECT 1")
    assert code == 2
    assert "--rebuild" in err
    made_up_cohort.table_part("drugs", "BT-40_V1_DS1", "layout").write_bytes(b"broken")
    code, out, err = ask("SELECT count(*) AS n FROM drugs", "--rebuild", "--format", "csv")
    assert (code, out) == (0, "n\n6\n")
    assert "is left out of the cohort" in err
