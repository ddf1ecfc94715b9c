"""`phenodose why` of two drugs together names the doses, the wells and the controls that its numbers were made of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from phenodose.errors import InputError
from phenodose.lineage.link import Link
from phenodose.lineage.pairs import why_drug_or_pair
from phenodose.names import ADD_ON_DOSE
from phenodose.pipeline.dose_matrices import readout_matrices
from phenodose.pipeline.normalisation import Normalisation
from phenodose.pipeline.viability import viability_of
from phenodose.store.store import Store
from phenodose.tables import TABLES

SCREEN, SAMPLE = "PAIR_V1_DS1", "S"
DOSES = (1.0, 10.0, 100.0)
ADDED = (5.0, 50.0, 500.0)


def layout(with_controls: bool) -> pd.DataFrame:
    """Two plates: A alone, B alone, both in every pair of doses; cells with B alone if `with_controls`."""
    rows: list[dict[str, object]] = []

    def put(
        plate: str, kind: str, drug: str, dose: float | None, add_on: str | None = None, added: float | None = None
    ) -> None:
        rows.append(
            {"plate": plate, "sample": SAMPLE, "well_type": kind, "treatment": drug, "concentration_nM": dose}
            | {"add_on": add_on, ADD_ON_DOSE: added, "replicate": int(plate[1])}
        )

    for plate in ("P1", "P2"):
        for _ in range(4):
            put(plate, "neg", "DMSO", None)
            put(plate, "pos", "STS", 250.0)
        for added in ADDED if with_controls else ():
            for _ in range(3):
                put(plate, "neg", "DMSO", None, "B", added)
        for added in ADDED:
            put(plate, "therapy", "B", added)
        for dose in DOSES:
            put(plate, "therapy", "A", dose)
            for added in ADDED:
                put(plate, "therapy", "A", dose, "B", added)
    frame = pd.DataFrame(rows)
    place = frame.groupby("plate").cumcount()
    frame["row"], frame["column"] = [chr(65 + at // 12) for at in place], place % 12 + 1
    return frame.assign(well=[f"{row}{column:02d}" for row, column in zip(frame["row"], frame["column"], strict=True)])


def store_of(root: object, with_controls: bool) -> Store:
    """A store with the layout, its viability and its pairs, and scores of A, B and A with B."""
    store = Store.open(root)  # type: ignore[arg-type]
    by = {"screen": SCREEN, "run_id": "r", "plugin": "ctg", "plugin_version": "1", "parameters": "{}"}

    def put(table: str, part: str, frame: pd.DataFrame) -> None:
        columns = [name for name in TABLES[table].column_names if name in {*frame.columns, *by}]
        whole = frame.assign(**by)[columns]
        store.write_table(table, SCREEN, part, TABLES[table].frame(whole.to_dict("records")))

    wells = layout(with_controls)
    level = wells["well_type"].map({"neg": 9000.0, "pos": 500.0, "therapy": 4000.0}) - 900 * wells["add_on"].notna()
    raw = wells[["plate", "row", "column"]].assign(raw=level + np.random.default_rng(1).normal(0, 150, len(wells)))
    viability = viability_of(raw, wells, "ctg", Normalisation("plate"), what="a test").viability
    found = readout_matrices(viability, wells, "ctg", draws=0)
    put("wells", "layout", wells)
    put("viability", "ctg", viability.assign(readout="ctg"))
    put("dose_pairs", "curves/ctg", found.pairs)
    put("combination_scores", "curves/ctg", found.sums)
    drugs = ["A", "B", *([f"A + B {added:g} nM" for added in ADDED] if with_controls else [])]
    row = {"sample": SAMPLE, "readout": "ctg", "replicate": "pooled", "score": 9.0, "bound": "=", "status": "ok"}
    scores = [row | {"drug": drug, "scorer": "dss_asym"} for drug in drugs]
    scores += [row | {"drug": drug, "scorer": "dcdss_asym"} for drug in drugs[2:]]
    put("scores", "dss_asym.ctg", pd.DataFrame(scores))
    curve = {"model": 2, "n_doses": 3, "n_points": 6, "fit": "robust", "status": "ok"}
    put("curves", "ctg", pd.DataFrame([row | curve | {"drug": drug} for drug in drugs]))
    return store


def named(chain: Link, start: str) -> list[Link]:
    return [link for link in chain.every() if link.what.startswith(start)]


@pytest.mark.parametrize("name", ["A + B", "b + a"])
def test_a_pair_names_its_doses_its_wells_and_the_controls_without_any_drug(tmp_path, name: str) -> None:
    store = store_of(tmp_path, with_controls=False)
    (chain,) = why_drug_or_pair(store, SCREEN, name)
    assert chain.what == "A and B together in S by ctg"
    assert {"hsa", "bliss"} <= {row["measure"] for row in chain.rows}
    (doses,) = named(chain, "pairs of doses")
    assert {(row["concentration_nM"], row[ADD_ON_DOSE]) for row in doses.rows} == {(a, b) for a in DOSES for b in ADDED}
    assert len(doses.rows) == len(DOSES) * len(ADDED)
    (wells,) = named(chain, "wells")
    assert len(wells.rows) == 2 * (len(ADDED) + len(DOSES) * (1 + len(ADDED)))
    (controls,) = named(chain, "controls")
    assert [(row["group"], row["control"], row["n_wells"]) for row in controls.rows] == [
        (f"plate {plate}", kind, 4) for plate in ("P1", "P2") for kind in ("negative", "positive")
    ]
    viability = store.read_table("viability", SCREEN)
    plain = viability[(viability["plate"] == "P1") & (viability["control"] == "negative")]
    assert controls.rows[0]["median_raw"] == pytest.approx(plain["raw"].median())


def test_cells_with_the_second_drug_alone_are_told_where_there_are_some(tmp_path) -> None:
    (chain,) = why_drug_or_pair(store_of(tmp_path, with_controls=True), SCREEN, "A + B")
    (wells,) = named(chain, "wells")
    alone = [row for row in wells.rows if row["treatment"] == "DMSO"]
    assert {row[ADD_ON_DOSE] for row in alone} == set(ADDED)
    (controls,) = named(chain, "controls")
    assert {row["group"] for row in controls.rows} == {"plate P1", "plate P2"}


def test_a_difference_names_both_curves_each_with_its_own_controls(tmp_path) -> None:
    store = store_of(tmp_path, with_controls=True)
    (chain,) = why_drug_or_pair(store, SCREEN, "A + B 50 nM", scorer="dcdss_asym")
    assert [link.what for link in named(chain, "curve")] == ["curve of ctg", "curve of ctg, A alone"]
    groups = [{row["group"] for row in link.rows} for link in named(chain, "controls")]
    assert groups == [{"plate P1 with B 50 nM", "plate P2 with B 50 nM"}, {"plate P1", "plate P2"}]
    combined, alone = named(chain, "wells")
    assert (combined.facts["add_on"], combined.facts[ADD_ON_DOSE]) == ("B", 50.0)
    assert "add_on" not in alone.facts
    (plain,) = why_drug_or_pair(store, SCREEN, "A + B 50 nM")
    assert len(named(plain, "curve")) == 1


def test_a_measure_is_asked_for_by_name_and_an_unknown_drug_lists_the_pairs(tmp_path) -> None:
    store = store_of(tmp_path, with_controls=False)
    (chain,) = why_drug_or_pair(store, SCREEN, "A + B", scorer="bliss", readout="ctg")
    assert [row["measure"] for row in chain.rows] == ["bliss"]
    with pytest.raises(InputError, match=r"no score with drug 'C'; there are: A, B, A \+ B\."):
        why_drug_or_pair(store, SCREEN, "C")


def test_a_screen_without_matrices_tells_its_drugs(tmp_path) -> None:
    store = store_of(tmp_path, with_controls=True)
    for table in ("combination_scores", "dose_pairs"):
        for part in (store.root / "tables" / table).rglob("*.parquet"):
            part.unlink()
    assert why_drug_or_pair(store, SCREEN, "A")
