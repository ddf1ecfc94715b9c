"""A screen as an RO-Crate: whole, described, equal to the store, and without what tells of people or machines."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
import tifffile

from phenodose.cli import main
from phenodose.crate.export import export_crate
from phenodose.errors import InputError, StoreError
from phenodose.io.seals import OPEN_SEAL, is_changed, seal_of, sealed
from phenodose.io.workbook import read_sheets
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.verify import verify_plate
from phenodose.store.store import Store
from phenodose.tables import TABLES
from phenodose_readers.imagexpress import ImageXpressReader

SCREEN, WITHOUT_IMAGES = "BT-40_V1_DS1", "INF_R_153_V1_DS1"
ACCOUNT = "erika.mustermann"


def raw_plate(folder, name):
    """Two wells of two planes, in a folder named after a person."""
    place = folder / f"Mustermann {name}" / "2026-01-01" / "77"
    for well in ("B02", "D04"):
        for z in range(2):
            tags = {"stage-label": f"{well} : Site 1", "spatial-calibration-x": 1.3, "spatial-calibration-units": "um"}
            tags |= {"_IllumSetting_": "Hoechst", "Description": f"Folder: C:\\Users\\{ACCOUNT}\\{name}"}
            props = "".join(
                f'<prop id="{key}" type="{"float" if isinstance(value, float) else "string"}" value="{value}"/>\n'
                for key, value in tags.items()
            )
            path = (
                place / f"ZStep_{z + 1}" / f"Mustermann_{well}_s1_w1{z:08X}-0000-0000-0000-{hash(well) % 997:012X}.tif"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(z).integers(0, 5000, (40, 48), dtype=np.uint16)
            description = f"<MetaData>\n<PlaneInfo>\n{props}</PlaneInfo>\n</MetaData>"
            tifffile.imwrite(path, pixels, description=description, metadata=None, software="MetaSeries")
    return folder / f"Mustermann {name}"


def telling_rows(store):
    """Rows that name accounts, machines and raw files, as a hospital's store has them."""
    started = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
    rows = [
        {
            "asset": "layout",
            "inputs": {"layout.xlsx": "aa"},
            "made_from": {"raw/layout": "01", "settings/sample": "02"},
            "files": {"wells layout": "s", "drugs layout": "s"},
            "version": "11",
        },
        {
            "asset": "viability/ctg",
            "inputs": {"P1.csv": "bb"},
            "made_from": {"layout": "11", "raw/readings/ctg": "03"},
            "files": {"viability viability/ctg": "s"},
            "version": "22",
            "plugin": "ctg",
            "plugin_version": "1",
            "parameters": {"weights_file": f"/home/{ACCOUNT}/my nets/w.h5", "size": 3, "widths": [1, 2]},
            "notes": [f"/home/{ACCOUNT}/P1.csv: two wells were left out."],
        },
        {"asset": "curves/ctg", "made_from": {"viability/ctg": "21"}, "files": {"curves ctg": "s"}, "version": "33"},
    ]
    for row in rows:
        texts = {key: json.dumps(value) if not isinstance(value, str) else value for key, value in row.items()}
        whole = {"screen": SCREEN, "run_id": "run-1", "phenodose_version": "0.1.0", "started_at": started} | texts
        whole["finished_at"] = started + dt.timedelta(seconds=5)
        store.write_table("runs", SCREEN, row["asset"], TABLES["runs"].frame([whole]))
    failed = {"screen": SCREEN, "asset": "pseudo_rgb", "outcome": "failed", "tried_at": started, "run_id": "run-1"}
    failed["reason"] = f"'/scratch/{ACCOUNT}/P 1/a.tif' cannot be read"
    store.write_table("not_made", SCREEN, "pseudo_rgb", TABLES["not_made"].frame([failed]))


