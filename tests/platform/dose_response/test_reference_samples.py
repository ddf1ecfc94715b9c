"""Tables of reference samples: the same statistics from every form, and faults told together."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phenodose.dose_response.reference_samples import read_reference
from phenodose.errors import InputError, MissingInputError

#: Scores of two drugs in four samples; one is missing.
SCORES = pd.DataFrame(
    {"A": [1.0, 2.0, 4.0, 9.0], "B": [5.0, 5.0, 5.0, np.nan]}, index=pd.Index(["s1", "s2", "s3", "s4"], name="Sample")
)


def written(folder: Path, form: str) -> Path:
    """The same scores as a table of that form."""
    path = folder / f"{form}.csv"
    if form == "a row a sample":
        SCORES.to_csv(path)
    elif form == "a column a sample":
        SCORES.T.rename_axis("Drug.Name").to_csv(path)
    else:
        rows = SCORES.reset_index().melt("Sample", var_name="drug", value_name="score")
        rows = rows.rename(columns={"Sample": "sample"}).assign(scorer="dss_asym", replicate="pooled")
        singles = rows.assign(replicate="1", score=0.0)
        others = rows.assign(scorer="dss_asym_adj", score=rows["score"] / 2)
        pd.concat([rows, singles, others]).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("form", ["a row a sample", "a column a sample", "a row a score"])
def test_all_forms_give_the_same_statistics(tmp_path: Path, form: str) -> None:
    samples = read_reference(written(tmp_path, form))
    drugs = ["A", "B", "a", "C"]
    values = {name: samples.statistic("dss_asym", name, drugs).tolist() for name in ("mean", "sd", "median", "mad")}
    # by hand: deviations of A from its mean 4 are -3, -2, 0, 5; from its median 3 they are 2, 1, 1, 6
    np.testing.assert_allclose(values["mean"], [4, 5, np.nan, np.nan])
    np.testing.assert_allclose(values["sd"], [np.sqrt(38 / 3), 0, np.nan, np.nan])
    np.testing.assert_allclose(values["median"], [3, 5, np.nan, np.nan])
    np.testing.assert_allclose(values["mad"], [1.4826 * 1.5, 0, np.nan, np.nan])


def test_a_table_that_names_its_scores_holds_each_of_them(tmp_path: Path) -> None:
    samples = read_reference(written(tmp_path, "a row a score"))
    assert samples.statistic("dss_asym_adj", "mean", ["A"]).tolist() == [2]
    assert not samples.has("yadav_dss2", ["mean"])


def test_a_table_without_names_holds_the_score_asked_for_but_no_adjusted_one(tmp_path: Path) -> None:
    samples = read_reference(written(tmp_path, "a row a sample"))
    assert samples.has("yadav_dss2", ["mean", "sd"])
    assert not samples.has("dss_asym_adj", ["mean"])


def test_a_summary_holds_what_its_columns_say(tmp_path: Path) -> None:
    path = tmp_path / "summary.xlsx"
    columns = {"drug": ["A", "B"], "Mean_DSS": [4, 5], "mean_DSS_adj": [3.5, None], "SD_DSS": [2, None]}
    pd.DataFrame(columns).to_excel(path, index=False)
    samples = read_reference(path)
    assert samples.has("DSS", ["mean", "sd"])
    assert not samples.has("DSS", ["median", "mad"])
    np.testing.assert_array_equal(samples.statistic("DSS_adj", "mean", ["A", "B"]), [3.5, np.nan])


def test_a_scorer_says_what_a_summary_calls_it(tmp_path: Path) -> None:
    (tmp_path / "summary.csv").write_text("drug,mean_DSS\nA,4\n")
    samples = read_reference(tmp_path / "summary.csv")
    assert samples.renamed("DSS", "theirs").statistic("theirs", "mean", ["A"]).tolist() == [4]
    for name in ("DSS_adj", ""):
        assert not samples.renamed(name, "theirs").has("theirs", ["mean"])


def test_one_sample_has_no_spread(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("sample,A\ns1,7\n")
    samples = read_reference(tmp_path / "one.csv")
    assert samples.has("dss_asym", ["mean"])
    assert not samples.has("dss_asym", ["mean", "sd"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no reference samples|is empty|no row"),
        ("Drug.Name,mean_DSS\n", "holds no reference samples"),
        ("compound,value\nA,1\n", "is no table of reference samples; the header row holds compound, value"),
        ("Drug.Name,mean_DSS\nA,1\nA,x\n", "(?s)row 3: A stands in the table twice.*row 3: mean_DSS is 'x'"),
        ("Drug.Name,s1\nA,1\nB,much\nA,2\n", "(?s)row 3: s1 is 'much'.*row 4: A stands in the table twice"),
        ("Sample,A,A\ns1,1,2\n", "column A stands in the header twice"),
        ("sample,drug,score\ns1,A,1\ns1,A,2\n", "row 3: a second score of A in sample s1; keep one"),
        ("sample,drug,score\n,A,1\n", "row 2: sample or drug is empty"),
    ],
)
def test_faults_are_told_with_their_row(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "reference.csv").write_text(text)
    with pytest.raises(InputError, match=told):
        read_reference(tmp_path / "reference.csv")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="there is no such reference file"):
        read_reference(tmp_path / "none.csv")
