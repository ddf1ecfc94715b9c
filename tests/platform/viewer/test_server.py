"""What the viewer's server answers, and what it refuses; without a browser."""

from __future__ import annotations

import http.client
import io
import json
import shutil
import socket
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from phenodose.errors import InputError, StoreError
from phenodose.plates.plate import Plate
from phenodose.reports.pages import page_files
from phenodose.store.store import Store
from phenodose.viewer.mosaics import mosaic_path, mosaic_png, tile_px
from phenodose.viewer.plates import ScreenPlates
from phenodose.viewer.server import ViewerServer

SCREEN = "TINY_V1_DS1"


def ask(server: ViewerServer, path: str = "", method: str = "GET", **headers: str):
    """Status, headers and body; `path` is below the key, as it is written (no client tidies it)."""
    address = urlsplit(server.address)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    connection.putrequest(method, path if path.startswith("/") else address.path + path, skip_host=True)
    for name, value in ({"Host": address.netloc} | headers).items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def one_well(server: ViewerServer) -> tuple[Plate, str]:
    plate = server.plates.plates["P1"]
    return plate, plate.wells[0]


def test_the_screen_and_its_plates(shown: ViewerServer) -> None:
    overview = json.loads(ask(shown, "screen.json")[2])
    assert (overview["screen"], overview["plates"], overview["readouts"]) == (SCREEN, ["P1", "P2"], ["ctg"])
    plate, well = one_well(shown)
    told = json.loads(ask(shown, "plates/P1/plate.json")[2])
    assert (told["rows"], told["columns"], told["levels"][0]) == (16, 24, [384, 384])
    assert told["channels"] == [{"name": "Hoechst", "color": "0000FF", "window": list(plate.windows[0])}]
    assert {name for name, known in told["wells"].items() if known["imaged"]} == set(plate.wells)
    known = told["wells"][well]
    assert (known["treatment"], known["dose_nM"], known["viability"]) == ("Drug A", 2500.0, {"ctg": 0.0})
    assert known["flags"] == ["ctg: saturated. it is too bright"]
    assert known["decide"] == f'phenodose curate {SCREEN} exclude P1/{well} --because "..."'
    excluded = told["wells"][plate.wells[1]]
    assert excluded["masked"] == ["ctg: excluded by decision 1 (P1 by A. Doe: a bubble)"]
    assert excluded["decide"] == f'phenodose curate {SCREEN} restore P1/{plate.wells[1]} --because "..."'
    assert "classes" not in known
    assert [each["classes"] for each in told["wells"].values() if "classes" in each] == [
        {"ctg": "fibre (probability 0.88)"}
    ]
    assert told["wells"]["P24"]["imaged"] is False


def test_replicates_are_wells_with_images_that_hold_the_same_on_any_plate(shown: ViewerServer) -> None:
    overview = json.loads(ask(shown, "screen.json")[2])
    told = {name: json.loads(ask(shown, f"plates/{name}/plate.json")[2])["wells"] for name in ("P1", "P2")}
    assert overview["replicates"]
    for number, group in enumerate(overview["replicates"]):
        assert len({(told[plate][well]["treatment"], told[plate][well]["dose_nM"]) for plate, well in group}) == 1
        assert all(told[plate][well]["imaged"] and told[plate][well]["replicates"] == number for plate, well in group)
        assert {plate for plate, _ in group} == {"P1", "P2"}


def test_the_mosaic_is_the_plates_own_without_loss(shown: ViewerServer) -> None:
    plate, _ = one_well(shown)
    status, headers, body = ask(shown, "plates/P1/mosaics/0.png")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(body))), plate.mosaic(tile_px(plate)))


def test_the_strip_of_a_drug_is_asked_for_by_name(shown: ViewerServer) -> None:
    wells = shown.plates.plates["P1"].wells
    found = json.loads(ask(shown, "strip.json?drug=Drug+A")[2])
    assert [series["plate"] for series in found["series"]] == ["P1", "P2"]
    assert found["series"][0]["steps"] == [{"dose_nM": 2500.0, "wells": [wells[0], wells[3]]}]
    assert found["plates"] == []
    status, _, body = ask(shown, "strip.json?drug=Drug+B")
    assert (status, body.decode()) == (404, "no well of the screen holds the drug 'Drug B'; did you mean 'Drug A'?")


