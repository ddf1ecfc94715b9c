"""Raw images that are at fault: one message with file and remedy, and everything in the store as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from phenodose.cli import main
from phenodose.errors import InputError
from phenodose.plates.ingest import ingest_plate
from phenodose_readers.imagexpress import ImageXpressReader

CLI = "import sys; from phenodose.cli import main; main(sys.argv[1:])"


@pytest.fixture
def stored(raw_plate, tmp_path):
    """A raw folder, its plate, and the file that is going to be at fault."""
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    ingest_plate(raw, out, ImageXpressReader(), "P1")
    return raw, out, next(raw.rglob("ZStep_2/*_B03_*"))


def truncate(raw, path, image):
    path.write_bytes(path.read_bytes()[:-100])


def empty(raw, path, image):
    path.write_bytes(b"")


def no_tiff(raw, path, image):
    path.write_bytes(b"MZ" + bytes(500))


def wrong_shape(raw, path, image):
    image(path, np.zeros((20, 20), np.uint16), **{"stage-label": "B03 : Site 1"})


def wrong_dtype(raw, path, image):
    image(path, np.zeros((40, 48), np.uint8), **{"stage-label": "B03 : Site 1"})


def no_pixel_type(raw, path, image):
    image(path, np.zeros((40, 48), np.float32), **{"stage-label": "B03 : Site 1"})


def twice(raw, path, image):
    shutil.copy(path, path.with_name("Plate_x_B03_s1_w100000000-0000-0000-0000-000000000000.tif"))


def label(raw, path, image):
    image(path, np.zeros((40, 48), np.uint16), **{"stage-label": "B04 : Site 1"})


def linked_out(raw, path, image):
    elsewhere = raw.parent / "elsewhere.tif"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


@pytest.mark.parametrize(
    ("spoil", "cause", "remedy"),
    [
        (truncate, "the file is truncated", "copy the file again"),
        (empty, "the file is empty", "copy the file again"),
        (no_tiff, "no TIFF image or its header is damaged", "copy the file again"),
        (wrong_shape, "is 20 x 20 px uint16", "move it out of the folder or export it again"),
        (wrong_dtype, "is 40 x 48 px uint8", "move it out of the folder or export it again"),
        (no_pixel_type, "float32", "export it"),
        (twice, "both claim", "keep the one that counts"),
        (label, "'B04 : Site 1'", "restore its name or copy the plate again"),
        (linked_out, "elsewhere.tif", "into the folder"),
    ],
)
def test_one_message_with_file_and_remedy(stored, raw_plate, tmp_path, contents, capsys, spoil, cause, remedy):
    raw, out, path = stored
    before = contents(out), sorted(tmp_path.iterdir())
    spoil(raw, path, raw_plate.image)
    for target in (out, tmp_path / "new.ome.zarr"):
        with pytest.raises(SystemExit) as left:
            main(["ingest", str(raw), str(target)])
        said = capsys.readouterr().err
        assert left.value.code == 2
        assert path.name in said
        assert cause in said
        assert remedy in said
        assert "Traceback" not in said
    assert (contents(out), sorted(tmp_path.iterdir())) == before


@pytest.mark.parametrize("path", ["../outside.tif", "/etc/hostname", "2026-01-01/../../outside.tif"])
def test_a_path_that_leaves_the_folder(stored, tmp_path, contents, path):
    raw, out, _ = stored
    before = contents(out)

    class Wandering(ImageXpressReader):
        def index(self, folder):
            index = super().index(folder)
            index.loc[0, "path"] = path
            return index

    with pytest.raises(InputError, match=f"{path} leads out of the folder; copy the image into the folder"):
        ingest_plate(raw, out, Wandering(), "P1")
    assert contents(out) == before


def test_a_linked_raw_folder_is_no_fault(stored, tmp_path):
    raw, out, _ = stored
    (tmp_path / "link").symlink_to(raw)
    assert ingest_plate(tmp_path / "link", out, ImageXpressReader(), "P1").wells_written == []


def test_a_file_that_may_not_be_read(stored, tmp_path, contents):
    raw, out, path = stored
    before = contents(out)
    path.chmod(0)
    command = [sys.executable, "-c", CLI, "ingest", str(raw), str(out)]
    if os.geteuid() == 0:
        # Permissions do not count for root, unless it gives up its power over them.
        if shutil.which("setpriv") is None:
            pytest.skip("run as root, and setpriv is not installed")
        command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert path.name in done.stderr
    assert "the file cannot be read (Permission denied); check its permissions" in done.stderr
    path.chmod(0o644)
    assert contents(out) == before


def test_a_place_that_may_not_be_written(stored, tmp_path, capsys):
    raw, _, _ = stored
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SystemExit) as left:
        main(["ingest", str(raw), str(tmp_path / "file" / "P1.ome.zarr")])
    assert left.value.code == 2
    assert "the plate cannot be written" in capsys.readouterr().err
