"""Mosaics of a plate with two channels: each keeps its own brightness, whatever plate is looked at."""

from __future__ import annotations

from typing import Any

from phenodose.viewer.server import ViewerServer


def test_each_channel_keeps_its_own_brightness_on_every_plate(browser: Any, shown: ViewerServer) -> None:
    def with_two_channels(route: Any) -> None:
        told = route.fetch().json()
        told["channels"] = [told["channels"][0] | {"name": name} for name in ("DNA", "actin")]
        route.fulfill(json=told)

    with browser.watched() as watched:
        page = watched.page
        page.route("**/plate.json", with_two_channels)
        page.route("**/mosaics/1.png", lambda route: route.continue_(url=route.request.url.replace("1.png", "0.png")))
        page.goto(shown.address)
        page.wait_for_selector("#mosaic[data-shown=P1]")
        white = page.locator("#plate-view [data-sets=white]")
        white.fill("40")
        page.select_option("#mosaic-channel", label="actin")
        assert white.input_value() == "100"
        white.fill("70")
        page.select_option("#plate", "P2")
        page.wait_for_selector("#mosaic[data-shown=P2]")
        assert page.locator("#mosaic-channel option:checked").inner_text() == "actin"
        assert white.input_value() == "70"
        page.select_option("#mosaic-channel", label="DNA")
        assert white.input_value() == "40"
        assert watched.troubles == []