def test_the_report_is_shown_apart_from_the_page(shown: ViewerServer) -> None:
    status, _, body = ask(shown, "report.html")
    assert (status, body.decode()) == (
        404,
        f"screen {SCREEN} has no report in the store; `phenodose report {SCREEN}` writes it.",
    )
    assert json.loads(ask(shown, "screen.json")[2])["report"] is False
    path = shown.plates.report_path
    path.parent.mkdir(exist_ok=True)
    path.write_text("<!doctype html><title>β</title>", encoding="utf-8")
    of_samples = [path.with_name(name) for name in page_files(SCREEN, ["S-1", "Other/1", "Ä 7"]).values()]
    for each in of_samples:
        each.write_text(f"of {each.name}")
    try:
        # Where the links of the first page lead to.
        assert [ask(shown, f"{each.name}?viewer")[2].decode() for each in of_samples] == [
            f"of {each.name}" for each in of_samples
        ]
        assert ask(shown, f"{SCREEN}+S-2.html")[0] == 404
        status, headers, body = ask(shown, "report.html?viewer")
        assert json.loads(ask(shown, "screen.json")[2])["report"] is True
    finally:
        for each in (path, *of_samples):
            each.unlink()
    assert (status, body.decode()) == (200, "<!doctype html><title>β</title>")
    policy = headers["Content-Security-Policy"]
    assert "sandbox allow-scripts" in policy
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    for name, value in (("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer")):
        assert headers[name] == value


def plane(server: ViewerServer, path: str) -> np.ndarray:
    status, headers, body = ask(server, path)
    assert status == 200, body
    little = np.dtype(headers["X-Pixels"]).newbyteorder("<")
    return np.frombuffer(body, little).reshape(int(headers["X-Height"]), int(headers["X-Width"]))


def test_planes_are_the_stored_pixels_at_every_level(shown: ViewerServer) -> None:
    plate, well = one_well(shown)
    assert len(plate.level_shapes) == 2
    for level in range(2):
        for z in range(3):
            there = plane(shown, f"plates/P1/wells/{well}/stack/{level}/1/0/0/{z}")
            np.testing.assert_array_equal(there, plate.stack(well, level=level)[z])
        there = plane(shown, f"plates/P1/wells/{well}/maximum/{level}/1/0/0/0")
        np.testing.assert_array_equal(there, plate.mip(well, level=level))


