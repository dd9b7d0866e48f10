"""Token ids -> logits on the hardware at hand: packed rows on CPU threads or CUDA, padded batches for the rest."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nlp.errors import ModelError
from nlp.model.forward.attention import ON_CPU, VARLEN
from nlp.model.forward.encoders import Encoder, is_known, read_encoder
from nlp.model.forward.packed import Pack, logits_of_pack, packs
from nlp.model.forward.padded import padded_logits

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")
Ids = Sequence[Sequence[int]]
Part = tuple[NDArray[np.int64], "torch.Tensor"]  # places of texts, and their logits (texts × labels)
Engine = Callable[[Ids, int], Iterable[Part]]  # ids of texts, tokens at once (0: what suits) -> parts in any order

# What 512 tokens become on their way fits a core's cache; a single text, too, is computed in a pack of this size.
CPU_TOKENS = 512
GPU_TOKENS = 32_768
PADDED_TOKENS = {"cpu": 2048}
FEWEST_TOKENS = 256  # where not even these fit on a GPU, it is full of something else

_cores = Lock()  # how many threads PyTorch may use is one setting of the process


def engine_for(model: Any, prepare: Callable[[Encoder], Encoder], pad_id: int, limit: int) -> Engine:
    """Return the fastest way to compute a model on its device.

    prepare: what is done to the encoder before use on a CPU, such as `quantize_encoder`. pad_id, limit: the token
    that fills padded batches, and the tokens of the longest text that the model reads.
    """
    import torch

    kind, known = model.device.type, is_known(model)
    if known and kind == "cpu":
        encoder = prepare(read_encoder(model))
        return lambda ids, tokens: _spread(encoder, packs(ids, encoder.embeddings, tokens or CPU_TOKENS))
    if known and kind == "cuda":
        width = model.config.hidden_size // model.config.num_attention_heads
        # What the attention kernel supports: half precision, such heads, an Ampere or later.
        half = model.dtype in (torch.bfloat16, torch.float16)
        if half and width % 8 == 0 and width <= 256 and torch.cuda.get_device_capability(model.device) >= (8, 0):
            encoder = read_encoder(model)

            def on_cuda(ids: Ids, tokens: int) -> Iterator[Part]:
                """The host packs on while the GPU computes: nothing here waits for an answer."""
                for pack in packs(ids, encoder.embeddings, tokens):
                    yield pack.texts, logits_of_pack(encoder, pack, model.device, VARLEN)

            return partial(halving, on_cuda, GPU_TOKENS)
    log.warning(
        "%s on %s in %s is computed in padded batches: packed ones are for BERT, RoBERTa and DistilBERT, on a CPU or "
        "in half precision on CUDA",
        type(model).__name__,
        kind,
        model.dtype,
    )
    return partial(halving, partial(padded_logits, model, pad_id, limit), PADDED_TOKENS.get(kind, GPU_TOKENS))


def calibrate(encoder: Encoder, ids: Ids) -> None:
    """Run an encoder on the CPU on the tokens of texts, without the blanks that fill a pack, for its observers."""
    todo = []
    for pack in packs(ids, encoder.embeddings, CPU_TOKENS):
        tokens = int(pack.cuts[-1])
        todo.append(replace(pack, ids=pack.ids[:tokens], positions=pack.positions[:tokens]))
    deque(_spread(encoder, todo), maxlen=0)


def _spread(encoder: Encoder, todo: Iterable[Pack]) -> Iterator[Part]:
    """A pack per thread, each computed by one: no thread waits for another between two layers.

    So the bits of a score do not depend on how many threads there are, either.
    """
    import torch

    def alone(pack: Pack) -> Part:
        with torch.inference_mode():  # a thread's own setting
            return pack.texts, logits_of_pack(encoder, pack, torch.device("cpu"), ON_CPU)

    # How many threads PyTorch uses is each thread's own setting too.
    single = partial(torch.set_num_threads, 1)
    with one_thread_each() as threads, ThreadPoolExecutor(threads, initializer=single) as pool:
        yield from in_flight(pool, alone, todo, 2 * threads)


@contextmanager
def one_thread_each() -> Iterator[int]:
    """Yield how many threads PyTorch is set to use, and let each operation meanwhile keep to one."""
    import torch

    with _cores:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield threads
        finally:
            torch.set_num_threads(threads)


def in_flight(pool: ThreadPoolExecutor, work: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[R]:
    """Yield work(item) in order, with up to `ahead` items begun in advance."""
    begun: deque[Future[R]] = deque()
    for item in items:
        begun.append(pool.submit(work, item))
        if len(begun) > ahead:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def halving(engine: Engine, usual: int, ids: Ids, tokens: int) -> list[Part]:
    """Return the parts of an engine; where a GPU's memory is short, with half as many tokens at once, and so on.

    Raises:
        ModelError: not even FEWEST_TOKENS at once fit.
    """
    tokens = tokens or usual
    while True:
        try:
            return list(engine(ids, tokens))
        except RuntimeError as error:
            if "out of memory" not in str(error):
                raise
            if tokens <= FEWEST_TOKENS:
                message = f"the GPU has no memory for {tokens:,} tokens at once: free some, or use device='cpu'"
                raise ModelError(message) from error
        log.warning("the GPU has no memory for %s tokens at once: trying half as many", f"{tokens:,}")
        tokens //= 2
