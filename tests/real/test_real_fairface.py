"""FairFace's label file, which a spreadsheet damaged: the contract catches it, and the import mends it and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtf.datasets import fairface, labelled
from mtf.schemas import ContractViolated

pytestmark = pytest.mark.real


def test_the_real_label_file_has_exactly_this_damage(real_data: Path) -> None:
    path = real_data / "fairface" / "labels.csv"
    labels = fairface.read_labels(path)
    with pytest.raises(ContractViolated) as violation:
        labelled.checked(list(labels.values()), fairface.ATTRIBUTES, where=path.name, row_numbers=list(labels))
    assert set(violation.value.failures["failure_case"]) == {"03-Sep", "Oct-19"}
    data_set = fairface.load(path)
    assert data_set.pictures.height == 10_000
    assert list(data_set.repairs) == [
        "age '03-Sep' is '3-9', corrected in 1246 rows",
        "age 'Oct-19' is '10-19', corrected in 1138 rows",
        "labels.csv: not read: service_test",
    ]
