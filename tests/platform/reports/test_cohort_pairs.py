"""The cohort report counts the samples in which two drugs are synergistic, whichever of them is the add-on."""

from __future__ import annotations

from phenodose.reports.cohort.pairs import pairs
from phenodose.reports.cohort.source import read_cohort
from phenodose.store.store import Store
from phenodose.tables import TABLES

BY = {"run_id": "r", "plugin": "curves", "plugin_version": "1", "parameters": "{}"}


def put(store: Store, screen: str, sample: str, *rows: tuple[str, str, str, float | None, str | None]) -> None:
    """A screen with mean excesses: drug, add-on, model, value, interaction."""
    about = {"screen": screen, "sample": sample, "kind": "drug-screen", "n_plates": 1, "n_drugs": 2, "run_id": "r"}
    store.write_table("screens", screen, "layout", TABLES["screens"].frame([about | {"source": screen}]))
    scores = [
        BY
        | {"screen": screen, "sample": sample, "readout": "ctg", "drug": drug, "add_on": add_on, "measure": model}
        | {"value": value, "interaction": said, "status": "ok" if value is not None else "too few doses"}
        for drug, add_on, model, value, said in rows
    ]
    store.write_table("combination_scores", screen, "curves/ctg", TABLES["combination_scores"].frame(scores))


def test_pairs_are_counted_over_samples_and_a_screen_without_a_value_does_not_count(tmp_path) -> None:
    store = Store.open(tmp_path)
    put(store, "A_V1_DS1", "A", ("X", "Y", "bliss", 9.0, "synergy"), ("X", "Y", "hsa", 15.0, "synergy"))
    put(store, "B_V1_DS1", "B", ("Y", "X", "bliss", 5.0, "synergy"), ("X", "Z", "bliss", -8.0, "antagonism"))
    put(store, "C_V1_DS1", "C", ("X", "Y", "bliss", 1.0, "undecided"), ("X", "Z", "bliss", None, None))
    found = pairs(read_cohort(store))
    assert found is not None
    assert found["model"] == "Bliss"
    one, other = found["rows"]
    assert (one["drugs"], one["n_samples"], one["synergy"], one["antagonism"]) == ("X and Y", 3, 2, 0)
    assert (one["excess"], one["where"]) == ("+5.0 (+1.0 to +9.0)", "A, B")
    assert (other["drugs"], other["n_samples"], other["synergy"], other["antagonism"]) == ("X and Z", 1, 0, 1)
    assert (other["excess"], other["where"]) == ("-8.0", "")


def test_without_dose_matrices_there_is_no_table(tmp_path) -> None:
    store = Store.open(tmp_path)
    put(store, "A_V1_DS1", "A")
    assert pairs(read_cohort(store)) is None
