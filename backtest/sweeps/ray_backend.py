"""Settings computed on the machines of a Ray cluster: what makes them is sent once, trials come back when done."""

from collections.abc import Callable, Iterator, Sequence

from allocation.errors import SourceError
from backtest.sweeps.trials import Setting, Trial
from newsfolio.shared.errors import first_line
from newsfolio.shared.ray import cause_of, ray_cluster


def made_on_ray(work: Callable[[Setting], Trial], settings: Sequence[Setting], address: str) -> Iterator[Trial]:
    """Yield the trial of each setting, in the order in which they are done.

    work: travels to each machine once, with the frames that it holds, and its processes there share them. Modules that
    it comes from must be installed there, unless they are the script that was started. A setting whose machine dies is
    computed by another. address: as `ray.init` takes it, from a machine of the cluster.

    Raises:
        SourceError: Ray is not installed, no cluster answers, or workers die again and again.
        AllocationError, or whatever else `work` raises.
    """
    with ray_cluster(address, SourceError):
        import ray
        from ray.exceptions import RayError

        shared, call = ray.put(work), ray.remote(lambda work, setting: work(setting))
        ahead = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
        try:
            waiting: list[object] = []
            for setting in settings:
                waiting.append(call.remote(shared, dict(setting)))
                if len(waiting) > ahead:
                    yield _first_done(waiting)
            while waiting:
                yield _first_done(waiting)
        except RayError as error:
            cause = cause_of(error)
            if isinstance(cause, Exception) and cause is not error:
                raise cause from error  # what `work` raised
            raise SourceError(
                f"Ray: {type(error).__name__}: {first_line(error)}: trials that are logged stay: sweep again"
            ) from error


def _first_done(waiting: list[object]) -> Trial:
    """Wait for any of them, and take it out."""
    import ray

    (done, *_), rest = ray.wait(waiting, num_returns=1)
    waiting[:] = rest
    trial: Trial = ray.get(done)
    return trial