@pytest.fixture(scope="module")
def made(made_once, made_up_root):
    """A folder with a store (rows, two plates of images, a report, and a great deal that is nobody's business) and a
    crate of it; for reading only."""

    def make(folder):
        shutil.copytree(made_up_root, folder / "store")
        made = Store.open(folder / "store")
        for row in made.read_table("runs", SCREEN)["asset"]:
            made.drop_table_part("runs", SCREEN, row)
        telling_rows(made)
        for name in ("P1", "P2"):
            ingest_plate(raw_plate(folder, name), made.plate_path(SCREEN, name), ImageXpressReader(), name)
        report = made.report_path(SCREEN)
        report.parent.mkdir(exist_ok=True)
        page = f"<html><p>made from {made.root}/screens by DSS 12.5</p></html><!-- {OPEN_SEAL} -->"
        report.write_bytes(sealed(page.encode()))
        export_crate(made, SCREEN, folder / "crate", licence="CC-BY-4.0", publisher="A hospital")

    return made_once("crate_of_a_screen", make)


@pytest.fixture
def store(made):
    return Store.open(made / "store")


@pytest.fixture
def crate(made):
    return made / "crate"


def graph_of(folder):
    return {each["@id"]: each for each in json.loads((folder / "ro-crate-metadata.json").read_text("utf-8"))["@graph"]}


def files_below(folder):
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def links(value):
    if isinstance(value, dict):
        return [value["@id"]] if set(value) == {"@id"} else [link for one in value.values() for link in links(one)]
    return [link for one in value for link in links(one)] if isinstance(value, list) else []


def test_every_file_is_listed_with_its_size_and_hash(crate):
    listed = {name: each for name, each in graph_of(crate).items() if each["@type"] == "File"}
    there = files_below(crate)
    assert set(listed) == set(there) - {"ro-crate-metadata.json"}
    for name, path in there.items():
        if name in listed:
            content = path.read_bytes()
            assert listed[name]["contentSize"] == str(len(content))
            assert listed[name]["sha256"] == hashlib.sha256(content).hexdigest()


def test_identifiers_are_unique_and_every_link_leads_somewhere(crate):
    graph = json.loads((crate / "ro-crate-metadata.json").read_text("utf-8"))["@graph"]
    names = [each["@id"] for each in graph]
    assert len(names) == len(set(names))
    outside = {"https://w3id.org/ro/crate/1.1"}
    told = {link for each in graph for key, value in each.items() if key != "@id" for link in links(value)}
    assert told - outside <= set(names)
    root = graph_of(crate)["./"]
    assert root["identifier"] == SCREEN
    assert graph_of(crate)[root["license"]["@id"]]["name"] == "CC-BY-4.0"
    assert graph_of(crate)[root["publisher"]["@id"]]["name"] == "A hospital"
    parts = set(links(root["hasPart"]))
    parts |= {link for part in parts for link in links(graph_of(crate)[part].get("hasPart", []))}
    assert {name for name, each in graph_of(crate).items() if each["@type"] == "File"} <= parts


def test_numbers_are_those_of_the_store(crate, store):
    for name in ("scores", "curves", "viability", "wells", "qc", "drugs"):
        key = list(TABLES[name].key)
        mine = store.read_table(name, SCREEN).sort_values(key, kind="stable", ignore_index=True)
        mine = mine.astype({column: "str" for column, dtype in mine.dtypes.items() if dtype == "str"})
        pd.testing.assert_frame_equal(pd.read_parquet(crate / "tables" / f"{name}.parquet"), mine)
    ranking = pd.read_csv(crate / "ranking.csv")
    scores = store.read_table("scores", SCREEN)
    best = ranking.iloc[0]
    same = scores[(scores["drug"] == best["drug"]) & (scores["readout"] == best["readout"])]
    same = same[(same["scorer"] == best["scorer"]) & (same["replicate"] == "pooled")]
    assert same["score"].item() == pytest.approx(best["score"])
    assert ranking["score"].is_monotonic_decreasing


