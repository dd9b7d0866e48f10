"""Scoring beside the transformers pipeline and sentence-transformers: same weights, same texts, in turns.

    NEWSFOLIO_DATA=/folder/of/data python benchmarks/scoring.py --model folder/of/a/classifier --texts 400

Texts: Financial PhraseBank and StockNet where NEWSFOLIO_DATA has them, else the headlines of the package; distinct.
Without --model the embedded encoder with a head drawn at random. `wall`: texts per second, best of the repeats;
`cpu`: texts per second of processor time, which other programs on the machine disturb less. `cold`: seconds from an
idle process to the first hundred scores, libraries loaded; `peak`: its memory then. sentence-transformers computes no
head, so no probabilities, and its CrossEncoder.predict takes pairs of texts only.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nlp import SentimentClassifier
from nlp.corpora.labelled import embedded_corpus
from nlp.labels import LABELS
from nlp.model.files import quiet_transformers
from nlp.model.forward.precision import chosen_precision
from nlp.training.base_model import load_base

COLD_TEXTS = 100


@dataclass
class System:
    """score: texts to probabilities or vectors; read: texts to tokens, as score does it on its way."""

    score: Callable[[list[str]], np.ndarray]
    read: Callable[[list[str]], object]
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def ours(folder: str, dtype: str) -> System:
    classifier = SentimentClassifier.load(folder, device="cpu", dtype=dtype)
    classifier.temperature, classifier.reads_amounts = 1.0, False  # the bare model, which is all that peers compute
    return System(classifier.predict_proba, classifier._read)


def pipeline(folder: str, batch: int, ordered: bool) -> System:
    import transformers

    with quiet_transformers():
        whole = transformers.pipeline("text-classification", model=folder, tokenizer=folder, device="cpu", top_k=None)

    def score(texts: list[str]) -> np.ndarray:
        order = sorted(range(len(texts)), key=lambda row: len(texts[row])) if ordered else range(len(texts))
        found = whole([texts[row] for row in order], batch_size=batch, truncation=True)
        rows = np.empty((len(texts), len(LABELS)), dtype=np.float32)
        for row, answer in zip(order, found, strict=True):
            named = {part["label"]: part["score"] for part in answer}
            rows[row] = [named[label] for label in LABELS]
        return rows

    return System(score, lambda texts: [whole.tokenizer(text) for text in texts])


def sentence_transformer(folder: str) -> System:
    from sentence_transformers import SentenceTransformer

    with quiet_transformers():
        encoder = SentenceTransformer(folder, device="cpu")
    return System(lambda texts: np.asarray(encoder.encode(texts, show_progress_bar=False)), encoder.preprocess)


SYSTEMS: dict[str, Callable[[str], System]] = {
    "newsfolio float32": partial(ours, dtype="float32"),
    "newsfolio bfloat16": partial(ours, dtype="bfloat16"),
    "newsfolio int8": partial(ours, dtype="int8"),
    "pipeline, batch 1": partial(pipeline, batch=1, ordered=False),
    "pipeline, batch 32": partial(pipeline, batch=32, ordered=False),
    "pipeline, batch 32, sorted": partial(pipeline, batch=32, ordered=True),
    "SentenceTransformer.encode": sentence_transformer,
}


def sample(count: int) -> list[str]:
    folder = Path(os.environ.get("NEWSFOLIO_DATA", ""))
    names = [folder / name for name in ("phrasebank.parquet", "stocknet_news.parquet")]
    found = [pd.read_parquet(name, columns=["text"]) for name in names if name.is_file()] or [embedded_corpus()]
    parts = [rows["text"].drop_duplicates() for rows in found]
    return pd.concat([part.sample(min(len(part), count // len(parts)), random_state=0) for part in parts]).tolist()


def run(system: System, texts: list[str]) -> np.ndarray:
    wall, cpu = time.perf_counter(), time.process_time()
    answer = system.score(texts)
    system.wall.append(time.perf_counter() - wall)
    system.cpu.append(time.process_time() - cpu)
    return answer


def seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def cold(name: str, folder: str, texts: list[str]) -> str:
    """What a fresh process needs for its first scores: seconds and memory, as it prints them."""
    import torch  # noqa: F401 - loading the libraries is not what is measured
    import transformers  # noqa: F401

    started = time.perf_counter()
    SYSTEMS[name](folder).score(texts[:COLD_TEXTS])
    # Not ru_maxrss: a process inherits that of the one that started it.
    peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
    return f"{time.perf_counter() - started:7.1f} s {peak:7.0f} MB"


def in_fresh_process(name: str, folder: str) -> str:
    command = [sys.executable, "-P", __file__, "--model", folder, "--cold", name]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip("\n")  # noqa: S603


def table(
    systems: dict[str, System], answers: dict[str, np.ndarray], texts: list[str], folder: str, colds: bool
) -> None:
    exact = answers["pipeline, batch 1"]
    tokens = sum(map(len, SentimentClassifier.load(folder, device="cpu", dtype="float32")._read(texts).ids))
    print(f"{'':28}{'wall':>10}{'cpu':>9}{'tokens/s':>10}{'tokenizer':>11}{'largest dp':>12}{'cold':>10}{'peak':>10}")
    for name, system in systems.items():
        wall, cpu, answer = min(system.wall), min(system.cpu), answers[name]
        share = seconds(partial(system.read, texts)) / cpu
        apart = f"{abs(answer - exact).max():12.1e}" if answer.shape == exact.shape else f"{'-':>12}"
        print(f"{name:28}{len(texts) / wall:8.0f}/s{len(texts) / cpu:7.0f}/s{tokens / wall:10,.0f}{share:11.1%}{apart} "
              f"{in_fresh_process(name, folder) if colds else ''}", flush=True)  # fmt: skip


def ratios(systems: dict[str, System]) -> None:
    for mine in [name for name in systems if name.startswith("newsfolio")]:
        for peer in [name for name in systems if not name.startswith("newsfolio")]:
            pairs = zip(systems[peer].wall, systems[mine].wall, strict=True)
            wall = float(np.median([theirs / own for theirs, own in pairs]))
            cpu = min(systems[peer].cpu) / min(systems[mine].cpu)
            print(f"{mine} / {peer}: {wall:.1f} times as fast by the clock (median), {cpu:.1f} by processor time")


def usable(names: Sequence[str], folder: str) -> list[str]:
    model: Any = SentimentClassifier.load(folder, device="cpu", dtype="float32").model
    fastest = chosen_precision("auto", model)
    return [name for name in names if name != "newsfolio int8" or fastest == "int8"]


def compare(folder: str, count: int, repeats: int, colds: bool) -> None:
    import torch

    texts = sample(count)
    print(f"{len(texts)} texts, {torch.get_num_threads()} threads, load of the machine {os.getloadavg()[0]:.1f}")
    systems = {name: SYSTEMS[name](folder) for name in usable(list(SYSTEMS), folder)}
    for system in systems.values():
        system.score(texts[:20])
    for _ in range(repeats):
        answers = {name: run(system, texts) for name, system in systems.items()}
    table(systems, answers, texts, folder, colds)
    ratios(systems)


def kernels_in_turns(folder: str, count: int, repeats: int) -> None:
    """The compiled kernels of the CPU path (nlp/model/forward/kernels.c) against PyTorch, in turns."""
    from nlp.model.forward import attention, encoders, int8, kernels

    texts, places, compiled = sample(count), (attention, encoders, int8), kernels.kernels
    print(f"{'':12}{'with':>9}{'without':>9}{'ratio by the clock':>20}{'by processor time':>19}   medians")
    for dtype in ("int8", "bfloat16", "float32"):
        systems = {which: ours(folder, dtype) for which in (compiled, lambda: None)}
        for number in range(2 * repeats + 1):
            for which in list(systems)[:: 1 if number % 2 else -1]:
                for place in places:
                    place.kernels = which
                run(systems[which], texts)
        on, off = ({"wall": s.wall[1:], "cpu": s.cpu[1:]} for s in systems.values())  # the first run only warms up
        wall, cpu = ([b / a for a, b in zip(on[clock], off[clock], strict=True)] for clock in ("wall", "cpu"))
        speeds = "".join(f"{len(texts) / float(np.median(each['wall'])):7.0f}/s" for each in (on, off))
        print(
            f"{dtype:12}{speeds}{np.median(wall):12.2f} ({min(wall):.2f}-{max(wall):.2f}){np.median(cpu):16.2f}",
            flush=True,
        )
    for place in places:
        place.kernels = compiled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", help="a folder that a classifier was saved in")
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kernels", action="store_true", help="only compare with and without the compiled kernels")
    parser.add_argument("--warm-only", action="store_true", help="leave out the fresh process per system")
    parser.add_argument("--cold", choices=SYSTEMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cold:
        print(cold(options.cold, options.model, sample(2 * COLD_TEXTS)))
        return
    with tempfile.TemporaryDirectory() as fresh:
        folder = options.model or str(SentimentClassifier(*load_base("minilm", 0), dtype="float32").save(fresh))
        if options.kernels:
            kernels_in_turns(folder, options.texts, options.repeats)
        else:
            compare(folder, options.texts, options.repeats, not options.warm_only)


if __name__ == "__main__":
    main()
