"""Connecting to Ray: what is said where it is not installed or nothing answers (two nodes: tests of the scoring)."""

import sys

import pytest

from newsfolio.shared.errors import first_line
from newsfolio.shared.ray import cause_of, ray_cluster


class OwnError(ValueError):
    """What the caller wants raised."""


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(OwnError, match=r'Ray is not installed: pip install "newsfolio\[ray\]"'),
        ray_cluster("x:1", OwnError),
    ):
        pass


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:10001", "somewhere"])
def test_where_no_cluster_answers_the_remedy_is_named(address):
    pytest.importorskip("ray", reason="Ray is not installed")
    with (
        pytest.raises(OwnError, match=f"no Ray cluster answers at {address} .*: start one with"),
        ray_cluster(address, OwnError),
    ):
        pass


def test_the_cause_of_a_failed_task_is_what_it_raised():
    exceptions = pytest.importorskip("ray.exceptions", reason="Ray is not installed")
    cause = KeyError("weights")
    assert cause_of(exceptions.RayTaskError("task", "traceback", cause)) is cause
    lost = exceptions.RayError("machine lost\nsome advice")
    assert cause_of(lost) is lost
    assert first_line(lost) == "machine lost"