def test_a_well_tells_its_images_its_place_and_how_napari_opens_it(shown: ViewerServer) -> None:
    plate, well = one_well(shown)
    told = json.loads(ask(shown, f"plates/P1/wells/{well}/well.json")[2])
    heights = {image["kind"]: image["heights_um"] for image in told["images"]}
    assert set(heights) == {"stack", "maximum"}
    assert [*heights["stack"].values()] == [plane["z_um"] for plane in plate.planes(well)]
    folder = plate.path / well[0] / well[1:]
    assert told["path"] == str(folder)
    assert told["napari"] == f"napari --plugin napari-ome-zarr {folder / '0'}"
    assert (folder / "0" / "zarr.json").is_file()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("plates/P9/plate.json", "has no plate 'P9' with images; it has P1, P2"),
        ("plates/P1/wells/Z99/well.json", "there is no well 'Z99'"),
        ("plates/P1/wells/Z99/stack/0/1/0/0/0", "there is no well 'Z99'"),
        ("plates/P1/wells/WELL/stack/0/1/0/0/77", "has no plane 77 in channel 0; it has 0, 1, 2"),
        ("plates/P1/wells/WELL/stack/9/1/0/0/0", "there is no pyramid level 9"),
        ("plates/P1/wells/WELL/stack/0/1/0/4/0", "there is no channel 4"),
        ("plates/P1/wells/WELL/stack/0/8/0/0/0", "there is no site 8"),
        ("plates/P1/wells/WELL/median/0/1/0/0/0", "no image 'median'"),
        ("plates/P1/wells/WELL/stack/0/1/0/0/-1", "nothing is shown at"),
        ("plates/P1/mosaics/5.png", "has no channel 5"),
        ("nothing", "nothing is shown at 'nothing'"),
    ],
)
def test_what_there_is_not_is_said_in_a_sentence(shown: ViewerServer, path: str, said: str) -> None:
    status, headers, body = ask(shown, path.replace("WELL", one_well(shown)[1]))
    assert (status, headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
    assert said in body.decode()


@pytest.mark.parametrize(
    "path",
    [
        "../../../../../../etc/passwd",
        "..%2f..%2f..%2f..%2fetc%2fpasswd",
        "plates/..%2f..%2f..%2f..%2f..%2fetc/plate.json",
        "plates/P1/wells/..%2f..%2f..%2f..%2fsource/well.json",
        "plates/P1/wells/%2e%2e/well.json",
        "page/viewer.js",
        "__init__.py",
        "%00",
    ],
)
def test_no_name_becomes_a_path(shown: ViewerServer, path: str) -> None:
    assert ask(shown, path)[0] == 404


def test_only_who_has_the_key_is_shown_anything(shown: ViewerServer) -> None:
    for path in ("/", "/screen.json", "/wrong/screen.json", f"/{shown.key[:-1]}/", f"/{shown.key}"):
        status, _, body = ask(shown, path)
        assert (status, body.decode()) == (404, "open the whole address that `phenodose view` has printed.")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1", ""])
def test_a_foreign_name_of_this_machine_is_refused(shown: ViewerServer, host: str) -> None:
    assert ask(shown, "screen.json", Host=host)[0] == 403


def test_a_tunnel_may_end_at_another_port(shown: ViewerServer) -> None:
    assert ask(shown, "screen.json", Host="localhost:9000")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_it_only_shows(shown: ViewerServer, method: str) -> None:
    status, headers, _ = ask(shown, "screen.json", method)
    assert (status, headers["Allow"]) == (405, "GET")


def test_pages_from_elsewhere_cannot_frame_or_read_it(shown: ViewerServer) -> None:
    for path in ("", "screen.json", "nothing"):
        headers = ask(shown, path)[1]
        assert headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in headers


def test_it_answers_on_loopback_only(shown: ViewerServer) -> None:
    assert urlsplit(shown.address).hostname == "127.0.0.1"
    with socket.socket() as outside:
        # Another address of this machine: the server's port is closed there.
        assert outside.connect_ex(("127.0.0.2", shown.port)) != 0


def test_a_taken_port_is_told(shown: ViewerServer) -> None:
    with pytest.raises(InputError, match="cannot be used"):
        ViewerServer(shown.plates, shown.port)


def test_a_mosaic_is_made_once_and_again_for_other_pixels(tiny_store: Store) -> None:
    plate = Plate.open(tiny_store.plate_path(SCREEN, "P1"))
    made = mosaic_png(tiny_store, SCREEN, "P1", plate, 0)
    kept = mosaic_path(tiny_store, SCREEN, "P1", plate, 0)
    assert kept.read_bytes() == made
    kept.write_bytes(b"kept")
    assert mosaic_png(tiny_store, SCREEN, "P1", plate, 0) == b"kept"
    plate.raw_hash = "other"
    assert mosaic_png(tiny_store, SCREEN, "P1", plate, 0) == made
    assert [path.name for path in kept.parent.iterdir()] == [mosaic_path(tiny_store, SCREEN, "P1", plate, 0).name]


def test_a_damaged_plate_is_told_and_the_others_are_shown(tiny_store: Store) -> None:
    (tiny_store.plate_path(SCREEN, "P1") / "zarr.json").write_text("{}")
    plates = ScreenPlates(tiny_store, SCREEN)
    assert list(plates.plates) == ["P2"]
    assert "P1.ome.zarr" in plates.overview()["faults"]["P1"]
    with pytest.raises(StoreError, match=r"P1\.ome\.zarr"):
        plates.plate("P1")


def test_lost_pixels_are_told_and_not_shown_as_black(tiny_store: Store) -> None:
    plates = ScreenPlates(tiny_store, SCREEN)
    well = plates.plates["P1"].wells[0]
    shutil.rmtree(plates.plates["P1"].path / well[0] / well[1:] / "0" / "0" / "c")
    with pytest.raises(StoreError, match="the pixels are missing"):
        plates.pixels("P1", well, "stack", 0, 1, 0, 0, 0)


def test_a_store_in_a_bucket_shows_the_same(tiny_store: Store, s3) -> None:
    from phenodose.io.places import place, upload_tree

    upload_tree(tiny_store.root, place("s3://bucket/store"))
    remote, here = ScreenPlates(Store.open("s3://bucket/store"), SCREEN), ScreenPlates(tiny_store, SCREEN)
    assert remote.overview() == here.overview()
    assert remote.plate("P1")["wells"] == here.plate("P1")["wells"]
    well = here.plates["P1"].wells[0]
    assert (
        remote.well("P1", well)["path"] == f"s3://bucket/store/screens/{SCREEN}/plates/P1.ome.zarr/{well[0]}/{well[1:]}"
    )
    asked = ("P1", well, "stack", 0, 1, 0, 0, 1)
    np.testing.assert_array_equal(remote.pixels(*asked), here.pixels(*asked))
    assert remote.mosaic("P1", 0) == here.mosaic("P1", 0)
