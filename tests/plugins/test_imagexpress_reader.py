"""The ImageXpress reader against every trap of its file names, folders and tags."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from phenodose import names
from phenodose.errors import InputError
from phenodose.plugins import PLANES
from phenodose_readers.imagexpress import ImageXpressReader
from phenodose_readers.imagexpress_files import parse_name
from phenodose_readers.metaseries import parse_htd, parse_tags

GUID = "401562CF-1A2B-4C3D-8E9F-001122334455"


def image(path: Path, pixels: np.ndarray | None = None, **tags: object) -> Path:
    """A small TIFF file with MetaSeries tags; without tags it says nothing of itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = {int: "int", float: "float", str: "string"}
    props = "".join(f'<prop id="{k}" type="{kinds[type(v)]}" value="{v}"/>\n' for k, v in tags.items())
    pixels = np.zeros((8, 12), np.uint16) if pixels is None else pixels
    text, software = (f"<MetaData>{props}</MetaData>", "MetaSeries") if tags else (None, None)
    tifffile.imwrite(path, pixels, description=text, metadata=None, software=software)
    return path


def exposure(z: float, when: str = "20260101 10:00:00", **more: object) -> dict[str, object]:
    return {"ImageXpress Micro Z": z, "acquisition-time-local": when, **more}


def index(folder: Path):
    found = ImageXpressReader().index(folder)
    assert PLANES.faults(found) == []
    return found


def table(folder: Path, *columns: str) -> list[tuple]:
    return list(index(folder)[list(columns)].itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"Projection-Mix_E07_s1_w1{GUID}.tif", ("E07", 1, 1, False)),
        (f"Projection-Mix_E07_s1{GUID}.tif", ("E07", 1, None, False)),
        (f"a_b_c_B02_w12{GUID}.tif", ("B02", None, 12, False)),
        (f"exp126-d0_C03_thumb{GUID}.tif", ("C03", None, None, True)),
        (f"P_E07_s1_w2_thumb{GUID}.tif", ("E07", 1, 2, True)),
        ("9987_B02.TIF", ("B02", None, None, False)),
        ("9987_AF48_s12_w3.TIF", ("AF48", 12, 3, False)),
        ("A01_H12_s3.tiff", ("H12", 3, None, False)),
        ("s1_w1_B02_s4_w2.TIF", ("B02", 4, 2, False)),
        ("overview.tif", None),
        ("B02.tif", None),
        ("._9987_B02.TIF", None),
        ("9987_B02.png", None),
        ("9987.HTD", None),
    ],
)
def test_file_names(name, expected):
    parsed = parse_name(name)
    assert (parsed and (parsed.well, parsed.site, parsed.wave, parsed.thumb)) == expected


@given(
    plate=st.from_regex(r"[A-Za-z0-9 _-]{1,12}", fullmatch=True),
    row=st.integers(0, 31),
    column=st.integers(1, 48),
    site=st.none() | st.integers(1, 99),
    wave=st.none() | st.integers(1, 20),
    guid=st.none() | st.uuids(),
)
def test_any_name_that_the_instrument_writes_is_understood(plate, row, column, site, wave, guid):
    well = names.well_name(names.row_label(row), column)
    # A plate name that itself ends like a well and is followed by _s or _w cannot be told apart; MetaXpress adds _WELL.
    name = f"{plate}_{well}"
    name += f"_s{site}" if site is not None else ""
    name += f"_w{wave}" if wave is not None else ""
    parsed = parse_name(name + (str(guid).upper() if guid else "") + ".tif")
    assert parsed is not None
    assert (parsed.well, parsed.site, parsed.wave, parsed.thumb) == (well, site, wave, False)


def test_tags_are_typed_and_unescaped():
    text = (
        '<prop id="wavelength" type="float" value="447"/>'
        '<prop id="Description" type="string" value="a&#13;&#10;b &#38; c"/>'
        '<custom-prop id="SiteX" type="int" value="2"/><prop id="odd" type="float" value="none"/>'
        '<prop id="score" type="float" value="nan"/><prop id="count" type="int" value="many"/>'
    )
    assert parse_tags(text) == {"wavelength": 447.0, "Description": "a\r\nb & c", "SiteX": 2} | {
        "odd": "none",
        "score": "nan",
        "count": "many",
    }
    assert parse_tags("no tags") == {}