def test_columns_have_a_meaning_and_a_unit(crate):
    graph = graph_of(crate)
    columns = [graph[link] for link in links(graph["tables/scores.parquet"]["variableMeasured"])]
    assert [column["name"] for column in columns] == TABLES["scores"].column_names
    assert graph["#column/wells.concentration_nM"]["unitText"] == "nM"
    dictionary = pd.read_csv(crate / "tables" / "data_dictionary.csv")
    assert set(dictionary["table"]) == {path.stem for path in (crate / "tables").glob("*.parquet")}
    assert dictionary["meaning"].notna().all()


def test_the_workbook_has_the_sheets_of_mihcsme_and_a_row_a_well(crate, store):
    sheets = {sheet.title: sheet.rows for sheet in read_sheets((crate / "layout_mihcsme.xlsx").read_bytes(), "layout")}
    assert list(sheets) == ["InvestigationInformation", "StudyInformation", "AssayInformation", "AssayConditions"]
    for rows in list(sheets.values())[:3]:
        assert str(rows[0][0]).startswith("# ")
        assert rows[1][0] == "Annotation_groups"
    keys = {(row[0], row[1]): row[2] for row in sheets["AssayInformation"][2:]}
    assert str(keys["ImageData", "Image number of pixelsX"]) == "48"
    assert str(keys["ImageData", "Image number of  z-stacks"]) == "2"
    head, rows = sheets["AssayConditions"][1], sheets["AssayConditions"][2:]
    assert head[:7] == ["Plate", "Well", "Treatment", "Dose", "DoseUnit", "CellLine", "ReplID"]
    wells = store.read_table("wells", SCREEN).set_index(["plate", "well"])
    assert len(rows) == len(wells)
    for row in rows:
        well = wells.loc[row[0], row[1]]
        assert row[2] == (well["treatment"] if isinstance(well["treatment"], str) else row[2])
        if not np.isnan(well["concentration_nM"]):
            assert (float(row[3]), row[4]) == (well["concentration_nM"], "nM")


def test_the_plate_browsers_table_lies_beside_and_within_the_plate(crate, store):
    beside = (crate / "conditions" / "P1.csv").read_bytes()
    within = crate / "plates" / "P1.ome.zarr" / "tables"
    assert (within / "condition" / "table.csv").read_bytes() == beside
    assert json.loads((within / "zarr.json").read_text())["attributes"] == {"tables": ["condition"]}
    about = json.loads((within / "condition" / "zarr.json").read_text())["attributes"]
    assert (about["type"], about["backend"]) == ("condition_table", "csv")
    table = pd.read_csv(io.BytesIO(beside))
    assert list(table.columns[:2]) == ["row", "col"]
    wells = store.read_table("wells", SCREEN)
    drug = table[table["treatment"] == "Trametinib"]
    expected = wells[(wells["plate"] == "P1") & (wells["treatment"] == "Trametinib")]
    assert sorted(zip(drug["row"], drug["col"], strict=True)) == sorted(
        zip(expected["row"], expected["column"], strict=True)
    )
    assert not table["treatment"].isna().any()


def test_a_copied_plate_is_the_plate(crate, store):
    for name in ("P1", "P2"):
        copy, mine = Plate.open(crate / "plates" / f"{name}.ome.zarr"), Plate.open(store.plate_path(SCREEN, name))
        assert verify_plate(copy.path).faults == []
        assert (copy.wells, copy.raw_hash) == (mine.wells, mine.raw_hash)
        for well in mine.wells:
            np.testing.assert_array_equal(np.asarray(copy.image(well, "stack")), np.asarray(mine.image(well, "stack")))
            assert copy.metadata(well)["files"] == mine.metadata(well)["files"]


