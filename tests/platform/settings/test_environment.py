"""Variables are read in one module, and only the commands and the code location ask it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from phenodose.errors import InputError
from phenodose.settings.environment import VARIABLES, Environment, read_environment
from phenodose.store.store import Store

ROOT = Path(__file__).parents[3]
PACKAGES = ("platform", "assets", "plugins")
#: Modules that may touch the environment, with the reason.
ALLOWED = {
    "platform/phenodose/settings/environment.py": "the one that reads our variables",
    "platform/phenodose/io/files.py": "XDG_CACHE_HOME, the user's cache as every program finds it",
    "platform/phenodose/store/store.py": "AWS_ENDPOINT_URL: copies of two servers lie apart",
    "platform/phenodose/sandbox/child.py": "a worker's own: where libraries keep temporary files",
    "platform/phenodose/testing/isolation.py": "hands this process's environment to a new one",
    "platform/phenodose/testing/trial.py": "hands this process's environment to a new one",
    "assets/phenodose_assets/instance.py": "DAGSTER_HOME",
    "assets/phenodose_assets/ui.py": "hands this process's environment to Dagster's",
}
#: The faces: modules that may ask what the environment says.
FACES = (
    "platform/phenodose/api.py",
    "platform/phenodose/cli/",
    "assets/phenodose_assets/definitions.py",
    "assets/phenodose_assets/ui_reports.py",
    "platform/phenodose/settings/",
)


def sources() -> dict[str, str]:
    """Every module of ours by its path."""
    paths = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def test_only_the_allowed_modules_touch_the_environment() -> None:
    touch = r"\bos\.(environb?|getenvb?|putenv|unsetenv)\b|from os import .*env"
    assert {name for name, text in sources().items() if re.search(touch, text)} == set(ALLOWED)


def test_a_variable_of_ours_is_read_in_one_module() -> None:
    quoted = "|".join(f"[\"']{name}[\"']" for name in VARIABLES)
    assert [name for name, text in sources().items() if re.search(quoted, text)] == [
        "platform/phenodose/settings/environment.py"
    ]


def test_only_faces_ask_what_the_environment_says() -> None:
    asking = [name for name, text in sources().items() if "read_environment" in text]
    assert asking
    assert [name for name in asking if not name.startswith(FACES)] == []


def test_nothing_below_the_faces_takes_all_plugins_where_it_was_told_a_site() -> None:
    """`registry()` without a site's settings stands only where somebody may leave the plugins out, or has no site."""
    without_site = {
        "platform/phenodose/plugins/reference_page.py": "pages of the documentation",
        "platform/phenodose/plugins/scores_page.py": "pages of the documentation",
        "platform/phenodose/plugins/scaffold.py": "a name is taken on every site",
        "platform/phenodose/plugins/isolation.py": "a plugin made by hand",
        "platform/phenodose/plugins/selective.py": "a scorer made by hand",
        "platform/phenodose/screens/screen.py": "a folder that was given no plate readers",
        "platform/phenodose/api.py": "measures of two drugs are named by a caller from Python, without a store",
        "platform/phenodose/pipeline/dose_matrices.py": "a caller from Python who names no plugins",
        "platform/phenodose/pipeline/score_layout.py": "a caller from Python who names no plugins",
        "platform/phenodose/simulation/settings_file.py": "a caller from Python who names no plugins",
        "platform/phenodose/testing/trial.py": "a caller from Python who names no plugins",
    }
    found = {name for name, text in sources().items() if re.search(r"(?<!`)\bregistry\(\)", text)}
    assert found == set(without_site)


def test_the_page_names_every_variable() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(PHENODOSE_[A-Z_]+)`", page, re.MULTILINE)) == set(VARIABLES)


def test_what_is_set_is_read_and_what_is_empty_is_not() -> None:
    assert read_environment({}) == Environment()
    assert read_environment({"PHENODOSE_STORE": "", "PHENODOSE_INBOX": "raw", "OTHER": "x"}) == Environment(inbox="raw")
    everything = {name: name.lower() for name in VARIABLES}
    assert vars(read_environment(everything)) == {name: f"phenodose_{name}" for name in vars(Environment())}


def test_a_store_that_is_named_wins_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = Environment(store=str(tmp_path / "of_variable"), plates="images")
    assert here.open_store(str(tmp_path / "named")).root == tmp_path / "named"
    assert here.open_store().root == tmp_path / "of_variable"
    assert here.open_store().plate_path("S1", "P1") == tmp_path / "images/screens/S1/plates/P1.ome.zarr"
    assert Environment().open_store() == Store.open() == Store(tmp_path / "store")
    with pytest.raises(InputError, match="give the path of a folder, or an address"):
        Environment(store="file:///x/y").open_store()


def test_from_python_the_environment_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    assert Store.open().root == tmp_path / "store"
    assert Store.open().plate_path("S1", "P1").is_relative_to(tmp_path / "store")


def test_another_process_is_told_the_whole_store(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store", plates=tmp_path / "plates", cache=tmp_path / "cache")
    assert Store.from_json(json.loads(json.dumps(store.to_json()))) == store
    assert Store.from_json(Store(tmp_path).to_json()) == Store(tmp_path)


def test_the_site_of_the_environment_is_that_of_its_store(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[plugins]\ndisable = ["scorer:auc"]\n', encoding="utf-8")
    assert Environment(store=str(tmp_path)).site().plugins.disable == ("scorer:auc",)
    assert Environment(store=str(tmp_path / "none")).site(str(tmp_path)).plugins.disable == ("scorer:auc",)
    assert Environment(store=str(tmp_path / "none")).site().plugins.disable == ()