def test_database_layout_with_projection_in_the_folder_above(tmp_path):
    base = tmp_path / "2026-01-01" / "12"
    for step, height in ((1, 100.0), (2, 104.9), (10, 145.1)):
        image(base / f"ZStep_{step}" / f"P_B02_s1_w1{GUID}.tif", **exposure(height, f"t{step}"))
    tags = {"Z Projection Method": "Maximum", "Z Projection Step Size": 5.0, "z-position": 122.0}
    image(base / f"P_B02_s1_w1{GUID}.tif", **exposure(100.0, "t1", **tags))
    image(base / "ZStep_1" / f"P_B02_s1_w1_thumb{GUID}.tif", **exposure(100.0))
    assert table(tmp_path, "projection", "z", "z_um", "z_step_um") == [
        ("", 0, 100.0, 5.0),
        ("", 1, 104.9, 5.0),
        ("", 9, 145.1, 5.0),
        ("maximum", 0, pytest.approx(float("nan"), nan_ok=True), 5.0),
    ]


def test_channels_may_hold_a_stack_another_projection_only_a_projection_or_one_plane(tmp_path):
    for step in (1, 2):
        for wave in (1, 2):
            image(tmp_path / f"ZStep_{step}" / f"P_B02_w{wave}{GUID}.tif", **exposure(10.0 * step, f"{wave}{step}"))
    image(tmp_path / f"P_B02_w1{GUID}.tif", **exposure(10.0, "11", **{"Z Projection Method": "Maximum"}))
    image(tmp_path / f"P_B02_w2{GUID}.tif", **exposure(10.0, "21", **{"Z Projection Method": "Best Focus"}))
    image(tmp_path / f"P_B02_w3{GUID}.tif", **exposure(10.0, "31", **{"Z Projection Method": "Maximum"}))
    image(tmp_path / "ZStep_1" / f"P_B02_w4{GUID}.tif", **exposure(10.0, "41"))
    assert table(tmp_path, "channel", "projection", "z") == [
        (0, "", 0),
        (0, "", 1),
        (0, "maximum", 0),
        (1, "", 0),
        (1, "", 1),
        (1, "best-focus", 0),
        (2, "maximum", 0),
        (3, "", 0),
    ]


def test_copies_that_an_export_puts_into_every_step_are_recognised(tmp_path):
    base = tmp_path / "9987_Plate_3434" / "TimePoint_1"
    for step in (0, 1, 2):
        place = base / f"ZStep_{step}"
        if step:
            image(place / "9987_B02_s1_w1.TIF", **exposure(10.0 * step, f"1{step}"))
        else:
            image(place / "9987_B02_s1_w1.TIF", **exposure(10.0, "11", **{"Z Projection Method": "Maximum"}))
        image(place / "9987_B02_s1_w2.TIF", **exposure(10.0, "2", **{"Z Projection Method": "Maximum"}))
        image(place / "9987_B02_s1_w3.TIF", **exposure(10.0, "3"))
    found = index(tmp_path)
    rows = list(found[["channel", "projection", "z", "path"]].itertuples(index=False, name=None))
    path = "9987_Plate_3434/TimePoint_1/ZStep_{}/9987_B02_s1_w{}.TIF"
    assert rows == [
        (0, "", 0, path.format(1, 1)),
        (0, "", 1, path.format(2, 1)),
        (0, "maximum", 0, path.format(0, 1)),
        (1, "maximum", 0, path.format(0, 2)),
        (2, "", 0, path.format(1, 3)),
    ]


def test_time_points_waves_and_sites_that_are_left_out_of_names(tmp_path):
    for time in (1, 3):
        image(tmp_path / f"TimePoint_{time}" / "x_B02.TIF", **exposure(1.0, f"t{time}"))
    assert table(tmp_path, "well", "site", "time", "channel", "z") == [("B02", 1, 0, 0, 0), ("B02", 1, 1, 0, 0)]


