"""What each choice of the fine-tuning recipe is worth: accuracy and macro-F1 on held-out folds, three seeds each.

Every run holds one fold of the Financial PhraseBank out, trains on TEXTS sentences of the other seven (a tenth of
them, near-duplicates on one side, fits the temperature) and is measured on the fold. Run k uses fold k and seed k, so
settings are compared on the same texts, and the table states the paired difference to the reference with its interval.
Fewer texts than there are, so that a whole table takes an hour or two on two cores; --texts 0 takes all. Several folds
may be held out at once: with 0123, then 4567, each half is measured by what the other taught.

    NEWSFOLIO_DATA=... python benchmarks/recipe.py run --setting reference --folds 0 --out runs
    NEWSFOLIO_DATA=... python benchmarks/recipe.py table --out runs
    NEWSFOLIO_DATA=... python benchmarks/recipe.py run --setting "preset full" --folds 0123 --texts 0 --out halves
    NEWSFOLIO_DATA=... python benchmarks/recipe.py table --parts 0123,4567 --out halves
"""

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from nlp import FinetuneConfig, PretrainConfig, finetune, pretrain, read_corpus
from nlp.corpora.mixing import split_first
from nlp.evaluation.compare import compare
from nlp.evaluation.evaluate import evaluate_probabilities
from nlp.labels import LABELS
from nlp.texts.near_duplicates import duplicate_groups, near_any_of

FULL = FinetuneConfig.preset("full")
REFERENCE = FinetuneConfig(learning_rate=5e-5)  # the default until this table spoke for 1e-4
SETTINGS: dict[str, FinetuneConfig] = {
    "reference": REFERENCE,
    "amounts as digits": replace(REFERENCE, reads_amounts=False),
    "soft targets": replace(REFERENCE, soft_targets=True),
    "label smoothing 0.1": replace(REFERENCE, label_smoothing=0.1),
    "focal loss, gamma 2": replace(REFERENCE, focal_gamma=2.0),
    "no class weights": replace(REFERENCE, class_weight_power=0.0),
    "learning rate 1e-4": replace(REFERENCE, learning_rate=1e-4),
    "learning rate 1e-4, no class weights": replace(REFERENCE, learning_rate=1e-4, class_weight_power=0.0),
    "moving average 0.99": replace(REFERENCE, learning_rate=1e-4, average_decay=0.99),
    "R-Drop 1": replace(REFERENCE, rdrop=1.0),
    "bfloat16": replace(REFERENCE, precision="bfloat16"),
    "no warm-up": replace(REFERENCE, warmup=0.0),
    "no weight decay": replace(REFERENCE, weight_decay=0.0),
    "layer decay 0.9": replace(REFERENCE, layer_decay=0.9),
    "head as fast as encoder": replace(REFERENCE, head_factor=1.0),
    "adversarial, norm 0.5": replace(REFERENCE, adversarial_norm=0.5),
    "one augmented copy": replace(REFERENCE, augmented_copies=1, epochs=2.0),
    "LoRA, rank 16": replace(REFERENCE, lora_rank=16, learning_rate=5e-4),
    "best of 8 passes": replace(REFERENCE, epochs=8.0, patience=3),
    "Twitter and FiQA too, weight 0.3": REFERENCE,
    "Twitter and FiQA too, learning rate 1e-4": replace(REFERENCE, learning_rate=1e-4),
    "Twitter and FiQA too, soft targets": replace(REFERENCE, learning_rate=1e-4, soft_targets=True),
    "Twitter and FiQA too, R-Drop 1": replace(REFERENCE, learning_rate=1e-4, rdrop=1.0),
    "masked words of 5,000 headlines first": REFERENCE,
    "soft targets, R-Drop 1, three passes": FULL,
    "preset full, no class weights": replace(FULL, class_weight_power=0.0),
    "preset full, no class weights, learning rate 2e-4": replace(FULL, class_weight_power=0.0, learning_rate=2e-4),
    "preset full": FULL,
}
WITH_OTHERS = ("Twitter", "preset full")  # how the names of settings begin that take further corpora
PARTS = "0,1,2"  # what single runs of a table hold out
TEXTS = 1500


def data() -> Path:
    """The folder of real data."""
    if "NEWSFOLIO_DATA" not in os.environ:
        raise SystemExit("set NEWSFOLIO_DATA to the folder that holds phrasebank.parquet")
    return Path(os.environ["NEWSFOLIO_DATA"])


