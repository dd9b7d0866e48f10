"""The ways to run a classifier faster on a CPU that were tried: same weights, same held-out texts, in turns.

    NEWSFOLIO_DATA=/folder/of/data python benchmarks/runtimes.py --model folder/of/a/classifier --fold 0

Texts: the PhraseBank sentences of a fold that the model was not trained on, less near-copies of the others, read as
they stand (no amounts worked out). All but newsfolio's own are given batches of 32 texts sorted by length, padded to
the longest. `wall` and `cpu`: texts per second by the clock and of processor time, best of the repeats, after one whole
pass; `ready`: seconds of that pass and of what goes before it (compiling, exporting). Differences of a probability are
to transformers in float32. torchao, onnx with onnxruntime, intel_extension_for_pytorch: skipped where not installed;
torch.compile needs a C++ compiler.
"""

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from newsfolio.shared.errors import first_line
from nlp import SentimentClassifier
from nlp.evaluation.evaluate import evaluate_probabilities
from nlp.model.files import quiet_transformers
from nlp.texts.near_duplicates import duplicate_groups

BATCH = 32
EXACT = "transformers float32"

Score = Callable[[list[str]], np.ndarray]


class Run(NamedTuple):
    """One pass: probabilities, seconds by the clock and of the processor."""

    answer: np.ndarray
    wall: float
    cpu: float


def ours(classifier: SentimentClassifier, dtype: str) -> Score:
    again = SentimentClassifier(classifier.model, classifier.tokenizer, dtype=dtype)
    return again.predict_proba


def batched(classifier: SentimentClassifier, logits: Callable[[Any], Any]) -> Score:
    """Probabilities from a callable that takes padded batches, as PyTorch tensors in a dictionary, to logits."""

    def score(texts: list[str]) -> np.ndarray:
        import torch

        order = np.argsort([len(text) for text in texts], kind="stable")
        answer = np.empty((len(texts), 3), dtype=np.float32)
        for start in range(0, len(texts), BATCH):
            rows = order[start : start + BATCH]
            read = classifier.tokenizer(
                [texts[row] for row in rows], padding=True, truncation=True, return_tensors="pt"
            )
            with torch.inference_mode():
                found = torch.as_tensor(logits({name: read[name] for name in ("input_ids", "attention_mask")}))
                answer[rows] = found.float().softmax(1)[:, classifier.column_order].numpy()
        return answer

    return score


def eager(classifier: SentimentClassifier, change: Callable[[Any], Any] = lambda model: model) -> Score:
    model = change(copied(classifier))
    return batched(classifier, lambda inputs: model(**inputs).logits)


def copied(classifier: SentimentClassifier) -> Any:
    import copy

    return copy.deepcopy(classifier.model)


def compiled(model: Any) -> Any:
    import torch

    return torch.compile(model, dynamic=True)


def halved(model: Any) -> Any:
    import torch

    return model.to(torch.bfloat16)


def torchao_int8(model: Any) -> Any:
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    quantize_(model, Int8DynamicActivationInt8WeightConfig())
    return model


def compiled_torchao_int8(model: Any) -> Any:
    return compiled(torchao_int8(model))


def ipex(model: Any) -> Any:
    import intel_extension_for_pytorch

    return intel_extension_for_pytorch.optimize(model)


def onnx(classifier: SentimentClassifier, int8: bool) -> Score:
    import onnxruntime
    import torch
    from onnxruntime.quantization import quantize_dynamic

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        file, small = Path(folder) / "model.onnx", Path(folder) / "int8.onnx"
        export(classifier, file)
        if int8:
            quantize_dynamic(file, small)
        session = onnxruntime.InferenceSession(small if int8 else file, options, providers=["CPUExecutionProvider"])
    return batched(
        classifier, lambda inputs: session.run(None, {name: part.numpy() for name, part in inputs.items()})[0]
    )


def export(classifier: SentimentClassifier, file: Path) -> None:
    import torch

    model, names = copied(classifier), ["input_ids", "attention_mask"]
    model.set_attn_implementation("eager")  # traced, the fused attention loses the mask
    model.config.return_dict = False
    read = classifier.tokenizer(["profit rises", "a longer text of two"], padding=True, return_tensors="pt")
    axes = {name: {0: "texts", 1: "tokens"} for name in names}
    torch.onnx.export(
        model, tuple(read[name] for name in names), file, input_names=names, output_names=["logits"],
        dynamic_axes={**axes, "logits": {0: "texts"}}, dynamo=False, opset_version=17,
    )  # fmt: skip


