"""The views of hits say what the pipeline says: every drug once, and whether readouts agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from phenodose.cohort.build import rebuild_cohort
from phenodose.cohort.query import query
from phenodose.dose_response.agreement import compared
from phenodose.pipeline.hits import standing_calls
from phenodose.pipeline.verdict import ranked_drugs
from phenodose.store.store import Store

FULL, METABOLIC_ONLY = "BT-40_V1_DS1", "INF_R_153_V1_DS1"


def ask(store: Store, sql: str) -> pd.DataFrame:
    frame: pd.DataFrame = query(store, sql, row_limit=None).table.to_pandas()
    return frame


def test_hits_has_every_drug_once_by_the_readout_that_ranks(made_up_root: Path) -> None:
    store = Store.open(made_up_root)
    found = ask(store, "SELECT * FROM hits ORDER BY screen, score DESC NULLS LAST, drug")
    assert not found.duplicated(["screen", "sample", "drug"]).any()
    for screen, readout in ((FULL, "cnn_phase3"), (METABOLIC_ONLY, "ctg")):
        own, ranked = found[found["screen"] == screen].reset_index(drop=True), ranked_drugs(store, screen)
        assert set(own["readout"]) == {readout}
        for column in ("sample", "drug", "call", "p_hit_fraction", "score", "lower", "upper", "status"):
            assert own[column].tolist() == ranked[column].tolist(), column
    assert found.set_index(["screen", "drug"]).loc[(FULL, "Trametinib"), ["drug_class", "targets"]].tolist() == [
        "MEK inhibitor", "MAP2K1,MAP2K2",
    ]  # fmt: skip


def test_a_site_that_prefers_another_readout_ranks_by_it(made_up_cohort: Store) -> None:
    (made_up_cohort.root / "site.toml").write_text('[preferences]\nreadouts = ["ctg"]\n', encoding="utf-8")
    rebuild_cohort(made_up_cohort)
    assert set(ask(made_up_cohort, f"SELECT readout FROM hits WHERE screen = '{FULL}'")["readout"]) == {"ctg"}


def test_a_readout_without_any_score_does_not_rank(made_up_cohort: Store) -> None:
    part = "dss_asym.cnn_phase3"
    scores = made_up_cohort.read_table("scores", FULL, part)
    made_up_cohort.write_table("scores", FULL, part, scores.assign(score=float("nan")))
    rebuild_cohort(made_up_cohort)
    found = ask(made_up_cohort, f"SELECT DISTINCT readout FROM hits WHERE screen = '{FULL}'")["readout"].tolist()
    assert found == [ranked_drugs(made_up_cohort, FULL)["readout"].iloc[0]] == ["cnn_phase2"]


def test_calls_of_a_readout_that_failed_are_empty(made_up_cohort: Store) -> None:
    rows = made_up_cohort.read_table("qc", METABOLIC_ONLY, "ctg")
    made_up_cohort.write_table("qc", METABOLIC_ONLY, "ctg", rows.assign(verdict="fail"))
    rebuild_cohort(made_up_cohort)
    found = ask(made_up_cohort, "SELECT * FROM hits")
    failed = found["screen"] == METABOLIC_ONLY
    assert found.loc[failed, "call"].isna().all()
    assert set(found.loc[failed, "readout_verdict"]) == {"fail"}
    assert found.loc[failed, "p_hit_fraction"].notna().any()
    assert found.loc[~failed, "call"].notna().any()


def test_a_drug_with_an_add_on_is_a_row_of_its_own_with_the_annotation_of_the_drug(made_up_cohort: Store) -> None:
    wells = made_up_cohort.read_table("wells", METABOLIC_ONLY, "layout")
    combined = wells[wells["treatment"] == "Trametinib"].assign(
        add_on="Temo", column=lambda rows: rows["column"] + 12, well=lambda rows: rows["well"] + "9"
    )
    made_up_cohort.write_table("wells", METABOLIC_ONLY, "layout", pd.concat([wells, combined], ignore_index=True))
    part = "dss_asym.ctg"
    scores = made_up_cohort.read_table("scores", METABOLIC_ONLY, part)
    of_pair = scores[scores["drug"] == "Trametinib"].assign(drug="Trametinib + Temo", call="borderline")
    made_up_cohort.write_table("scores", METABOLIC_ONLY, part, pd.concat([scores, of_pair], ignore_index=True))
    rebuild_cohort(made_up_cohort)
    found = ask(made_up_cohort, f"SELECT * FROM hits WHERE screen = '{METABOLIC_ONLY}' AND drug LIKE 'Trametinib%'")
    rows = found.set_index("drug")
    assert rows["call"].to_dict() == {"Trametinib": "hit", "Trametinib + Temo": "borderline"}
    assert rows["add_on"].fillna("").to_dict() == {"Trametinib": "", "Trametinib + Temo": "Temo"}
    assert set(rows["drug_class"]) == {"MEK inhibitor"}


def test_agreement_is_that_of_the_comparison_in_python(made_up_cohort: Store) -> None:
    """Scores, intervals and probabilities drawn at random: both ways say the same of every drug."""
    rng = np.random.default_rng(5)
    for readout in ("cnn_phase3", "cnn_phase2", "ctg"):
        part = f"dss_asym.{readout}"
        rows = made_up_cohort.read_table("scores", FULL, part)
        score = rng.choice([17.0, 20.0, 40.0], len(rows))
        made_up_cohort.write_table(
            "scores", FULL, part,
            rows.assign(
                score=score, lower=score - rng.uniform(0, 9, len(rows)), upper=score + rng.uniform(0, 9, len(rows)),
                p_hit_fraction=rng.choice([0.0, 0.02, 0.5, 1.0, 1.0, 1.0, np.nan], len(rows)),
            ),
        )  # fmt: skip
    rebuild_cohort(made_up_cohort)
    found = ask(made_up_cohort, "SELECT * FROM agreement")
    assert set(found["agreement"]) == {"agree", "differ", "undecided"}
    scores = standing_calls(made_up_cohort.read_table("scores", FULL), made_up_cohort.read_table("qc", FULL))
    pooled = scores[(scores["replicate"] == "pooled") & (scores["scorer"] == "dss_asym")]
    metabolic = pooled[pooled["readout"] == "ctg"].set_index("drug").add_suffix("_m")
    for readout, own in found.groupby("imaging_readout"):
        imaging = pooled[pooled["readout"] == readout].set_index("drug").add_suffix("_i")
        both = imaging.join(metabolic, how="inner")
        expected = compared(both[both["score_i"].notna()], 10.0)
        told = own.set_index("drug").loc[expected.index]
        assert told["agreement"].tolist() == expected["agreement"].tolist()
        for name in ("difference", "difference_lower", "difference_upper", "p_same_fraction"):
            np.testing.assert_allclose(told[name].astype(float), expected[name].astype(float), rtol=1e-12)
    failed = found[found["imaging_readout"] == "mean_of_stack"]
    assert set(failed["agreement"]) == {"undecided"}
    assert set(failed["imaging_verdict"]) == {"fail"}