def test_waves_above_nine_are_numbered_in_order(tmp_path):
    for wave in (2, 10, 11):
        image(tmp_path / f"x_B02_w{wave}.TIF", **exposure(1.0, f"w{wave}"), wavelength=float(400 + wave))
    assert table(tmp_path, "channel", "wavelength_nm") == [(0, 402.0), (1, 410.0), (2, 411.0)]


def test_a_stack_taken_from_the_top_is_turned_over(tmp_path):
    for step in (1, 2, 3):
        image(tmp_path / f"ZStep_{step}" / f"x_B02{GUID}.tif", **exposure(100.0 - 2.4 * step, str(step)))
    assert table(tmp_path, "z", "z_um", "z_step_um") == [
        (0, pytest.approx(92.8), 2.4),
        (1, pytest.approx(95.2), 2.4),
        (2, pytest.approx(97.6), 2.4),
    ]


def test_without_tags_folders_tell_projections(tmp_path):
    for step in (1, 2):
        image(tmp_path / f"ZStep_{step}" / f"x_B02{GUID}.tif")
    image(tmp_path / f"x_B02{GUID}.tif")
    assert table(tmp_path, "projection", "z") == [("", 0), ("", 1), ("maximum", 0)]


def test_every_column_that_the_tags_know_is_filled_and_all_tags_are_kept(tmp_path):
    image(
        tmp_path / f"x_B02_s2{GUID}.tif",
        **exposure(9318.24, "20230221 10:41:56.561"),
        **{
            "stage-label": "B02 : Site 2",
            "spatial-calibration-x": 0.343,
            "spatial-calibration-units": "um",
            "_IllumSetting_": "Hoechst",
            "wavelength": 447.0,
            "Exposure Time": "15 ms",
            "stage-position-x": 1.5,
            "stage-position-y": 2.5,
            "_MagSetting_": "20X Plan Apo Lambda",
            "scale-max": 1437,
        },
    )
    (row,) = index(tmp_path).itertuples()
    assert (row.well, row.row, row.column, row.site) == ("B02", "B", 2, 2)
    assert (row.size_y_px, row.size_x_px, row.dtype, row.pixel_size_um) == (8, 12, "uint16", 0.343)
    assert (row.z_um, row.channel_name, row.wavelength_nm, row.exposure_ms) == (9318.24, "Hoechst", 447.0, 15.0)
    assert (row.stage_x_um, row.stage_y_um, row.acquired_at) == (1.5, 2.5, "20230221 10:41:56.561")
    kept = json.loads(row.metadata)
    assert kept["_MagSetting_"] == "20X Plan Apo Lambda"
    assert kept["scale-max"] == 1437
    assert kept["stage-label"] == "B02 : Site 2"


@pytest.mark.parametrize(("text", "expected"), [("15 ms", 15.0), ("1.5 s", 1500.0), ("800 us", 0.8), ("long", None)])
def test_exposure_times(tmp_path, text, expected):
    image(tmp_path / "x_B02.tif", **{"Exposure Time": text})
    value = index(tmp_path)["exposure_ms"].iloc[0]
    assert value is None if expected is None else value == pytest.approx(expected)


def test_two_files_for_one_image_are_a_fault_naming_both(tmp_path):
    image(tmp_path / f"x_B02_w1{GUID}.tif", **exposure(1.0))
    image(tmp_path / f"x_B02_w1{GUID[:-1]}6.tif", **exposure(1.0))
    with pytest.raises(InputError, match=r"well B02: .*4455\.tif and .*4456\.tif both claim .*move the other out"):
        index(tmp_path)


def test_two_different_projections_for_one_place_are_a_fault(tmp_path):
    for step in (0, 1):
        tags = exposure(1.0, f"t{step}", **{"Z Projection Method": "Maximum"})
        image(tmp_path / f"ZStep_{step}" / "x_B02.tif", **tags)
    with pytest.raises(InputError, match=r"well B02: .* both claim .*the maximum projection"):
        index(tmp_path)


