"""An HTD file that is not of the images beside it is told: its names of channels would count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from phenodose_readers.imagexpress import ImageXpressReader

HTD = (
    '"HTSInfoFile", Version 1.0\r\n"TimePoints", 1\r\n"XWells", 12\r\n"YWells", 8\r\n"WellsSelection2", FALSE, TRUE\r\n'
    '"Sites", FALSE\r\n"NWavelengths", {waves}\r\n"WaveName1", "Hoechst"\r\n"WaveName2", "Cy5"\r\n"EndFile"\r\n'
)


def notes(folder: Path, htd: str, waves: int = 2, *more: str) -> list[str]:
    for number, name in enumerate(("P1_B02_w1.TIF", "P1_B02_w2.TIF", *more)):
        (folder / name).parent.mkdir(exist_ok=True)
        tifffile.imwrite(folder / name, np.random.default_rng(number).integers(0, 999, (8, 8), np.uint16))
    (folder / htd).write_text(HTD.format(waves=waves))
    reader = ImageXpressReader()
    return reader.plate_metadata(folder, reader.index(folder))["notes"]


def test_an_htd_file_that_fits_gives_no_note(tmp_path):
    assert notes(tmp_path, "P1.HTD") == []


def test_the_htd_file_of_another_plate(tmp_path):
    (told,) = notes(tmp_path, "P7.HTD")
    assert told.startswith("The images are named as plate 'P1', the HTD file 'P7.HTD' is not")


def test_more_images_than_the_htd_file_plans(tmp_path):
    told = " ".join(notes(tmp_path, "P1.HTD", 1, "P1_D07_w1.TIF", "P1_D07_w2.TIF"))
    assert "The HTD file plans 1 wavelengths, images of more (2) are there" in told
    assert "Images are there of 1 wells that the HTD file does not plan: D07." in told


def test_images_outside_of_the_time_points(tmp_path):
    told = " ".join(notes(tmp_path, "P1.HTD", 2, "TimePoint_1/P1_B02_w1.TIF", "TimePoint_1/P1_B02_w2.TIF"))
    assert "2 images lie outside of the TimePoint folders" in told