def run(setting: str, folds: str, seed: int, texts: int, further: int, out: Path) -> None:
    """Train one setting without some folds and keep its probabilities on them."""
    rows = read_corpus(data() / "phrasebank.parquet").rows
    held_out = rows["fold"].isin([int(digit) for digit in folds])
    test = rows[held_out]
    corpora = {"phrasebank": (some(rows[~held_out], texts, seed), 1.0), **others(setting, further, seed)}
    train, valid = split_first(corpora, seed=seed)
    train, valid = without_near_copies(train, test), without_near_copies(valid, test)
    config = replace(SETTINGS[setting], seed=seed)
    started = time.perf_counter()
    if setting.startswith("masked words"):
        config = replace(config, base=str(pretrained(train, out / f"pretrained-{folds}")))
    classifier, report = finetune(train, valid, config)
    seconds = time.perf_counter() - started
    probabilities = classifier.predict_proba(list(test["text"]))
    file = out / f"{setting}-{folds}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({
        "setting": setting, "folds": folds, "seed": seed, "seconds": seconds, "steps": report.steps,
        "temperature": report.temperature, "text": list(test["text"]), "label": list(test["label"]),
        "agree": [int(band) for band in test["agree"]], "probabilities": probabilities.tolist(),
    }))  # fmt: skip
    print(setting, folds, evaluate_probabilities(probabilities, test["label"]).to_dict()["accuracy"], round(seconds))


def some(rows: pd.DataFrame, texts: int, seed: int) -> pd.DataFrame:
    """So many of the rows, drawn at random; all of them where `texts` is 0 or more than there are."""
    wanted = min(texts, len(rows)) or len(rows)
    return rows.sample(wanted, random_state=seed).reset_index(drop=True)


def others(setting: str, texts: int, seed: int) -> dict[str, tuple[pd.DataFrame, float]]:
    """The further corpora of a setting."""
    if not setting.startswith(WITH_OTHERS):
        return {}
    names = ("twitter_financial_news", "fiqa_sentiment")
    return {name: (some(read_corpus(data() / f"{name}.parquet").rows, texts, seed), 0.3) for name in names}


def without_near_copies(rows: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """The fold column keeps exact repeats together only; this leaves out the near ones too."""
    return rows[~near_any_of(list(rows["text"]), list(test["text"]))].reset_index(drop=True)


def pretrained(train: pd.DataFrame, folder: Path) -> Path:
    """An encoder that has guessed masked words of dated headlines and of the training texts."""
    headlines = pd.read_parquet(data() / "benzinga_sample.parquet")
    texts = [*headlines["text"].astype(str).sample(5000, random_state=0), *train["text"]]
    return pretrain(texts, "minilm", folder, PretrainConfig(epochs=2.0, learning_rate=2e-4))


def table(out: Path, parts: list[str]) -> None:
    """Print one row per setting that has been run on all parts of the texts."""
    runs = {path.stem: json.loads(path.read_text()) for path in sorted(out.glob("*.json"))}
    reference = joined(runs, "reference", parts)
    print("| setting | accuracy | macro-F1 | ECE | accuracy, less reference | macro-F1, less reference | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for setting in SETTINGS:
        found = joined(runs, setting, parts)
        if found is None:
            continue
        frame, probabilities, seconds = found
        groups = duplicate_groups(list(frame["text"]))
        figures = evaluate_probabilities(probabilities, frame["label"], groups=groups)
        gains = ["", ""]
        if setting != "reference" and reference is not None:
            paired = compare(probabilities, reference[1], frame["label"], groups=groups)
            gains = [gain(paired.accuracy), gain(paired.macro_f1)]
        cells = [
            setting,
            f"{figures.accuracy:.3f}",
            f"{figures.macro_f1:.3f}",
            f"{figures.ece:.3f}",
            *gains,
            f"{seconds:.0f}",
        ]
        print(f"| {' | '.join(cells)} |")


def gain(paired) -> str:
    """A difference in points with its interval."""
    low, high = paired.interval
    return f"{100 * paired.difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def joined(runs: dict[str, dict], setting: str, parts: list[str]) -> tuple[pd.DataFrame, np.ndarray, float] | None:
    """Texts and labels, probabilities and mean seconds of all parts of a setting; None where one is missing."""
    found = [runs.get(f"{setting}-{folds}") for folds in parts]
    if not all(found):
        return None
    frame = pd.concat([pd.DataFrame({name: part[name] for name in ("text", "label", "agree")}) for part in found])
    probabilities = np.concatenate([np.array(part["probabilities"], dtype=np.float32) for part in found])
    return (
        frame.reset_index(drop=True),
        probabilities.reshape(-1, len(LABELS)),
        np.mean([part["seconds"] for part in found]),
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--setting", choices=list(SETTINGS), default="reference")
    parser.add_argument("--folds", default="0", help="digits of the folds to hold out")
    parser.add_argument("--seed", type=int, help="else the first of the folds")
    parser.add_argument("--texts", type=int, default=TEXTS)
    parser.add_argument("--further", type=int, default=TEXTS, help="texts of each further corpus")
    parser.add_argument("--parts", default=PARTS, help="what the runs of the table held out")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    if given.what == "run":
        seed = int(given.folds[0]) if given.seed is None else given.seed
        run(given.setting, given.folds, seed, given.texts, given.further, given.out)
    else:
        table(given.out, given.parts.split(","))


if __name__ == "__main__":
    main()
