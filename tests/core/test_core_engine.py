"""The engine over a cluster, by a stand-in with the functions of Ray that it uses."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from mtf.config import Compute
from mtf.core import parallel_map
from mtf.core.errors import MtfError


class Cluster:
    """Two cores that finish the last first; `most` items were in its hands at once."""

    def __init__(self) -> None:
        self.addresses: list[str | None] = []
        self.most = 0
        self._held: dict[int, Callable[[], Any]] = {}
        self._handles = itertools.count()

    def is_initialized(self) -> bool:
        return bool(self.addresses)

    def init(self, *, address: str | None, **_: object) -> None:
        self.addresses.append(address)

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def remote(self, function: Callable[[Any], Any]) -> SimpleNamespace:
        def submit(item: Any) -> int:
            handle = next(self._handles)
            self._held[handle] = partial(function, item)
            self.most = max(self.most, len(self._held))
            return handle

        return SimpleNamespace(remote=submit)

    def wait(self, handles: list[int]) -> tuple[list[int], list[int]]:
        assert set(handles) == set(self._held)
        return handles[-1:], handles[:-1]

    def get(self, handle: int) -> Any:
        return self._held.pop(handle)()


def square(number: int) -> int:
    return number * number


def fail_at_three(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return number


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    monkeypatch.setitem(sys.modules, "ray", made)
    return made


@pytest.mark.parametrize(("workers", "most"), [(3, 3), (0, 8)])
def test_a_cluster_gives_the_same_results_and_holds_few_items_at_a_time(
    cluster: Cluster, workers: int, most: int
) -> None:
    compute = Compute(engine="ray", workers=workers, address="ray://head:10001")
    for _ in range(2):
        assert parallel_map.map_items(square, range(50), compute=compute, title="squares") == [n * n for n in range(50)]
    assert (cluster.addresses, cluster.most) == (["ray://head:10001"], most)


def test_a_failure_on_a_cluster_is_raised_here(cluster: Cluster) -> None:
    with pytest.raises(ValueError, match="three"):
        parallel_map.map_items(fail_at_three, range(9), compute=Compute(engine="ray"), title="fails")


def test_a_cluster_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MtfError, match=r"install mtf\[ray\], or use 'local'"):
        parallel_map.map_items(square, range(3), compute=Compute(engine="ray"), title="squares")
