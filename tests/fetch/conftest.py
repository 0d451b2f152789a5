from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fetch_web import BINDING, LIMITS, answers
from host_log import HostLog
from mtf.fetch.options import FetchOptions, limits


@pytest.fixture
def log() -> HostLog:
    return HostLog(answers())


@pytest.fixture
def options(tmp_path: Path) -> Callable[..., FetchOptions]:
    """Options for a list in the test's folder, into its folder `out`."""

    def make(name: str, **values: Any) -> FetchOptions:
        crawl = limits(**LIMITS | values.pop("limits", {}))
        return FetchOptions(tmp_path / name, tmp_path / "out", crawl, binding=BINDING, **{"shard_size": 20} | values)

    return make
