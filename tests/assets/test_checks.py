"""Asset checks: quality figures as flags, and tables that must fit their declaration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow.parquet as pq
import pytest

from phenodose.quality.blocking import quality_block
from phenodose.quality.gates import Limits, judge
from phenodose.quality.metrics import metrics_of
from phenodose.settings.quality import QualitySetting, resolve_limits
from phenodose.store.curves import read_curves
from phenodose.store.store import Store
from phenodose_assets.assets import viability
from phenodose_assets.graph.checks import quality_verdicts, schema_faults, schema_verdict

KEY = "viability/ctg"


def qc(*rows: tuple[str, str, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["plate", "metric", "value"])
    verdicts = [judge(metric, value).verdict for metric, value in zip(frame["metric"], frame["value"], strict=True)]
    return frame.assign(readout="ctg", verdict=verdicts, explanation=[f"Told of {plate}." for plate in frame["plate"]])


def blocking(metric: str, **said: float) -> Limits:
    return resolve_limits(screen={metric: QualitySetting(block=True, **said)})


def test_every_figure_is_one_check_and_one_poor_plate_raises_its_flag() -> None:
    rows = qc(("P1", "zprime_robust", 0.7), ("P2", "zprime_robust", -0.2), ("P1", "ssmd", 5.0))
    robust, ssmd = quality_verdicts(rows, Limits())
    assert (robust.check, robust.passed, robust.error) == ("zprime_robust", False, False)
    assert robust.description == "P2: Told of P2."
    assert robust.metadata == {"P1": 0.7, "P2": -0.2, "limits": "good 0.5, poor 0.0 (default)"}
    assert (ssmd.check, ssmd.passed) == ("ssmd", True)


def test_figures_without_value_say_nothing_and_those_without_limit_pass() -> None:
    rows = qc(("screen", "replicate_pearson", float("nan")), ("P1", "negative_mean", 1.0))
    (verdict,) = quality_verdicts(rows, Limits())
    assert (verdict.check, verdict.passed) == ("negative_mean", True)
    assert quality_block(rows, blocking("replicate_pearson")) == ""


def test_a_fail_blocks_where_the_configuration_says_so() -> None:
    rows = qc(("P1", "zprime_robust", 0.7), ("P2", "zprime_robust", -0.2))
    assert quality_block(rows, Limits()) == ""
    assert quality_block(rows, blocking("zprime_robust", poor=-0.5)) == ""
    message = quality_block(rows, blocking("zprime_robust"))
    assert "ctg, P2: zprime_robust is -0.2" in message
    assert "screen.toml" in message
    assert "block = false" in message
    (verdict,) = quality_verdicts(rows, blocking("zprime_robust"))
    assert verdict.error
    assert not verdict.passed


def test_checks_of_a_good_readout(ctg_run: Any) -> None:
    checks = ctg_run.checks(KEY)
    assert {"made", "schema", "zprime_robust", "replicate_pearson", "negative_drift", "flagged_percent"} <= set(checks)
    assert set(checks) - {"made", "schema"} <= set(metrics_of("viability"))
    assert all(check.passed for check in checks.values()), checks
    assert checks["zprime_robust"].severity is dg.AssetCheckSeverity.WARN
    assert checks["schema"].severity is dg.AssetCheckSeverity.ERROR
    assert set(ctg_run.store.read_table("qc", "TST_V1_DS1", KEY)["readout"]) == {"ctg"}


def test_poor_controls_raise_the_flag_but_stop_nothing(workshop: Any) -> None:
    folder = workshop.screen("POOR_V1_DS1")
    layout = pd.read_csv(folder / "layout.csv")
    # The killing control is a dose that does not kill.
    layout = layout[~layout["WellType"].isin(["pos", "BzCl"])]
    layout.loc[(layout["Treatment"] == "Weak") & layout["Concentration"].isin([100, 1000]), "WellType"] = "pos"
    layout.to_csv(folder / "layout.csv", index=False)
    outcome = workshop.make("POOR_V1_DS1", f"layout,{KEY},curves/ctg")
    assert outcome.success, outcome.failed
    assert "curves/ctg" in outcome.made
    check = workshop.look_at(outcome).checks(KEY)["zprime_robust"]
    assert not check.passed
    assert "P1" in str(check.metadata)


def test_every_table_of_a_run_fits_its_declaration(ctg_run: Any) -> None:
    for key in ("layout", KEY, "curves/ctg", "scores/dss_asym"):
        assert ctg_run.checks(key)["schema"].passed
    assert schema_verdict(ctg_run.store, "TST_V1_DS1", [("viability", KEY)]).passed


def test_a_file_that_departs_from_its_declaration_is_told(ctg_run: Any, tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    path = store.table_part("viability", "TST_V1_DS1", KEY)
    assert "was not written" in schema_faults(store, "TST_V1_DS1", "viability", KEY)[0]
    path.parent.mkdir(parents=True)
    part = ctg_run.store.table_part("viability", "TST_V1_DS1", KEY)
    good = pq.read_table(part, partitioning=None).replace_schema_metadata()  # without the seal of that file
    pq.write_table(good.drop_columns(["raw"]), path)
    assert "declared is" in schema_faults(store, "TST_V1_DS1", "viability", KEY)[0]
    pq.write_table(good, path)
    assert schema_faults(store, "TST_V1_DS1", "viability", KEY) == []


def test_a_file_that_does_not_fit_blocks_what_needs_it(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    workshop.screen("TORN_V1_DS1")
    write = Store.write_table

    def write_torn(self: Store, table: str, screen: str, part: str, frame: pd.DataFrame) -> Path:
        path = write(self, table, screen, part, frame)
        if table == "viability":
            rows = pq.read_table(path, partitioning=None).replace_schema_metadata()
            pq.write_table(rows.drop_columns(["raw"]), path)
        return path

    monkeypatch.setattr(Store, "write_table", write_torn)
    outcome = workshop.make("TORN_V1_DS1", f"layout,{KEY},curves/ctg")
    assert not workshop.look_at(outcome).checks(KEY)["schema"].passed
    assert list(outcome.failed) == [KEY]
    assert outcome.skipped == {"curves/ctg": f"needs {KEY}"}


def test_what_cannot_be_shown_is_made_all_the_same(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> dict[str, Any]:
        raise ZeroDivisionError("no such colour")

    monkeypatch.setattr(viability, "_viability_metadata", broken)
    workshop.screen("PALE_V1_DS1")
    outcome = workshop.make("PALE_V1_DS1", f"layout,{KEY},curves/ctg")
    assert outcome.made == ["layout", KEY, "curves/ctg"]
    shown = workshop.look_at(outcome).materialization(KEY).metadata
    assert "no such colour" in str(shown["cannot be shown"].value)


def test_scores_rest_on_the_stored_fit_and_its_draws(ctg_run: Any) -> None:
    batch = read_curves(ctg_run.store, "TST_V1_DS1", "ctg")
    assert batch is not None
    assert batch.draws is not None
    assert batch.draws.shape[:2] == (len(batch), 200)
    rows = ctg_run.store.read_table("scores", "TST_V1_DS1", "scores/dss_asym")
    known = rows[rows["drug"] == "Potent"]
    assert (known["lower"] <= known["score"]).all()
    assert (known["score"] <= known["upper"]).all()
    assert (known["lower"] < known["upper"]).all()
