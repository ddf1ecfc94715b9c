"""The schedule that checks the store is off until somebody switches it on, and its job fails where a fault is."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pandas as pd

from phenodose.store.store import Store
from phenodose.tables import TABLES
from phenodose_assets.resources import StoreResource
from phenodose_assets.sensors.verify_weekly import verify_job, verify_schedule


def test_the_job_tells_a_damaged_file_and_the_schedule_is_off(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    rows: pd.DataFrame = TABLES["drugs"].frame([{"screen": "S1", "drug": "Trametinib", "run_id": "r"}])
    file = store.write_table("drugs", "S1", "layout", rows)
    job = verify_job()
    assert verify_schedule(job).default_status == dg.DefaultScheduleStatus.STOPPED

    def run() -> dg.ExecuteInProcessResult:
        return job.execute_in_process(resources={"store": StoreResource.of(store)}, raise_on_error=False)

    assert run().success
    file.write_bytes(file.read_bytes().replace(b"Trametinib", b"Trametiniq"))
    failed = run()
    assert not failed.success
    (event,) = (event for event in failed.all_events if event.is_step_failure)
    assert "its bytes have changed" in str(event.step_failure_data.error)
