"""Two Ray nodes on this machine, begun once for all tests of a run that ask; without dashboard and usage reports."""

import functools
import os

import pytest


@functools.cache
def address() -> str:
    """Where the cluster answers; the test is skipped where Ray is not installed. It ends with the process."""
    pytest.importorskip("ray", reason="Ray is not installed")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    for _ in range(2):
        cluster.add_node(num_cpus=1, include_dashboard=False, include_log_monitor=False, no_monitor=True)
    return str(cluster.address)
