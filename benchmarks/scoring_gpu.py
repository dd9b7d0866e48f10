"""Scoring on a GPU beside the transformers pipeline and sentence-transformers: bfloat16, same weights, in turns.

    python benchmarks/scoring_gpu.py                      # MiniLM-L6 and a BERT-base of random weights
    python benchmarks/scoring_gpu.py --device cpu --texts 64 --repeats 1 --matrix 512     # only to see that it runs

Texts are random words of exactly 16, 32, 64 and 256 tokens, all distinct. Per system: texts and tokens a second end to
end, tokenising included, median of the repeats, and its ratio to ours; the largest difference of a probability to
the pipeline's. For ours also: what share of the time tokenising alone and the engine alone would take (they overlap),
what share the copies to the GPU take, peak memory, and the floating-point operations of the engine as a share of what
a large bfloat16 product reaches on the same machine.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nlp import SentimentClassifier
from nlp.labels import LABELS
from nlp.model.files import quiet_transformers
from nlp.training.base_model import load_base

LENGTHS = (16, 32, 64, 256)
BATCH = 256  # of the peers; ours packs by tokens


@dataclass
class Row:
    """score: texts to probabilities (texts × 3), or to vectors."""

    score: Callable[[list[str]], np.ndarray]
    seconds: list[float] = field(default_factory=list)


def minilm(folder: Path) -> Path:
    """The embedded encoder under a random head."""
    return SentimentClassifier(*load_base("minilm", 0), dtype="float32").save(folder / "minilm")


def bert_base(folder: Path) -> Path:
    """A BERT of base size, random weights, and the same words as MiniLM."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    _, tokenizer = load_base("minilm", 0)
    torch.manual_seed(0)
    names = dict(enumerate(LABELS))
    config = BertConfig(
        vocab_size=len(tokenizer), id2label=names, label2id={label: code for code, label in names.items()}
    )
    return SentimentClassifier(BertForSequenceClassification(config), tokenizer, dtype="float32").save(folder / "base")


def texts_of(tokenizer, tokens: int, count: int) -> list[str]:
    """Distinct texts of so many tokens, the marks in front and behind among them."""
    words = sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha() and len(word) > 2)
    drawn = np.random.default_rng(tokens).choice(words, (count, tokens - 2))
    return [" ".join(row) for row in drawn]


def systems(folder: Path, device: str) -> dict[str, Row]:
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer

    ours = SentimentClassifier.load(folder, device=device, dtype="bfloat16")
    with quiet_transformers():
        pipe = transformers.pipeline(
            "text-classification", model=str(folder), device=device, dtype=torch.bfloat16, top_k=None
        )
        vectors = SentenceTransformer(str(folder), device=device, model_kwargs={"dtype": torch.bfloat16})
    return {
        "newsfolio": Row(ours.predict_proba),
        f"pipeline, batch {BATCH}": Row(lambda texts: probabilities(pipe(texts, batch_size=BATCH, truncation=True))),
        f"SentenceTransformer, batch {BATCH}": Row(
            lambda texts: np.asarray(vectors.encode(texts, batch_size=BATCH, show_progress_bar=False))
        ),
    }


def probabilities(answers) -> np.ndarray:
    named = [{part["label"]: part["score"] for part in answer} for answer in answers]
    return np.array([[row[label] for label in LABELS] for row in named], dtype=np.float32)


def measured(work: Callable[[], object], device: str) -> float:
    """Seconds until the device is done too."""
    import torch

    started = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def best_product(device: str, size: int) -> float:
    """Floating-point operations a second of a large bfloat16 product: the best of twenty."""
    import torch

    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / min(measured(lambda: left @ right, device) for _ in range(20))


def operations(config, tokens: int) -> float:
    """Floating-point operations of one text: the products of all layers, and attention."""
    wide, inner = config.hidden_size, config.intermediate_size
    per_layer = 2 * tokens * (4 * wide * wide + 2 * wide * inner) + 4 * tokens * tokens * wide
    return float(config.num_hidden_layers * per_layer)


