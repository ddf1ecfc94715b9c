"""Every kind of damage to a plate is found and named; an undamaged plate has no fault."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phenodose.cli import main
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.verify import verify_plate
from phenodose_readers.imagexpress import ImageXpressReader


@pytest.fixture
def raw(raw_plate):
    return raw_plate()


@pytest.fixture
def plate(raw, tmp_path):
    out = tmp_path / "P1.ome.zarr"
    ingest_plate(raw, out, ImageXpressReader(), "P1")
    return out


def test_a_whole_plate_has_no_fault(plate, raw):
    result = verify_plate(plate, raw, ImageXpressReader())
    assert result.faults == []
    assert (result.n_wells, result.n_raw) == (3, 12)
    assert result.n_files == sum(1 for p in plate.glob("*/*/**/*") if p.is_file())


@given(st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_flipped_bit_below_a_well_is_found(plate, data):
    files = sorted(p for p in plate.glob("*/*/**/*") if p.is_file())
    file = data.draw(st.sampled_from(files))
    whole = file.read_bytes()
    damaged = bytearray(whole)
    damaged[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        file.write_bytes(damaged)
        (fault,) = verify_plate(plate).faults
    finally:
        file.write_bytes(whole)
    well = "".join(file.relative_to(plate).parts[:2])
    assert str(file) in fault
    assert f"well {well}" in fault


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("cut", r"C/02/0/0/c/0/0/0/0: well C02: the file has \d+ of \d+ bytes; delete the folder"),
        ("shard", "C/02/0/0/c/0/0/0/0: well C02: the file is missing"),
        ("well", "C/02: well C02 is missing; run `phenodose ingest` again"),
        ("root", "the plate's attributes are damaged"),
    ],
)
def test_every_damage_is_named(plate, damage, expected):
    shard = plate / "C/02/0/0/c/0/0/0/0"
    if damage == "cut":
        shard.write_bytes(shard.read_bytes()[:100])
    elif damage == "shard":
        shard.unlink()
    elif damage == "well":
        shutil.rmtree(plate / "C/02")
    else:
        text = (plate / "zarr.json").read_text()
        (plate / "zarr.json").write_text(text.replace('"z_step_um":2.5', '"z_step_um":2.6'))
    (fault,) = verify_plate(plate).faults
    assert re.search(expected, fault)


def test_raw_images_that_changed_are_gone_or_are_new_are_named(plate, raw):
    changed = next(raw.rglob("ZStep_2/*_B03_*"))
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    gone = next(raw.rglob("ZStep_1/*_B02_*"))
    gone.unlink()
    new = shutil.copy(next(raw.rglob("77/*_C02_*")), raw / "2026-01-01/77/Plate_x_C03_s1_w1.tif")
    new.write_bytes(new.read_bytes().replace(b"C02 : Site", b"C03 : Site"))
    faults = verify_plate(plate, raw, ImageXpressReader()).faults
    assert len(faults) == 3
    assert any(changed.name in fault and "well B03: the raw image is not the one" in fault for fault in faults)
    assert any(gone.name in fault and "well B02: there is no such file" in fault for fault in faults)
    assert any("well C03: 1 raw images are not in the plate" in fault for fault in faults)


def test_a_raw_folder_that_cannot_be_indexed_is_a_fault_too(plate, raw):
    cut = next(raw.rglob("ZStep_2/*_B03_*"))
    cut.write_bytes(cut.read_bytes()[:-10])
    faults = verify_plate(plate, raw, ImageXpressReader()).faults
    assert len(faults) == 2
    assert all(cut.name in fault for fault in faults)


def run(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    captured = capsys.readouterr()
    return left.value.code, captured.out, captured.err


def test_the_commands(raw, tmp_path, capsys):
    out = tmp_path / "plates" / "P7.ome.zarr"
    code, said, _ = run(["ingest", str(raw), str(out)], capsys)
    assert code == 0
    assert "3 wells, 12 images of 40 x 48 px, 3 planes a stack (reader imagexpress); 3 wells written" in said
    code, said, _ = run(["ingest", str(raw), str(out), "--json"], capsys)
    record = json.loads(said)
    assert (code, record["wells_written"], record["reader"]) == (0, [], "imagexpress")
    code, said, _ = run(["verify", str(out), "--raw", str(raw)], capsys)
    assert code == 0
    assert "3 wells" in said
    shard = out / "C/02/0/0/c/0/0/0/0"
    shard.write_bytes(shard.read_bytes()[:100])
    code, _, complaint = run(["verify", str(out)], capsys)
    assert code == 2
    assert "well C02" in complaint
    code, said, _ = run(["verify", str(out), "--json"], capsys)
    found = json.loads(said)
    assert (code, found["ok"], len(found["faults"])) == (2, False, 1)
    code, _, complaint = run(["ingest", str(raw), str(tmp_path / "raw")], capsys)
    assert code == 2
    assert "no plate that phenodose made" in complaint
    code, _, complaint = run(["ingest", str(raw), str(out), "--reader", "nobody"], capsys)
    assert code == 2
    assert "reader 'nobody' is not installed" in complaint