def test_steps_are_runs_of_software_that_hang_together(crate):
    graph = graph_of(crate)
    run = graph["#run/viability/ctg"]
    assert run["@type"] == "CreateAction"
    assert (run["startTime"], run["endTime"]) == ("2026-03-02T09:00:00+00:00", "2026-03-02T09:00:05+00:00")
    assert {graph[link]["name"] for link in links(run["instrument"])} == {"ctg", "phenodose"}
    assert all(graph[link]["softwareVersion"] for link in links(run["instrument"]))
    assert "#made/layout/11" in links(graph["#run/layout"]["result"])
    assert "#made/layout/11" in links(run["object"])
    assert links(graph["#made/viability/ctg/22"]["isPartOf"]) == ["tables/viability.parquet"]
    assert "earlier version" in graph["#made/viability/ctg/21"]["description"]
    parameters = {graph[link]["name"]: graph[link].get("value") for link in links(run["object"])}
    assert (parameters["size"], parameters["widths"]) == (3, "[1, 2]")
    assert "two wells were left out" in run["description"]
    failed = graph["#failed-run/pseudo_rgb"]
    assert failed["actionStatus"].endswith("FailedActionStatus")
    assert "a.tif" in failed["error"]
    assert set(links(graph["./"]["mentions"])) == {
        name for name, each in graph.items() if each["@type"] == "CreateAction"
    }


def test_neither_people_nor_places_are_in_it(crate, store, made):
    told = [ACCOUNT, "Mustermann", str(made), str(store.root), "/home/", "/scratch", "Users"]
    for name, path in files_below(crate).items():
        texts = [path.read_bytes().decode("latin-1")]
        if name.endswith(".parquet"):
            texts.append(pd.read_parquet(path).to_csv())
        if name.endswith(".xlsx"):
            texts.append(str([sheet.rows for sheet in read_sheets(path.read_bytes(), name)]))
        for text in texts:
            assert not [one for one in told if one in text], name
    runs = pd.read_parquet(crate / "tables" / "runs.parquet").set_index("asset")
    assert json.loads(runs.loc["viability/ctg", "parameters"])["weights_file"] == "…/w.h5"
    page = (crate / f"{SCREEN}.html").read_bytes()
    assert b"DSS 12.5" in page
    assert seal_of(page)
    assert not is_changed(page)


def test_a_zip_holds_what_the_folder_holds(crate, store, tmp_path):
    export_crate(store, SCREEN, tmp_path / "crate.zip", licence="CC-BY-4.0", publisher="A hospital")
    with zipfile.ZipFile(tmp_path / "crate.zip") as archive:
        assert archive.testzip() is None
        there = {name: archive.read(name) for name in archive.namelist()}
    mine = {name: path.read_bytes() for name, path in files_below(crate).items()}
    assert there.keys() == mine.keys()
    assert {name for name in mine if there[name] != mine[name]} <= {"ro-crate-metadata.json", "layout_mihcsme.xlsx"}


def test_plates_that_lie_elsewhere_are_named_and_not_copied(store, tmp_path):
    made = export_crate(store, SCREEN, tmp_path / "out", plates="https://data.example.org/plates")
    graph = graph_of(tmp_path / "out")
    plate = graph["https://data.example.org/plates/P1.ome.zarr/"]
    assert plate["identifier"] == Plate.open(store.plate_path(SCREEN, "P1")).raw_hash
    assert int(plate["contentSize"]) > 0
    assert made.plates == []
    export_crate(store, SCREEN, tmp_path / "none", plates="none")
    for name in ("out", "none"):
        assert not (tmp_path / name / "plates").exists()
        assert (tmp_path / name / "conditions" / "P1.csv").is_file()
    with pytest.raises(InputError, match="copy, none, or the address"):
        export_crate(store, SCREEN, tmp_path / "x", plates="somewhere")


def test_a_crate_of_the_same_screen_is_replaced_and_anything_else_stays(made_up_store, tmp_path):
    crate, other = tmp_path / "crate", tmp_path / "thesis"
    for licence in ("first", "second"):
        export_crate(made_up_store, WITHOUT_IMAGES, crate, licence=licence)
    assert graph_of(crate)["#licence"]["name"] == "second"
    other.mkdir()
    (other / "chapter1.txt").write_text("years")
    for place, screen in ((other, SCREEN), (crate, SCREEN), (made_up_store.root / "crate", WITHOUT_IMAGES)):
        before = files_below(place) if place.exists() else {}
        with pytest.raises(InputError, match=r"already there|outside of the store"):
            export_crate(made_up_store, screen, place, plates="none")
        assert (files_below(place) if place.exists() else {}) == before
    (tmp_path / "a.zip").write_bytes(b"no zip")
    with pytest.raises(InputError, match="no crate of"):
        export_crate(made_up_store, WITHOUT_IMAGES, tmp_path / "a.zip")


