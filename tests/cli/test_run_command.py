"""`phenodose run`: a folder is checked at the door, then made as far as it can be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from phenodose.cli import main
from phenodose.cli.run import parse_settings
from phenodose.errors import InputError
from phenodose.screens.registration import register_screen
from phenodose.simulation import simulate_screen
from phenodose.store.store import Store


@pytest.fixture(scope="module")
def image_screen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw screen with few, small images."""
    folder = tmp_path_factory.mktemp("raw") / "IMG_V1_DS1"
    return simulate_screen(folder, plates=1, drugs=1, size_px=48, planes=2).folder


@pytest.fixture
def phenodose(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in an empty folder; gives exit code, stdout and stderr."""
    (tmp_path / "here").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.delenv("PHENODOSE_STORE", raising=False)

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return run


@pytest.fixture
def store_of_few_plugins(tmp_path: Path, site_of: Callable[..., str]) -> None:
    """The site's choice in the store `st`, beside which nothing is there."""
    store = tmp_path / "here" / "st"
    store.mkdir(parents=True, exist_ok=True)
    (store / "site.toml").write_text(site_of("readout:ctg", "scorer:dss_asym"))


@pytest.mark.usefixtures("store_of_few_plugins", "words_alone")
def test_a_screen_is_made_and_its_products_are_named(
    phenodose: Callable[..., tuple[int, str, str]], small_ctg_screen: Path, tmp_path: Path
) -> None:
    (small_ctg_screen / "screen.toml").write_text("[parameters.curves]\nbootstrap = 10\n")
    wanted = "layout,plate_images,viability/ctg,curves/ctg,scores/dss_asym,patient_report"  # docs/plugins.md has all
    code, out, err = phenodose("run", small_ctg_screen, "--store", "st", "--select", wanted)
    assert code == 0, err
    assert "made    viability/ctg" in err
    assert "not made: plate_images" in out
    store = Store.open(tmp_path / "here" / "st")
    assert str(store.cohort_path) in out
    assert store.cohort_path.is_file()
    assert store.report_path("TST_V1_DS1").is_file()
    assert (store.root / ".dagster" / "dagster.yaml").is_file()


@pytest.mark.usefixtures("store_of_few_plugins", "no_cohort_report")
def test_a_registered_screen_is_made_by_its_name_and_runs_are_kept_where_the_folder_says(
    phenodose: Callable[..., tuple[int, str, str]], small_ctg_screen: Path, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    source = Path(__file__).parents[2] / "dagster.yaml"
    (here / "dagster.yaml").write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    register_screen(Store.open(here / "st"), small_ctg_screen)
    code, out, err = phenodose("run", "TST_V1_DS1", "--store", "st", "--select", "layout", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["made"] == ["layout"]
    assert told["failed"] == {}
    assert (here / ".dagster" / "history").is_dir()
    assert not (here / "st" / ".dagster").exists()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("no folder", "there is no such folder"),
        ("no layout", "there is no layout"),
        ("duplicate well", "list a well once"),
        ("missing plate file", "plate P2 has no plate-reader file"),
        ("unknown setting", "there is no such setting"),
    ],
)
def test_a_wrong_folder_is_told_in_a_sentence_and_leaves_the_store_alone(
    phenodose: Callable[..., tuple[int, str, str]], small_ctg_screen: Path, tmp_path: Path, fault: str, told: str
) -> None:
    layout = small_ctg_screen / "layout.csv"
    target: Path = small_ctg_screen
    match fault:
        case "no folder":
            target = tmp_path / "nowhere"
        case "no layout":
            layout.unlink()
        case "duplicate well":
            lines = layout.read_text().splitlines()
            layout.write_text("\n".join([*lines, lines[-1]]) + "\n")
        case "missing plate file":
            (small_ctg_screen / "ctg" / "TST_V1_DS1_P2.xlsx").unlink()
        case "unknown setting":
            (small_ctg_screen / "screen.toml").write_text("sampel = 'X'\n")
    code, _, err = phenodose("run", target, "--store", "st")
    assert code == 2, err
    assert told in err
    assert "Traceback" not in err
    assert not (tmp_path / "here" / "st").exists()


@pytest.mark.parametrize("fault", ["truncated image", "missing plate folder", "unknown reader"])
def test_wrong_images_are_told_before_anything_is_made(
    phenodose: Callable[..., tuple[int, str, str]], image_screen: Path, tmp_path: Path, fault: str
) -> None:
    folder = tmp_path / image_screen.name
    shutil.copytree(image_screen, folder)
    match fault:
        case "truncated image":
            image = sorted(file for file in (folder / "P1").rglob("*.tif"))[5]
            image.write_bytes(image.read_bytes()[:200])
            told = image.name
        case "missing plate folder":
            (folder / "P1").rename(folder / "P7")
            told = "plate P1 of the layout has no image folder"
        case _:
            settings = folder / "screen.toml"
            settings.write_text(settings.read_text().replace("imagexpress", "telescope"))
            told = "telescope"
    code, _, err = phenodose("run", folder, "--store", "st")
    assert code == 2, err
    assert told in err
    assert "Traceback" not in err
    assert not (tmp_path / "here" / "st").exists()


def test_a_faulty_table_of_drugs_is_told_before_anything_is_made(
    phenodose: Callable[..., tuple[int, str, str]], small_ctg_screen: Path, tmp_path: Path
) -> None:
    store = tmp_path / "here" / "st"
    store.mkdir(parents=True, exist_ok=True)
    (store / "drug_library.csv").write_text("drug,synonyms,c_max_nM\nOwn,Gleevec,12\nTwo,,many\n")
    code, _, err = phenodose("run", small_ctg_screen, "--store", "st")
    assert code == 2, err
    assert "Gleevec is a name of Imatinib and of Own" in err
    assert "row 3: C max is 'many'" in err
    assert sorted(path.name for path in store.iterdir()) == ["drug_library.csv"]


def test_an_id_that_is_taken_by_another_folder_is_refused(
    phenodose: Callable[..., tuple[int, str, str]], small_ctg_screen: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / small_ctg_screen.name
    shutil.copytree(small_ctg_screen, other)
    register_screen(Store.open(tmp_path / "here" / "st"), small_ctg_screen)
    code, _, err = phenodose("run", other, "--store", "st", "--select", "layout")
    assert code == 2
    assert str(small_ctg_screen) in err


def test_settings_are_read_like_toml() -> None:
    found = parse_settings(["cnn.epochs_phase1=20", "cnn.backbone=micro", "cnn.flip=false", "curves.fit = 'nplr'"])
    assert found == {"cnn": {"epochs_phase1": 20, "backbone": "micro", "flip": False}, "curves": {"fit": "nplr"}}


@pytest.mark.parametrize("wrong", ["cnn", "cnn.epochs", "=3", "epochs=3", ".x=1"])
def test_a_setting_of_another_form_is_refused(wrong: str) -> None:
    with pytest.raises(InputError, match=r"PLUGIN\.NAME=VALUE"):
        parse_settings([wrong])


def test_hits_of_several_samples_name_their_sample(capsys: pytest.CaptureFixture[str]) -> None:
    from phenodose.cli.steps import print_answer

    hits = [{"sample": name, "drug": "A", "score": score, "doubt": None} for name, score in (("S", 20.0), ("T", 11.0))]
    answer = {"verdict_reason": "Good.", "ranked_by": "ctg", "scorer": "dss_asym", "hits_judged": True}
    print_answer(answer | {"hits": hits, "borderline": []})
    said = capsys.readouterr().out
    assert "dss_asym): A in S (20.0), A in T (11.0)." in said
    assert "Borderline" not in said
    print_answer(answer | {"hits": hits[:1], "borderline": []})
    assert "dss_asym): A (20.0)." in capsys.readouterr().out
    print_answer(answer | {"hits": hits[:1], "borderline": hits[1:]})
    assert "Borderline: A in T (11.0)." in capsys.readouterr().out


def test_scores_without_draws_are_not_told_as_no_hits(capsys: pytest.CaptureFixture[str]) -> None:
    from phenodose.cli.steps import print_answer

    answer = {"verdict_reason": "Good.", "ranked_by": "ctg", "scorer": "dss_asym", "hits_judged": False}
    print_answer(answer | {"hits": [], "borderline": []})
    assert "Hits by ctg (dss_asym): not judged." in capsys.readouterr().out
