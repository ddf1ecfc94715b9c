"""The store: one writer a file, declared tables, nothing half written."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from phenodose.errors import InputError, StoreError, TableError
from phenodose.io.files import hash_file, write_json, written_aside
from phenodose.store.store import Store
from phenodose.tables import TABLES


def drug(screen: str = "S1", name: str = "Vemurafenib") -> pd.DataFrame:
    return TABLES["drugs"].frame([{"screen": screen, "drug": name, "drug_class": "BRAF inhibitor", "run_id": "r"}])


def test_what_is_written_is_read_back_in_declared_order(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    frame = drug()[sorted(TABLES["drugs"].column_names, reverse=True)]
    store.write_table("drugs", "S1", "layout", frame)
    read = store.read_table("drugs", "S1")
    assert list(read.columns) == TABLES["drugs"].column_names
    assert read.drug.tolist() == ["Vemurafenib"]


def test_parts_of_one_screen_are_read_together_and_replaced_alone(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.write_table("drugs", "S1", "a", drug(name="A"))
    store.write_table("drugs", "S1", "b", drug(name="B"))
    store.write_table("drugs", "S2", "a", drug("S2", "C"))
    store.write_table("drugs", "S1", "a", drug(name="D"))
    assert sorted(store.read_table("drugs", "S1").drug) == ["B", "D"]
    assert sorted(store.read_table("drugs").drug) == ["B", "C", "D"]


def test_a_frame_that_does_not_fit_is_refused_with_all_faults_and_nothing_is_written(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    wrong = pd.concat([drug(), drug()]).drop(columns="run_id").assign(colour="red")
    with pytest.raises(TableError, match=r"(?s)columns missing: run_id.*not declared: colour"):
        store.write_table("drugs", "S1", "a", wrong)
    with pytest.raises(TableError, match="not unique"):
        store.write_table("drugs", "S1", "a", pd.concat([drug(), drug()]))
    assert not list(tmp_path.rglob("*.parquet"))


def test_an_empty_table_keeps_its_columns(tmp_path: Path) -> None:
    assert list(Store.open(tmp_path).read_table("scores").columns) == TABLES["scores"].column_names


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_json(path, {"a": 1})
    before = hash_file(path)

    def fail() -> None:
        with written_aside(path) as aside:
            aside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert hash_file(path) == before
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "checkpoint"
    for generation in ("old", "new"):
        with written_aside(target) as aside:
            aside.mkdir()
            (aside / generation).write_text(generation)
    assert [p.name for p in target.iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint"]


def test_an_unregistered_screen_is_named_with_the_remedy(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.register("S1", tmp_path)
    assert store.screens() == ["S1"]
    with pytest.raises(StoreError, match=r"'S2' is not in the store .*it holds: S1.*phenodose run"):
        store.source_of("S2")


@pytest.mark.parametrize("screen", ["../x", "a/b", ""])
def test_screen_names_cannot_leave_the_store(tmp_path: Path, screen: str) -> None:
    with pytest.raises(InputError):
        Store.open(tmp_path).screen_dir(screen)


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_every_declaration_makes_a_duckdb_table_and_a_parquet_schema(table: object) -> None:
    import duckdb

    from phenodose.table import Table

    assert isinstance(table, Table)
    with duckdb.connect() as connection:
        connection.execute(table.duckdb_ddl())
        described = connection.execute(f'DESCRIBE "{table.name}"').fetchall()
    assert [row[0] for row in described] == table.column_names == table.arrow_schema().names
    assert set(table.key) <= set(table.column_names)
