"""The error tree: mendable faults are one family, each also the builtin it stands for."""

from __future__ import annotations

import pytest

from phenodose import errors


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.InputError, ValueError),
        (errors.MissingInputError, FileNotFoundError),
        (errors.DownloadError, ConnectionError),
        (errors.TooLongError, TimeoutError),
        (errors.StoreError, RuntimeError),
        (errors.BusyError, RuntimeError),
        (errors.TableError, TypeError),
        (errors.ProcessError, ChildProcessError),
        (errors.PluginError, LookupError),
        (errors.FitError, ArithmeticError),
    ],
)
def test_every_error_is_mendable_and_a_builtin(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, errors.PhenodoseError)
    assert issubclass(error, builtin)
    assert str(error("plate.tif: half a file")) == "plate.tif: half a file"


def test_all_faults_of_a_file_come_in_one_message() -> None:
    faults = errors.Faults("layout.csv", most=2)
    faults.extend(["row 1: a.", "row 2: b.", "row 3: c."])
    with pytest.raises(errors.InputError) as raised:
        faults.raise_if_any()
    assert str(raised.value) == "layout.csv: 3 faults:\n  - row 1: a.\n  - row 2: b.\n  - ... and 1 more of the kind."


def test_no_fault_raises_nothing() -> None:
    errors.Faults("layout.csv").raise_if_any()
