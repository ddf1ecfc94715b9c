"""The reader cellvoyager: measurements made as the instrument lays them out, read back image by image."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from phenodose.errors import InputError
from phenodose.plugins import PLANES
from phenodose.testing import ReaderConformance
from phenodose_cellvoyager import CellVoyagerReader

SPACE = 'xmlns:bts="http://www.yokogawa.co.jp/BTS/BTSSchema/1.0"'
STEPS, CHANNELS = 3, (1, 3)


def name_of(row, column, field, z, channel):
    return f"AssayPlate_{'ABCDEFGH'[row - 1]}{column:02}_T0001F{field:03}L01A01Z{z:02}C{channel:02}.tif"


def write_measurement(folder):
    """Two wells of two fields, two channels (numbers 1 and 3) and three heights, the highest first."""
    rng = np.random.default_rng(3)
    records, pixels = [], {}
    for row, column in ((2, 2), (3, 11)):
        for field in (1, 2):
            for channel in CHANNELS:
                for z in range(1, STEPS + 1):
                    name = name_of(row, column, field, z, channel)
                    pixels[name] = rng.integers(100, 4000, (32, 48), dtype=np.uint16)
                    tifffile.imwrite(folder / name, pixels[name])
                    records.append(
                        f'<bts:MeasurementRecord bts:Type="IMG" bts:Time="2026-03-02T10:00:0{z}+01:00" '
                        f'bts:Column="{column}" bts:Row="{row}" bts:TimePoint="1" bts:FieldIndex="{field}" '
                        f'bts:TimelineIndex="1" bts:ZIndex="{z}" bts:X="{field * 10}" bts:Y="-5" bts:Z="{40 - 10 * z}" '
                        f'bts:Ch="{channel}">{name}</bts:MeasurementRecord>'
                    )
    records.append(
        '<bts:MeasurementRecord bts:Type="ERR" bts:Time="2026-03-02T10:01:00+01:00">lamp off</bts:MeasurementRecord>'
    )
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    (folder / "MeasurementData.mlf").write_text(
        f"{head}<bts:MeasurementData {SPACE}>{''.join(records)}</bts:MeasurementData>", encoding="utf-8-sig"
    )
    channels = "".join(
        f'<bts:MeasurementChannel bts:Ch="{c}" bts:HorizontalPixelDimension="0.65" bts:VerticalPixelDimension="0.65"/>'
        for c in CHANNELS
    )
    (folder / "MeasurementDetail.mrf").write_text(
        f'{head}<bts:MeasurementDetail {SPACE} bts:RowCount="8" bts:ColumnCount="12" '
        f'bts:BeginTime="2026-03-02T10:00:00+01:00">{channels}</bts:MeasurementDetail>',
        encoding="utf-8",
    )
    (folder / "protocol.mes").write_text(
        f'{head}<bts:MeasurementSetting {SPACE}><bts:ChannelList><bts:Channel bts:Ch="1" bts:Target="Hoechst" '
        'bts:Acquisition="BP445/45" bts:ExposureTime="50"/></bts:ChannelList></bts:MeasurementSetting>',
        encoding="utf-8",
    )
    return pixels


@pytest.fixture
def measurement(tmp_path):
    """A measurement and its pixels by file."""
    return tmp_path, write_measurement(tmp_path)


class TestContract(ReaderConformance):
    """Every rule of the contract for readers."""

    plugin = CellVoyagerReader

    def make_raw(self, folder):
        write_measurement(folder)


def test_every_image_is_found_with_its_place_and_pixels(measurement):
    folder, pixels = measurement
    reader = CellVoyagerReader()
    assert reader.sniff(folder) == 1
    index = reader.index(folder)
    assert list(index.columns) == list(PLANES.column_names)
    assert set(index["path"]) == set(pixels)
    assert index["well"].unique().tolist() == ["B02", "C11"]
    assert sorted(index["channel"].unique()) == [0, 1]
    for plane in index.itertuples():
        np.testing.assert_array_equal(reader.read_plane(folder, plane), pixels[plane.path])


def test_the_lowest_plane_comes_first_whatever_the_instrument_did_first(measurement):
    index = CellVoyagerReader().index(measurement[0])
    stack = index[(index["well"] == "B02") & (index["site"] == 1) & (index["channel"] == 0)]
    assert stack["z"].tolist() == [0, 1, 2]
    assert stack["z_um"].tolist() == [10.0, 20.0, 30.0]


def test_what_the_instrument_says_is_kept(measurement):
    folder, _ = measurement
    reader = CellVoyagerReader()
    index = reader.index(folder)
    first = index.iloc[0]
    assert (first["pixel_size_um"], first["channel_name"], first["wavelength_nm"], first["exposure_ms"]) == (
        0.65,
        "Hoechst",
        445.0,
        50.0,
    )
    assert index[index["channel"] == 1]["channel_name"].unique().tolist() == ["channel 3"]
    metadata = reader.plate_metadata(folder, index)
    assert metadata["plate_format"] == [8, 12]
    assert metadata["notes"] == ["the instrument reports 1 errors, the first: lamp off"]


def test_all_faults_are_told_at_once(measurement):
    folder, _ = measurement
    (folder / name_of(2, 2, 1, 1, 1)).unlink()
    (folder / name_of(3, 11, 2, 3, 3)).write_bytes(b"no image")
    with pytest.raises(InputError) as raised:
        CellVoyagerReader().index(folder)
    assert name_of(2, 2, 1, 1, 1) in str(raised.value)
    assert name_of(3, 11, 2, 3, 3) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<bts:MeasurementData", "MeasurementData.mlf cannot be read"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><MeasurementData/>', "declares a document type"),
        ("<MeasurementData/>", "lists no image of time line 1"),
    ],
)
def test_a_damaged_list_is_refused_with_a_sentence(measurement, text, said):
    folder, _ = measurement
    (folder / "MeasurementData.mlf").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        CellVoyagerReader().index(folder)


def test_a_file_outside_the_folder_is_not_read(measurement):
    folder, _ = measurement
    text = (folder / "MeasurementData.mlf").read_text(encoding="utf-8-sig")
    text = text.replace(name_of(2, 2, 1, 1, 1), "../secret.tif")
    (folder / "MeasurementData.mlf").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"\.\./secret\.tif is listed in MeasurementData\.mlf and not in the folder"):
        CellVoyagerReader().index(folder)


def test_other_folders_are_not_its_own(tmp_path):
    assert CellVoyagerReader().sniff(tmp_path) == 0
    assert CellVoyagerReader().sniff(tmp_path / "nowhere") == 0
