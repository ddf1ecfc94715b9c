"""What the UI promises of every asset: what it is, who owns it, how it is made again, what is looked at."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from phenodose.plugins import registry
from phenodose.quality.metrics import metrics_of
from phenodose_assets.build import build_definitions, external_of, screen_assets
from phenodose_assets.graph.checks import MADE, SCHEMA
from phenodose_assets.graph.config import config_class
from phenodose_assets.graph.screen_asset import ScreenAsset

ASSETS = screen_assets(registry())
COHORT = ("cohort_db", "cohort_report")


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(store="store")


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions) -> dg.AssetGraph:
    return definitions.resolve_asset_graph()


def made(definitions: dg.Definitions, asset: ScreenAsset) -> dg.OpDefinition:
    """The step that makes an asset."""
    definition = definitions.resolve_assets_def(asset.asset_key)
    node = definition.node_def
    assert isinstance(node, dg.GraphDefinition)
    op = node.node_named("make").definition
    assert isinstance(op, dg.OpDefinition)
    return op


def test_every_asset_has_group_description_kinds_owner(graph: dg.AssetGraph) -> None:
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.group_name not in (None, "default"), key
        assert len(node.description or "") > 15, key
        assert node.kinds, key
        assert node.owners == ["team:phenodose"], key


def test_assets_of_plugins_are_found_by_their_plugin_and_its_version(graph: dg.AssetGraph) -> None:
    tags = {key.to_user_string(): graph.get(key).tags for key in graph.materializable_asset_keys}
    assert tags["scores/dss_asym"]["phenodose/plugin"] == "dss_asym"
    assert tags["checkpoint/cnn/phase2"]["phenodose/plugin"] == "cnn"
    for asset in ASSETS:
        assert ("phenodose/plugin" in tags[asset.key]) == (graph.get(asset.asset_key).code_version is not None)


def test_what_uses_a_network_takes_a_slot_of_the_gpu(definitions: dg.Definitions) -> None:
    for asset in ASSETS:
        uses_network = "tensorflow" in asset.kinds
        assert (made(definitions, asset).pool == "gpu") == uses_network, asset.key


def test_a_killed_step_is_tried_again(definitions: dg.Definitions) -> None:
    for asset in ASSETS:
        policy = made(definitions, asset).retry_policy
        assert policy is not None
        assert policy.max_retries == 1
    for name in COHORT:
        op = definitions.resolve_assets_def(dg.AssetKey(name)).op
        assert op.retry_policy is not None


def test_the_cohort_follows_the_screens_and_tells_when_it_does_not(
    graph: dg.AssetGraph, definitions: dg.Definitions
) -> None:
    sensor = definitions.resolve_sensor_def("cohort_follows_screens")
    assert sensor.asset_selection is not None
    followed = sensor.asset_selection.resolve(graph)
    for name in COHORT:
        node = graph.get(dg.AssetKey(name))
        assert node.key in followed
        expected = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=60), warn_window=timedelta(days=14))
        assert node.freshness_policy == expected


@pytest.mark.parametrize("asset", [a for a in ASSETS if a.settings], ids=lambda asset: asset.key)
def test_the_launchpad_form_tells_meaning_default_and_range(asset: ScreenAsset) -> None:
    form: dict[str, Any] = config_class(asset.settings).model_fields
    for _, model in asset.settings:
        for name, field in model.model_fields.items():
            told = form[name].description or ""
            assert (field.description or "").rstrip(".") in told
            assert field.description, f"{asset.key}: {name} is not described"
            if isinstance(field.default, int | float | str):
                assert repr(field.default) in told
            for limit in field.metadata:
                for bound, word in (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below")):
                    if hasattr(limit, bound):
                        assert f"{word} {getattr(limit, bound)}" in told


def test_every_check_tells_in_words_what_it_looks_at_and_from_where_on_it_fails() -> None:
    figures = {**metrics_of("viability"), **metrics_of("curves")}
    for asset in ASSETS:
        specs = {spec.name: spec.description or "" for spec in asset.check_specs()}
        assert {MADE, *([SCHEMA] if asset.tables else [])} <= set(specs)
        for name in specs.keys() - {MADE, SCHEMA}:
            assert figures[name].meaning in specs[name]
            assert re.search(r"(passes|fails) (above|below|up to|at)|no limit by default", specs[name]), specs[name]


def test_whatever_an_asset_reads_beside_other_assets_is_in_the_graph(graph: dg.AssetGraph) -> None:
    external = {key.to_user_string() for key in graph.external_asset_keys}
    assert external == {thing.key for thing in external_of(ASSETS)}
    for asset in ASSETS:
        parents = {key.to_user_string() for key in graph.get(asset.asset_key).parent_keys}
        assert parents == {*asset.needs, *asset.any_of, *(thing.key for thing in asset.external)}
        assert {f"settings/{name}" for name, model in asset.settings if model.model_fields} <= parents
    assert "raw/images" in {key.to_user_string() for key in graph.get(dg.AssetKey("plate_images")).parent_keys}


def test_sensors_run_from_the_start_save_the_one_that_makes_stale_screens_again(definitions: dg.Definitions) -> None:
    running = {
        name: definitions.resolve_sensor_def(name).default_status is dg.DefaultSensorStatus.RUNNING
        for name in ("new_screens", "cohort_follows_screens", "changed_inputs", "stale_screens")
    }
    assert running == {
        "new_screens": True,
        "cohort_follows_screens": True,
        "changed_inputs": True,
        "stale_screens": False,
    }