def test_a_label_that_contradicts_the_name_is_a_fault(tmp_path):
    image(tmp_path / "x_B02_s1.tif", **{"stage-label": "B02 : Site 2"})
    image(tmp_path / "x_C02.tif", **{"stage-label": "C02 : Site 5"})  # the name tells no site
    with pytest.raises(InputError, match=r"x_B02_s1\.tif: the name says well B02 site 1, .* 'B02 : Site 2'"):
        index(tmp_path)


def test_all_faults_are_told_at_once(tmp_path):
    image(tmp_path / "x_AG02.tif")
    image(tmp_path / "x_B99.tif")
    with pytest.raises(InputError, match="2 faults") as told:
        index(tmp_path)
    assert "x_AG02.tif: row 'AG'" in str(told.value)
    assert "x_B99.tif: well 'B99': columns run from 1 to 48" in str(told.value)


def test_damaged_files_are_all_named_with_well_and_remedy(tmp_path):
    for well in ("B02", "B03", "B04"):
        image(tmp_path / f"x_{well}.tif", **exposure(1.0))
    for well in ("B02", "B04"):
        path = tmp_path / f"x_{well}.tif"
        path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError) as told:
        index(tmp_path)
    for well, damaged in (("B02", True), ("B03", False), ("B04", True)):
        assert (f"x_{well}.tif: well {well}: the file is truncated" in str(told.value)) == damaged
    assert "copy the file again from the microscope" in str(told.value)


def test_two_acquisitions_are_a_fault(tmp_path):
    for acquisition in ("12", "13"):
        image(tmp_path / "2026-01-01" / acquisition / f"x_B02{GUID}.tif", **exposure(1.0))
    with pytest.raises(
        InputError, match=r"2 acquisitions \('2026-01-01/12' .*, '2026-01-01/13' .*\).*move all but the one"
    ):
        index(tmp_path)


def test_a_folder_without_images_is_told(tmp_path):
    with pytest.raises(InputError, match="no ImageXpress image in or below the folder"):
        index(tmp_path)


def test_sniffing(tmp_path):
    reader = ImageXpressReader()
    assert reader.sniff(tmp_path) == 0
    assert reader.sniff(tmp_path / "nowhere") == 0
    (tmp_path / "x_B02.tif").write_bytes(b"no image")
    assert reader.sniff(tmp_path) == 0
    image(tmp_path / "x_B02.tif")
    assert reader.sniff(tmp_path) == 0.5
    image(tmp_path / "x_B02.tif", **exposure(1.0))
    assert reader.sniff(tmp_path) == 1


HTD = b""""HTSInfoFile", Version 1.0\r
"Description", "1t-1w\x82\x81DAPI: 1z"\r
"XWells", 3\r
"YWells", 2\r
"WellsSelection1", FALSE, TRUE, TRUE\r
"WellsSelection2", FALSE, FALSE, TRUE\r
"WaveName1", "DAPI"\r
"EndFile"\r
"""


def test_the_htd_file_tells_the_plate(tmp_path):
    image(tmp_path / "9987_Plate_1" / "TimePoint_1" / "x_A02.TIF", **exposure(1.0))
    image(tmp_path / "9987_Plate_1" / "TimePoint_1" / "x_A02_thumb.TIF", **exposure(1.0))
    path = tmp_path / "9987_Plate_1" / "TimePoint_1" / "9987.HTD"
    path.write_bytes(HTD)
    assert parse_htd(path)["WaveName1"] == "DAPI"
    metadata = ImageXpressReader().plate_metadata(tmp_path, index(tmp_path))
    assert metadata["acquisition"] == "9987_Plate_1"
    assert metadata["plate_format"] == [2, 3]
    assert metadata["wells_without_images"] == ["A03", "B03"]
    assert metadata["thumbnails_passed_over"] == 1
    assert json.loads(json.dumps(metadata)) == metadata


def test_pixels_are_read_as_they_are(tmp_path):
    pixels = np.arange(96, dtype=np.uint16).reshape(8, 12)
    image(tmp_path / "deep" / "x_B02.tif", pixels, **exposure(1.0))
    (row,) = index(tmp_path).itertuples()
    np.testing.assert_array_equal(ImageXpressReader().read_plane(tmp_path, row), pixels)
