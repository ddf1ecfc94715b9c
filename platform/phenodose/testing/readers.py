"""The rules of readers.

Belongs here: `ReaderConformance`. Does not belong here: what every plugin keeps (`rules`); a raw folder of the
microscope, which the plugin's author makes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from phenodose.errors import InputError
from phenodose.plugins import PLANES, Reader
from phenodose.testing import synthetic
from phenodose.testing.isolation import refuse_traces
from phenodose.testing.operations import TooManyOperations, counted
from phenodose.testing.rules import PluginConformance, broken

if TYPE_CHECKING:
    import pandas as pd

#: Lines of Python that an index may take: so many for each file beside so many for the folder.
LINES_A_FILE, LINES_A_FOLDER = 20_000, 2_000_000


class ReaderConformance(PluginConformance):
    """Subclass it, name your reader, and write a raw folder of its microscope in `make_raw`."""

    plugin: ClassVar[type[Reader]]

    def make_raw(self, folder: Path) -> None:
        """Fill the empty `folder` with a small plate as the microscope writes it: some wells, some planes."""
        raise broken("a reader is tried on a raw folder", f"{type(self).__name__} does not define `make_raw`")

    @pytest.fixture
    def raw(self, tmp_path: Path) -> Path:
        """A raw folder of the microscope."""
        folder = tmp_path / "raw"
        folder.mkdir()
        self.make_raw(folder)
        return folder

    def test_it_knows_its_own_folder(self, raw: Path) -> None:
        """`sniff` says more than 0."""
        sure = self.made().sniff(raw)
        if not 0 < sure <= 1:
            raise broken("`sniff` of an own folder is above 0 and at most 1", f"{sure!r}")

    def test_sniff_never_raises(self, tmp_path: Path, raw: Path) -> None:
        """Of any folder it gives a number from 0 to 1; of a folder that is not its own, 0."""
        for what, folder in _strange_folders(tmp_path / "strange", raw):
            try:
                sure = self.made().sniff(folder)
            except Exception as error:
                raise broken("`sniff` never raises", f"{type(error).__name__}: {error}", what) from error
            if not isinstance(sure, int | float) or not 0 <= sure <= 1:
                raise broken("`sniff` gives a number from 0 to 1", f"{sure!r}", what)
            if what in ("an empty folder", "a folder that is not there") and sure:
                raise broken("`sniff` gives 0 for a folder that is not its own", f"{sure!r}", what)

    def test_the_index_is_complete_and_sorted(self, raw: Path) -> None:
        """Every column of `PLANES`, sorted by its key, no image twice, and every path a file of the folder."""
        index = self.made().index(raw)
        if list(index.columns) != list(PLANES.column_names):
            missing = sorted(set(PLANES.column_names) - set(index.columns))
            raise broken("an index has the columns of PLANES, in order (`planes_frame` makes them)", f"lacks {missing}")
        if index.empty:
            raise broken("an index lists the images of the folder", "it is empty")
        key = list(PLANES.key)
        doubled = index[index.duplicated(key)]
        if len(doubled):
            raise broken(
                "no image stands twice in the index", f"{len(doubled)} do", str(doubled[key].iloc[0].to_dict())
            )
        if not index[key].equals(index[key].sort_values(key, kind="stable", ignore_index=True)):
            raise broken("an index is sorted by the key of PLANES (`planes_frame` sorts)", "it is not")
        required = [column.name for column in PLANES.columns if column.required]
        empty = [name for name in required if index[name].isna().any()]
        if empty:
            raise broken("columns that PLANES requires are filled", f"empty entries in {', '.join(empty)}")
        for path in index["path"]:
            if not (raw / path).is_file() or not (raw / path).resolve().is_relative_to(raw.resolve()):
                raise broken("every path is a file of the raw folder", f"{path!r} is not")

    def test_every_plane_can_be_read(self, raw: Path) -> None:
        """With the size and the pixel type that the index says."""
        reader = self.made()
        for plane in reader.index(raw).itertuples(index=False):
            pixels = reader.read_plane(raw, plane)
            said = ((plane.size_y_px, plane.size_x_px), plane.dtype)
            if (pixels.shape, str(pixels.dtype)) != said:
                raise broken(
                    "a plane has the size and type that the index says",
                    f"{pixels.shape} {pixels.dtype}, the index says {said[0]} {said[1]}",
                    f"{plane.path}, well {plane.well}",
                )

    def test_the_same_files_give_the_same_index(self, raw: Path, tmp_path: Path) -> None:
        """Whatever the order in which they were copied, and whatever the folder is called."""
        again = tmp_path / "another_name"
        for path in sorted(raw.rglob("*"), reverse=True):
            if path.is_file():
                (again / path.relative_to(raw)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, again / path.relative_to(raw))
        differing = _first_difference(self.made().index(raw), self.made().index(again))
        if differing:
            raise broken("the same files give the same index", differing)

    def test_a_damaged_image_is_told_by_name(self, raw: Path) -> None:
        """A file cut off in the middle is an InputError that names it; nothing is decoded to find out."""
        reader = self.made()
        path = raw / reader.index(raw)["path"].iloc[0]
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        try:
            reader.index(raw)
        except InputError as error:
            if path.name not in str(error):
                raise broken("the message names the damaged file", str(error), path.name) from error
        except Exception as error:
            raise broken(
                "a damaged file is an InputError", f"{type(error).__name__}: {error}", f"{path.name}, cut in half"
            ) from error
        else:
            raise broken("a damaged file is found by `index`", "nothing was said", f"{path.name}, cut in half")

    def test_a_folder_that_is_not_its_own_is_an_input_error(self, tmp_path: Path) -> None:
        """An empty folder has no index, and that is said in a sentence."""
        empty = tmp_path / "empty"
        empty.mkdir()
        try:
            self.made().index(empty)
        except InputError:
            return
        except Exception as error:
            raise broken(
                "a folder without images is an InputError", f"{type(error).__name__}: {error}", "an empty folder"
            ) from error
        raise broken("a folder without images is an InputError", "an index was given", "an empty folder")

    def test_the_metadata_of_the_plate_are_plain_values(self, raw: Path) -> None:
        """JSON can hold them; notes are sentences."""
        import json

        metadata = self.made().plate_metadata(raw, self.made().index(raw))
        try:
            json.dumps(metadata)
        except (TypeError, ValueError) as error:
            raise broken("`plate_metadata` gives JSON-able values", str(error)) from error
        notes = metadata.get("notes", [])
        if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
            raise broken("`notes` is a list of sentences", f"{notes!r}")

    def test_the_index_is_within_the_budget(self, raw: Path) -> None:
        """Counted in executed lines of Python for each file."""
        reader = self.made()
        files = sum(path.is_file() for path in raw.rglob("*"))
        reader.index(raw)  # imports are not counted
        try:
            counted(lambda: reader.index(raw), LINES_A_FOLDER + LINES_A_FILE * files)
        except TooManyOperations as error:
            raise broken("an index takes few operations a file", str(error), f"{files} files") from None

    def test_the_raw_folder_stays_as_it_is_and_nothing_else_is_written(self, raw: Path) -> None:
        """Raw data are never touched; the index made in a process of its own is the same."""
        before = synthetic.tree_hash(raw)
        seen = self.isolated(_index_apart, self.plugin, dict(self.parameters), raw)
        refuse_traces(seen)
        if synthetic.tree_hash(raw) != before:
            raise broken("a reader changes nothing in the raw folder", "files differ")
        differing = _first_difference(self.made().index(raw), seen.value)
        if differing:
            raise broken("a reader gives the same index in another process", differing)


def _strange_folders(place: Path, raw: Path) -> Iterator[tuple[str, Path]]:
    """Folders that no reader expects, each with what it is."""
    import numpy as np

    rng = np.random.default_rng(5)
    yield "a folder that is not there", place / "nowhere"
    (place / "empty").mkdir(parents=True)
    yield "an empty folder", place / "empty"
    (place / "file").write_bytes(b"no folder")
    yield "a file instead of a folder", place / "file"
    garbage = place / "garbage"
    for path in raw.rglob("*"):
        if path.is_file():
            (garbage / path.relative_to(raw)).parent.mkdir(parents=True, exist_ok=True)
            (garbage / path.relative_to(raw)).write_bytes(rng.bytes(200))
    yield "files of the right names with random bytes in them", garbage
    named = place / "named"
    named.mkdir()
    for name in ("a", "ä µ.tif", "...", "-", "x" * 200 + ".tif", "B02.tif", "new\nline.tif"):
        (named / name).write_bytes(b"")
    yield "empty files with strange names", named
    (place / "nested" / "B02.tif").mkdir(parents=True)
    yield "a folder that is named like a file", place / "nested"


def _first_difference(first: pd.DataFrame, second: pd.DataFrame) -> str:
    """In what two indexes differ, '' if in nothing."""
    if len(first) != len(second):
        return f"{len(first)} images and then {len(second)}"
    for name in PLANES.column_names:
        one, other = first[name].astype(str).tolist(), second[name].astype(str).tolist()
        if one != other:
            place = next(i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
            return f"column {name} of image {place}: {one[place]!r} and then {other[place]!r}"
    return ""


def _index_apart(plugin: type[Reader], parameters: Mapping[str, Any], raw: Path) -> Any:
    return plugin(parameters).index(raw)