def test_nothing_is_left_of_an_export_that_fails(made, tmp_path):
    shutil.copytree(made / "store", tmp_path / "store")
    store = Store.open(tmp_path / "store")
    chunk = next(path for path in sorted(store.plate_path(SCREEN, "P2").rglob("c/**/*")) if path.is_file())
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(StoreError, match="changed since it was written"):
        export_crate(store, SCREEN, tmp_path / "out")
    assert not [path.name for path in tmp_path.iterdir() if "out" in path.name]


def test_an_export_that_was_interrupted_is_written_anew(store, tmp_path, monkeypatch):
    def killed(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("phenodose.crate.export.put_plate", killed)
    with pytest.raises(KeyboardInterrupt):
        export_crate(store, SCREEN, tmp_path / "again")
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
    export_crate(store, SCREEN, tmp_path / "again", plates="none")
    assert (tmp_path / "again" / "ro-crate-metadata.json").is_file()


def test_a_screen_that_changes_meanwhile_is_no_crate(made_up_store, tmp_path, monkeypatch):
    from phenodose.crate import export

    real = export.put_ranking

    def slow(parcel, store, screen):
        rows = store.read_table("runs", screen).head(1)
        asset = rows["asset"].item()
        store.write_table("runs", screen, asset, rows.assign(finished_at=pd.Timestamp.now("UTC")))
        return real(parcel, store, screen)

    monkeypatch.setattr(export, "put_ranking", slow)
    with pytest.raises(StoreError, match="written to while it was exported"):
        export_crate(made_up_store, WITHOUT_IMAGES, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_it_wrote(made_up_store, tmp_path, capsys):
    place = tmp_path / "out.zip"
    with pytest.raises(SystemExit) as ended:
        main(["export", WITHOUT_IMAGES, "--store", str(made_up_store.root), "--crate", str(place), "--json"])
    assert ended.value.code == 0
    said = json.loads(capsys.readouterr().out)
    assert said["plates"] == []
    assert any("no plates of images" in note for note in said["notes"])
    assert any("no report" in note for note in said["notes"])
    assert place.is_file()
    for words, told in (
        (["export", "b"], "say where to"),
        (["export", "nobody", "--crate", str(tmp_path / "n")], "nobody"),
        (["export", "a", "b", "--plates", "none"], "--crate"),
        (["export", WITHOUT_IMAGES, "--crate", "s3://bucket/x"], "on this machine"),
    ):
        with pytest.raises(SystemExit) as ended:
            main([*words, *(["--store", str(made_up_store.root)] if "b" not in words else [])])
        assert ended.value.code == 2
        assert told in capsys.readouterr().err


def test_a_store_in_a_bucket_gives_the_same_crate(store, crate, tmp_path, s3):
    from phenodose.io.places import place, upload_tree

    for part in (f"screens/{SCREEN}", "reports", *(f"tables/{name}/screen={SCREEN}" for name in TABLES)):
        if (store.root / part).is_dir():
            upload_tree(store.root / part, place(f"s3://bucket/store/{part}"))
    export_crate(Store.open("s3://bucket/store"), SCREEN, tmp_path / "out", licence="CC-BY-4.0", publisher="A hospital")
    remote, local = files_below(tmp_path / "out"), files_below(crate)
    assert remote.keys() == local.keys()
    different = [name for name in local if local[name].read_bytes() != remote[name].read_bytes()]
    timed = {"ro-crate-metadata.json", "layout_mihcsme.xlsx"}
    assert set(different) <= timed | {f"{SCREEN}.html", "tables/screens.parquet"}