SYSTEMS: dict[str, Callable[[SentimentClassifier], Score]] = {
    EXACT: eager,
    "transformers bfloat16": partial(eager, change=halved),
    "torch.compile float32": partial(eager, change=compiled),
    "torchao int8": partial(eager, change=torchao_int8),
    "torchao int8, compiled": partial(eager, change=compiled_torchao_int8),
    "IPEX": partial(eager, change=ipex),
    "ONNX Runtime float32": partial(onnx, int8=False),
    "ONNX Runtime int8": partial(onnx, int8=True),
    "newsfolio float32": partial(ours, dtype="float32"),
    "newsfolio bfloat16": partial(ours, dtype="bfloat16"),
    "newsfolio int8": partial(ours, dtype="int8"),
}


def held_out(fold: int) -> pd.DataFrame:
    rows = pd.read_parquet(Path(os.environ["NEWSFOLIO_DATA"]) / "phrasebank.parquet")
    groups = duplicate_groups(rows["text"].tolist())
    mine = (rows["fold"] == fold).to_numpy()
    alone = mine & ~np.isin(groups, groups[~mine])
    return rows[alone].drop_duplicates("text").reset_index(drop=True)


def run(score: Score, texts: list[str]) -> Run:
    wall, cpu = time.perf_counter(), time.process_time()
    answer = score(texts)
    return Run(answer, time.perf_counter() - wall, time.process_time() - cpu)


def made(names: list[str], classifier: SentimentClassifier, texts: list[str]) -> dict[str, tuple[Score, float]]:
    """Those that can be made here, warm, and the seconds that took; the others are named with the reason."""
    found = {}
    for name in names:
        started = time.perf_counter()
        try:
            score = SYSTEMS[name](classifier)
            score(texts)
        except Exception as error:  # noqa: BLE001 - whatever a runtime cannot do here, the table goes on
            print(f"{name}: skipped: {type(error).__name__}: {first_line(error)}", flush=True)
        else:
            found[name] = (score, time.perf_counter() - started)
    return found


def compare(names: list[str], classifier: SentimentClassifier, rows: pd.DataFrame, repeats: int) -> None:
    import torch

    texts = rows["text"].tolist()
    print(f"{len(texts)} texts, {torch.get_num_threads()} threads, load of the machine {os.getloadavg()[0]:.1f}")
    systems = made(names, classifier, texts)
    runs: dict[str, list[Run]] = {name: [] for name in systems}
    for _ in range(repeats):
        for name, (score, _) in systems.items():
            runs[name].append(run(score, texts))
    exact = runs[EXACT][0].answer
    print(f"{'':26}{'wall':>8}{'cpu':>8}{'ready':>9}{'largest dp':>12}{'mean dp':>10}{'macro-F1':>10}{'labels':>9}")
    for name, passes in runs.items():
        answer = passes[0].answer
        print(f"{name:26}{len(texts) / min(one.wall for one in passes):6.0f}/s"
              f"{len(texts) / min(one.cpu for one in passes):6.0f}/s{systems[name][1]:7.1f} s"
              f"{abs(answer - exact).max():12.1e}{abs(answer - exact).mean():10.1e}"
              f"{evaluate_probabilities(answer, rows['label']).macro_f1:10.4f}"
              f"{np.mean(answer.argmax(1) == exact.argmax(1)):9.1%}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", required=True, help="a folder that a classifier was saved in")
    parser.add_argument("--fold", type=int, default=0, help="the one that the model was not trained on")
    parser.add_argument("--texts", type=int, help="no more than so many, for a first look")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    with quiet_transformers():
        classifier = SentimentClassifier.load(options.model, device="cpu", dtype="float32")
        names = [EXACT, *(name for name in options.only if name != EXACT)]
        compare(names, classifier, held_out(options.fold)[: options.texts], options.repeats)


if __name__ == "__main__":
    main()
