"""Which executor runs a screen's steps, and what is a job on a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from phenodose.errors import InputError
from phenodose.store.store import Store
from phenodose_assets.build import build_definitions, screen_assets
from phenodose_assets.executors.choice import AFTER_A_CRASH, cluster_settings, executor_of, pods_of, retries_of
from phenodose_assets.executors.work import POD_TAG, TAG, tags_of


def _store(folder: Path, text: str) -> Store:
    (folder / "site.toml").write_text(text)
    return Store.open(folder)


def test_steps_run_here_unless_the_site_says_otherwise(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    settings = cluster_settings(store)
    assert executor_of(settings, store).name == "multiprocess"
    assert retries_of(settings) is AFTER_A_CRASH


def test_the_environment_wins_over_site_toml(tmp_path: Path) -> None:
    store = _store(tmp_path, '[cluster]\nexecutor = "slurm"\n')
    assert executor_of(cluster_settings(store), store).name == "slurm"
    assert executor_of(cluster_settings(store, "local"), store).name == "multiprocess"


@pytest.mark.parametrize(("executor", "seconds"), [("slurm", 10), ("kubernetes", 30)])
def test_a_scheduler_that_does_not_say_when_a_node_died_is_given_time_to_see_it(
    executor: str, seconds: float, tmp_path: Path
) -> None:
    policy = retries_of(cluster_settings(Store.open(tmp_path), executor))
    assert (policy.max_retries, policy.delay) == (3, seconds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[cluster]\nexecutor = "celery"\n', "cluster.executor: Input should be 'local', 'slurm' or 'kubernetes'"),
        ('[cluster.slurm]\noptions = ["-p lab"]\n', "is no long option of sbatch; write '--name=value'"),
        ('[cluster.slurm]\ngpu = ["--requeue"]\n', "--requeue is given by phenodose itself"),
        ("[cluster.slurm]\npartition = 'lab'\n", "cluster.slurm.partition: there is no such setting here; known are"),
    ],
)
def test_faults_of_the_table_are_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as told:
        cluster_settings(_store(tmp_path, text))
    assert message in str(told.value)


def test_an_unknown_executor_of_the_environment_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="PHENODOSE_EXECUTOR=dask: there is no such executor; known are local, slurm"):
        cluster_settings(Store.open(tmp_path), "dask")


def test_a_screen_of_three_plates_costs_twelve_jobs_at_most(tmp_path: Path) -> None:
    job = build_definitions(store=tmp_path).resolve_job_def("screen")
    work = {str(node): job.get_node(node).definition.tags.get(TAG, "light") for node in _ops(job)}
    heavy = [name for name, kind in work.items() if kind != "light"]
    # The part of a plate is one op and a job for each plate.
    assert len(heavy) + 2 <= 12
    assert {work[name] for name in heavy} == {"plates", "tensors", "gpu"}


def test_on_kubernetes_networks_ask_for_a_card_and_other_work_for_what_the_site_says(tmp_path: Path) -> None:
    store = _store(
        tmp_path, "[cluster.kubernetes_pods.plates]\npod_spec_config = { node_selector = { raw = 'yes' } }\n"
    )
    asked = cluster_settings(store, "kubernetes")
    assert pods_of(cluster_settings(store)) == {}
    assert tags_of("plates", pods_of(asked))[POD_TAG] == {"pod_spec_config": {"node_selector": {"raw": "yes"}}}
    networks = tags_of("gpu", pods_of(cluster_settings(Store.open(tmp_path / "other"), "kubernetes")))
    assert networks[POD_TAG] == {"container_config": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}}
    assert tags_of("light", pods_of(asked)) == {TAG: "light"}


def test_plates_are_all_that_needs_the_raw_folders(tmp_path: Path) -> None:
    from phenodose.plugins import plugins_of

    by_work = {asset.key: asset.work for asset in screen_assets(plugins_of(Store.open(tmp_path)))}
    assert [key for key, work in by_work.items() if work == "plates"] == ["plate_images"]
    assert by_work["pseudo_rgb"] == "tensors"


def _ops(job):
    from dagster._core.definitions.dependency import NodeHandle

    def walk(graph, parent):
        for node in graph.nodes:
            handle = NodeHandle(node.name, parent)
            if hasattr(node.definition, "nodes"):
                yield from walk(node.definition, handle)
            else:
                yield handle

    return list(walk(job.graph, None))
