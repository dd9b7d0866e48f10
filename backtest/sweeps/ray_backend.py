"""Settings computed on the machines of a Ray cluster: what makes them is sent once, trials come back when done."""

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from allocation.errors import SourceError
from backtest.sweeps.trials import Setting, Trial

ANSWER_SECONDS = 10.0


def made_on_ray(work: Callable[[Setting], Trial], settings: Sequence[Setting], address: str) -> Iterator[Trial]:
    """Yield the trial of each setting, in the order in which they are done.

    work: travels to each machine once, with the frames that it holds, and its processes there share them. Modules that
    it comes from must be installed there, unless they are the script that was started. A setting whose machine dies is
    computed by another. address: as `ray.init` takes it, from a machine of the cluster.

    Raises:
        SourceError: Ray is not installed, no cluster answers, or workers die again and again.
        AllocationError, or whatever else `work` raises.
    """
    with _cluster(address):
        import ray
        from ray.exceptions import RayError

        shared, call = ray.put(work), ray.remote(_called)
        ahead = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
        try:
            yield from _in_flight(lambda setting: call.remote(shared, dict(setting)), settings, ahead)
        except RayError as error:
            raise _told(error) from error


def _called(work: Callable[[Setting], Trial], setting: Setting) -> Trial:
    return work(setting)


def _in_flight(begin: Callable[[Setting], object], settings: Sequence[Setting], ahead: int) -> Iterator[Trial]:
    begun: list[object] = []
    for setting in settings:
        begun.append(begin(setting))
        if len(begun) > ahead:
            yield _first(begun)
    while begun:
        yield _first(begun)


def _first(begun: list[object]) -> Trial:
    """Wait for any of them, and take it out."""
    import ray

    (done, *_), rest = ray.wait(begun, num_returns=1)
    begun[:] = rest
    trial: Trial = ray.get(done)
    return trial


@contextmanager
def _cluster(address: str) -> Iterator[None]:
    """Be connected to a Ray cluster; where the process is already, to that one, which then stays so."""
    try:
        import ray
    except ImportError as error:
        raise SourceError('Ray is not installed: pip install "newsfolio[ray]"') from error
    if ray.is_initialized():
        yield
        return
    _connect(address)
    try:
        yield
    finally:
        ray.shutdown()


def _connect(address: str) -> None:
    import ray

    try:
        _check_answers(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise SourceError(
            f"no Ray cluster answers at {address} ({reason}): start one with `ray start --head`, name its HOST:6379, "
            "and run this on one of its machines"
        ) from error


def _check_answers(address: str) -> None:
    """Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if address != "auto" and not (port.isdecimal() and "/" not in host):
        raise ValueError("it is not of the form HOST:PORT")
    if address != "auto":
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()


def _told(error: BaseException) -> Exception:
    """What `work` raised as it raised it; what befell the cluster as an error of this package."""
    from ray.exceptions import RayTaskError

    cause = error.cause if isinstance(error, RayTaskError) else None
    if isinstance(cause, Exception):
        return cause
    reason = str(error).strip().partition("\n")[0]
    return SourceError(f"Ray: {type(error).__name__}: {reason}: trials that are logged stay: sweep again")
