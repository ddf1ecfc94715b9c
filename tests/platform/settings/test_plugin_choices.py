"""What a site disables and chooses, and which contract versions are taken."""

from __future__ import annotations

import textwrap
from importlib import metadata
from pathlib import Path

import pytest
from pydantic import ValidationError

from phenodose.errors import InputError, PluginError
from phenodose.io.files import write_text
from phenodose.plugins import PluginChoices, Registry, base, contract_fault, plugins_of
from phenodose.settings.site import read_site
from phenodose.store.store import Store


def own(**choices: object) -> Registry:
    return Registry(choices=PluginChoices.model_validate(choices))


@pytest.fixture
def twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two distributions, twin-one and twin-two, that offer the scorer twin."""
    for number in ("one", "two"):
        info = tmp_path / f"twin_{number}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: twin-{number}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[phenodose.scorers]\ntwin = choice_twin_{number}:Twin\n")
        module = f"""
            from phenodose.plugins import Scorer

            class Twin(Scorer):
                name, version, description, unit = "twin", "1", "For a test", "{number}"

                def score(self, curves):
                    return curves.top
            """
        (tmp_path / f"choice_twin_{number}.py").write_text(textwrap.dedent(module))
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_disabled_plugin_is_not_used_and_the_way_back_is_told() -> None:
    plugins = own(disable=["scorer:auc"])
    assert "auc" not in plugins.usable("scorer")
    assert "dss_asym" in plugins.usable("scorer")
    assert plugins.problems() == []
    assert [one.status for one in plugins.report() if one.name == "auc"] == ["disabled"]
    with pytest.raises(PluginError, match=r"'auc' of phenodose .* is disabled by this site; take 'scorer:auc' out"):
        plugins.get("scorer", "auc")


@pytest.mark.usefixtures("twins")
@pytest.mark.parametrize("number", ["one", "two"])
def test_the_site_chooses_between_two_of_one_name(number: str) -> None:
    plugins = own(choose={"scorer:twin": f"twin-{number}"})
    plugins.refuse_clashes()
    assert plugins.get("scorer", "twin").unit == number  # type: ignore[attr-defined]
    assert plugins.problems() == []


@pytest.mark.usefixtures("twins")
def test_without_a_choice_the_error_shows_the_line_to_write() -> None:
    with pytest.raises(
        PluginError, match=r'twin-one 1\.2 .* twin-two 1\.2 .*choose = \{ "scorer:twin" = "twin-one" \}'
    ):
        own().get("scorer", "twin")


@pytest.mark.usefixtures("twins")
def test_a_choice_that_offers_nothing_is_an_error() -> None:
    plugins = own(choose={"scorer:twin": "triplet", "scorer:auc": "triplet"})
    for name in ("twin", "auc"):
        with pytest.raises(PluginError, match="chooses the distribution 'triplet', which does not offer it"):
            plugins.get("scorer", name)
    assert {"twin", "auc"} <= {one.name for one in plugins.problems()}


def test_names_that_nothing_offers_are_told() -> None:
    assert own(disable=["reader:fax"]).notes() == ["site.toml, [plugins]: reader:fax is not installed; take it out."]


@pytest.mark.parametrize("label", ["auc", "scorers:auc", "scorer:", "scorer: auc"])
def test_a_label_without_a_kind_is_refused(label: str) -> None:
    with pytest.raises(ValidationError, match="write kind:name"):
        PluginChoices.model_validate({"disable": [label]})


def test_the_site_file_of_the_store_is_read(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    (tmp_path / "site.toml").write_text('[plugins]\ndisable = ["scorer:auc"]\n')
    assert "auc" not in plugins_of(store).usable("scorer")
    (tmp_path / "site.toml").write_text('[plugins]\ndisabled = ["scorer:auc"]\n')
    with pytest.raises(InputError, match=r"plugins\.disabled: there is no such setting here; known are disable"):
        plugins_of(store)


def test_two_stores_of_one_process_keep_their_own_choices_and_limits(tmp_path: Path) -> None:
    first, second, third = (Store.open(tmp_path / name) for name in ("first", "second", "third"))
    write_text(first.root / "site.toml", '[plugins]\ndisable = ["scorer:auc"]\n[plugin_limits]\nseconds = 7\n')
    write_text(second.root / "site.toml", '[plugins]\ndisable = ["scorer:emax"]\n')
    for _ in range(2):
        one, other, neither = (plugins_of(store) for store in (first, second, third))
        assert {"auc", "emax"} - one.usable("scorer").keys() == {"auc"}
        assert {"auc", "emax"} - other.usable("scorer").keys() == {"emax"}
        assert {"auc", "emax"} <= neither.usable("scorer").keys()
        assert (one.limits.for_plugin("any").seconds, other.limits.for_plugin("any").seconds) == (7, 600)
    assert plugins_of(first) is one


def test_a_fault_in_another_table_does_not_stop_those_who_ask_for_plugins(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[plugins]\ndisable = ["scorer:auc"]\n[quality.zprim]\npoor = 0\n')
    assert plugins_of(Store.open(tmp_path)).choices.disable == ("scorer:auc",)
    with pytest.raises(InputError, match="there is no quality figure zprim"):
        read_site(tmp_path)


@pytest.mark.parametrize("declared", [1, "1", "1.0", "1.2"])
def test_the_same_contract_or_an_older_minor_is_taken(declared: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "CONTRACT_MINOR", 2)
    assert contract_fault(declared) == ""


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (2, "contract 2, this phenodose speaks 1.2: update phenodose"),
        ("1.3", "contract 1.3, this phenodose speaks 1.2: update phenodose"),
        (0, "contract 0, this phenodose speaks 1.2: install a newer version of the plugin"),
        ("one", "declares the contract 'one'; write `contract = 1`"),
        (1.5, "declares the contract 1.5"),
        (None, "declares the contract None"),
    ],
)
def test_another_contract_is_refused_with_both_versions(
    declared: object, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "CONTRACT_MINOR", 2)
    assert said in contract_fault(declared)


def test_a_plugin_that_declares_nothing_was_written_for_the_first_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the contract moves on, others' plugins without a declaration are refused, and our own are not."""
    monkeypatch.setattr(base, "CONTRACT", 2)
    assert "contract 1, this phenodose speaks 2" in contract_fault(base.Plugin.contract)
    (point,) = [p for p in metadata.entry_points(group="phenodose.scorers") if p.name == "auc"]
    assert Registry([point]).problems() == []


def test_what_is_used_by_choice_is_wanted_where_it_is_enabled() -> None:
    plain, chosen = Registry(), Registry(choices=PluginChoices(enable=("readout:rescue",)))
    assert plain.not_enabled("readout") == ["rescue"]
    assert chosen.not_enabled("readout") == []
    assert set(chosen.wanted("readout")) - set(plain.wanted("readout")) == {"rescue"}
    assert plain.not_enabled("scorer") == []
