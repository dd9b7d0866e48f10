"""News scored by many machines through Ray Data: read once, part by part; each worker has a model of its own.

The command's machine reads the news as a run on one machine does, and sends each part to a worker, which writes it
whole to a folder that all machines share. A worker that dies is begun anew, with the part that it had; when the
command's own machine dies, the same command goes on with the parts that are not there yet.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from newsfolio.shared.errors import first_line
from newsfolio.shared.ray import cause_of, ray_cluster
from nlp.errors import NlpError
from nlp.labels import LABELS
from nlp.provenance import TrainingTexts
from nlp.scoring.ray.worker import COUNTED, Load, NewsReader, Scorer, Worker
from nlp.scoring.score import has_several_labels, labels_of
from nlp.scoring.store import store_key
from nlp.scoring.stream.clean import NewsCount, inspect_news
from nlp.scoring.stream.part_folder import PartsFolder, parts_folder
from nlp.scoring.stream.read import PartedTable
from nlp.scoring.stream.score_file import ScoreReport, Tally
from nlp.texts.times import Midnight

WORKER_CPUS = 8  # more threads of one process wait for each other; more processes need more memory


def score_on_ray(
    news: str | Path,
    out: str | Path,
    scorer: Scorer,
    *,
    address: str,
    timezone: str | None = None,
    midnight: Midnight = "auto",
    columns: Mapping[str, str] | None = None,
    progress: bool = False,
) -> ScoreReport:
    """Write what `score_file` would as a folder of Parquet files, computed on a Ray cluster: see PartsFolder.

    out: a folder that all machines share. Parts of it that are whole, of the same model and the same news, stay.
    address: as `ray.init` takes it, from a machine of the cluster. The news is read there, and only there. Where the
    cluster has GPUs each is given a worker, else there is one for up to WORKER_CPUS cores. Repeats of a text within a
    part are computed once, and others as far as a machine's store knows them; the report counts what was computed.

    Raises:
        NlpError: Ray is not installed, no cluster answers, the folder holds something else, cannot be written or is
            in use, or workers have different models or compute them in different ways.
        NewsError, ModelError, StoreError: as score_file; what was scored stays in the folder, which is no whole table.
    """
    table = inspect_news(news, timezone=timezone, midnight=midnight, columns=columns)
    with ray_cluster(address, NlpError), parts_folder(Path(out)) as folder:
        shares = _shares()
        model = _asked(scorer.load, shares)
        reading = NewsReader(table, model.training, str(folder.path), model.labels, model.multi_label)
        worker = (scorer, model.key, folder)
        done = _progress(_scored(reading, worker, shares), table.table.rows, progress)
        report, parts = _summed(done, table.table, tone=model.labels == LABELS)
        folder.finish(parts, {"rows": report.scored + report.unreadable, "model": model.key})
    return report


class _Model(NamedTuple):
    key: str
    training: TrainingTexts | None
    labels: tuple[str, ...]
    multi_label: bool


class _Shares(NamedTuple):
    """How many workers there are, and what each has of a machine."""

    workers: int
    cpus: int
    gpus: int


def _scored(reading: NewsReader, worker: tuple[Scorer, str, PartsFolder], shares: _Shares) -> Iterator[dict[str, Any]]:
    """Yield what became of each part, in the order in which they are done."""
    import ray.data

    context = ray.data.DataContext.get_current().copy()
    context.enable_progress_bars, context.print_on_execution_start = False, False
    context.target_max_block_size = 1  # a part is sent as soon as it is read
    context.raise_original_map_exception = True
    with ray.data.DataContext.current(context):
        parts = ray.data.read_datasource(_source(reading), num_cpus=0, override_num_blocks=1)
        done = parts.map_batches(
            Worker, fn_constructor_args=worker, batch_size=1, batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=shares.workers), num_cpus=shares.cpus, num_gpus=shares.gpus,
        )  # fmt: skip
        with _own_errors():
            yield from done.iter_rows()


def _source(reading: NewsReader) -> Any:
    """One task that reads everything, on this machine: whether a row is a repeat depends on all before it."""
    from ray.data import Datasource, ReadTask
    from ray.data.block import BlockMetadata

    class Source(Datasource):  # type: ignore[misc]
        supports_distributed_reads = False

        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, *_: Any, **__: Any) -> list[ReadTask]:
            return [ReadTask(reading, BlockMetadata(None, None, None, None))]

    return Source()


def _progress(done: Iterator[dict[str, Any]], rows: int, shown: bool) -> Iterator[dict[str, Any]]:
    from tqdm import tqdm

    with tqdm(total=rows, unit="row", desc="scoring", disable=None if shown else True) as bar:
        for part in done:
            bar.update(part["rows"])
            yield part


def _summed(done: Iterator[dict[str, Any]], table: PartedTable, *, tone: bool) -> tuple[ScoreReport, int]:
    """Return the report, without a mean score where the task is another than tone, and how many parts there are."""
    tally, parts = Tally(NewsCount()), 0
    total = 0.0
    for part in done:
        tally.count.add(NewsCount(**{name: part[name] for name in COUNTED}))
        tally.computed += part["computed"]
        total += part["total"]
        tally.unreadable += part["unreadable"]
        parts = max(parts, part["number"])
    tally.total = total if tone else None
    tally.refuse_unreadable(table.path)
    return tally.report(table), parts


def _shares() -> _Shares:
    import ray

    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = sum(int(machine.get("GPU", 0)) for machine in machines)
    cpus = [int(machine["CPU"]) for machine in machines if machine.get("CPU", 0) >= 1]
    if not cpus:
        raise NlpError("the Ray cluster has no processors: add a machine with `ray start --address=...`")
    if gpus:
        return _Shares(gpus, 1, 1)
    each = min(*cpus, WORKER_CPUS)
    return _Shares(sum(count // each for count in cpus), each, 0)


def _asked(load: Load, shares: _Shares) -> _Model:
    """Load the model on some worker, to know what it is and how it computes there."""
    import ray

    def answer() -> _Model:
        classifier = load()
        return _Model(store_key(classifier), classifier.training, labels_of(classifier), has_several_labels(classifier))

    with _own_errors():
        asked = ray.remote(answer).options(num_cpus=shares.cpus, num_gpus=shares.gpus).remote()
        model: _Model = ray.get(asked)
        return model


@contextmanager
def _own_errors() -> Iterator[None]:
    """Raise what went wrong on a worker as it would be raised here."""
    from ray.exceptions import RayError

    try:
        yield
    except RayError as error:
        cause = cause_of(error)
        if isinstance(cause, NlpError):
            raise type(cause)(first_line(cause)) from error
        raise NlpError(
            f"Ray: {type(cause).__name__}: {first_line(cause)}: parts that are whole stay: give the same command again"
        ) from error