def ours_in_parts(folder: Path, texts: list[str], tokens: int, whole: float, device: str, peak: float) -> str:
    """Tokenising and the engine each alone, the copies within it, memory, and how busy the engine kept the device."""
    import torch

    ours = SentimentClassifier.load(folder, device=device, dtype="bfloat16")
    reading = measured(lambda: ours._read(texts), device)
    ids = ours._read(texts).ids
    list(ours._engine(ids, 0))
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    engine = measured(lambda: list(ours._engine(ids, 0)), device)
    memory = f"{torch.cuda.max_memory_allocated() / 2**20:.0f} MiB" if device == "cuda" else "-"
    # Counted as a plain forward pass: what the engine leaves out because no answer needs it counts as done.
    busy = operations(ours.model.config, tokens) * len(texts) / engine / peak
    copies = copied(ours, ids, device) / engine
    return (
        f"    alone: tokenising {reading / whole:.0%}, engine {engine / whole:.0%} of the time; "
        f"copies {copies:.1%} of the engine's; peak {memory}; {busy:.0%} of the best product"
    )


def copied(ours: SentimentClassifier, ids: list[list[int]], device: str) -> float:
    """Seconds the GPU spends on copies from and to the host, by the profiler."""
    import torch

    if device != "cuda":
        return float("nan")
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        list(ours._engine(ids, 0))
        torch.cuda.synchronize()
    return sum(event.self_device_time_total for event in profile.key_averages() if "Memcpy" in event.key) / 1e6


def table(folder: Path, count: int, repeats: int, device: str, peak: float) -> None:
    rows = systems(folder, device)
    tokenizer = SentimentClassifier.load(folder, device="cpu", dtype="float32").tokenizer
    for tokens in LENGTHS:
        texts = texts_of(tokenizer, tokens, max(64, count * 16 // tokens))
        for row in rows.values():
            row.seconds.clear()
            row.score(texts[:BATCH])
        for _ in range(repeats):
            answers = {name: timed(row, texts, device) for name, row in rows.items()}
        print(f"{folder.name}, {tokens} tokens, {len(texts):,} texts", flush=True)
        report(rows, answers, texts, tokens)
        print(ours_in_parts(folder, texts, tokens, np.median(rows["newsfolio"].seconds), device, peak), flush=True)


def timed(row: Row, texts: list[str], device: str) -> np.ndarray:
    answers: list[np.ndarray] = []
    row.seconds.append(measured(lambda: answers.append(row.score(texts)), device))
    return answers[0]


def report(rows: dict[str, Row], answers: dict[str, np.ndarray], texts: list[str], tokens: int) -> None:
    exact = next(answers[name] for name in answers if name.startswith("pipeline"))
    mine = np.array(rows["newsfolio"].seconds)
    for name, row in rows.items():
        seconds, ratio = np.median(row.seconds), np.median(np.array(row.seconds) / mine)
        apart = f"{abs(answers[name] - exact).max():.1e}" if answers[name].shape == exact.shape else "-"
        print(f"  {name:32}{len(texts) / seconds:12,.0f} texts/s {len(texts) * tokens / seconds:14,.0f} tokens/s"
              f"  ours {ratio:5.1f} times as fast   largest dp {apart}")  # fmt: skip


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--texts", type=int, default=200_000, help="of 16 tokens; fewer of longer ones")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--matrix", type=int, default=8192, help="size of the product that is the measure")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("there is no GPU here: --device cpu --texts 64 shows that the script runs")
    peak = best_product(options.device, options.matrix)
    print(
        f"{torch.cuda.get_device_name() if options.device == 'cuda' else 'CPU'}: {peak / 1e12:.1f} TFLOP/s in bfloat16"
    )
    with tempfile.TemporaryDirectory() as fresh:
        for model in (minilm(Path(fresh)), bert_base(Path(fresh))):
            table(model, options.texts, options.repeats, options.device, peak)


if __name__ == "__main__":
    main()
