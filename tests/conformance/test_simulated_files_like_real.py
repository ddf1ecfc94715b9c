"""Simulated raw files use the instrument's own tags: those of the real acquisitions, spelled alike."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import tifffile

from phenodose.simulation import simulate_screen

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "reference" / "imagexpress"

pytestmark = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real ImageXpress acquisitions are not beside the project"
)


def entries(file: Path) -> dict[str, tuple[str, str]]:
    """Tag -> (element, type) of the XML in a file."""
    with tifffile.TiffFile(file) as tiff:
        root = ET.fromstring(tiff.pages[0].description)
    return {e.attrib["id"]: (e.tag, e.attrib["type"]) for e in root.iter() if "id" in e.attrib}


def test_tags_are_those_of_real_files(tmp_path: Path) -> None:
    folder = tmp_path / "S_CE"
    simulate_screen(folder, kind="control-experiment", control_wells=4, size_px=48, planes=2)
    acquired = [file for file in REAL.rglob("*") if file.suffix.lower() == ".tif" and "_thumb" not in file.name]
    real_projection = entries(next(file for file in acquired if "ZStep" not in str(file) and "_s1" in file.name))
    real_plane = entries(next(file for file in acquired if "ZStep_1" in str(file)))
    plane = entries(next(folder.glob("P1/*/*/ZStep_1/*.tif")))
    projection = entries(next(folder.glob("P1/*/*/*.tif")))
    assert plane.items() <= real_plane.items()
    assert projection.items() <= real_projection.items()


def test_names_and_folders_are_built_like_real_ones(tmp_path: Path) -> None:
    folder = tmp_path / "S_CE"
    simulate_screen(folder, kind="control-experiment", control_wells=4, size_px=48, planes=2)
    guid = r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}"
    pattern = re.compile(rf"\d{{4}}-\d\d-\d\d/\d+/(ZStep_\d+/)?.+_[A-P]\d\d(_s\d+)?(_thumb)?{guid}\.tif")
    real = REAL / "SingleChannel"
    for root in (real, folder / "P1"):
        files = [file.relative_to(root).as_posix() for file in root.rglob("*.tif")]
        assert files
        assert all(pattern.fullmatch(name) for name in files)
