"""A connection to a Ray cluster, and what went wrong there in one line."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from newsfolio.shared.errors import first_line

ANSWER_SECONDS = 10.0


@contextmanager
def ray_cluster(address: str, error: type[ValueError]) -> Iterator[None]:
    """Be connected to a Ray cluster; a process that is connected already stays so, to the one that it has.

    address: as `ray.init` takes it, HOST:PORT from a machine of the cluster, or auto.

    Raises:
        `error`: Ray is not installed, or no cluster answers.
    """
    try:
        import ray
    except ImportError as problem:
        raise error('Ray is not installed: pip install "newsfolio[ray]"') from problem
    if ray.is_initialized():
        yield
        return
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what it would say is raised as well
    try:
        if address != "auto":  # Ray itself would try for minutes
            host, _, port = address.rpartition(":")
            if not port.isdecimal() or "/" in host:
                raise ValueError("it is not of the form HOST:PORT")
            socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as problem:
        raise error(
            f"no Ray cluster answers at {address} ({first_line(problem)}): start one with `ray start --head`, name its "
            "HOST:6379, and run this on one of its machines"
        ) from problem
    try:
        yield
    finally:
        ray.shutdown()


def cause_of(error: BaseException) -> BaseException:
    """Return what a task raised on its machine, or the error of Ray where the machine or the cluster failed."""
    from ray.exceptions import RayTaskError

    return error.cause if isinstance(error, RayTaskError) and isinstance(error.cause, Exception) else error
