"""Does a classifier carry over? Train on one labelled corpus, measure on each other: python benchmarks/cross_corpus.py

Rows are what was trained on, columns what it was measured on. On its own corpus a model is measured on a tenth that
was held out with its near-duplicates; on another, on all texts that are no near-duplicate of its training texts.
"""

import argparse
import os
from pathlib import Path

import pandas as pd

from nlp import Evaluation, SentimentClassifier, evaluate, finetune, read_corpus, split
from nlp.texts.near_duplicates import near_any_of

CORPORA = {
    "PhraseBank": "phrasebank.parquet",
    "Twitter": "twitter_financial_news.parquet",
    "FiQA": "fiqa_sentiment.parquet",
}


def main() -> None:
    """Train or load a model per corpus, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=Path, required=True, help="where models are kept, and looked for")
    models = parser.parse_args().models
    if "NEWSFOLIO_DATA" not in os.environ:
        raise SystemExit("set NEWSFOLIO_DATA to the folder that holds the corpora")
    corpora = {name: read_corpus(Path(os.environ["NEWSFOLIO_DATA"], file)).rows for name, file in CORPORA.items()}
    print(f"| trained on | {' | '.join(f'{name} (accuracy / macro-F1)' for name in corpora)} |")
    print("| --- " * (len(corpora) + 1) + "|")
    for name, rows in corpora.items():
        train, held = split(rows)
        classifier = trained(train, held, models / name)
        tests = {other: held if other == name else unseen(corpora[other], train) for other in corpora}
        print(f"| {name} | {' | '.join(cell(evaluate(classifier, test)) for test in tests.values())} |", flush=True)


def trained(train: pd.DataFrame, held: pd.DataFrame, folder: Path) -> SentimentClassifier:
    """The model in the folder, trained first where there is none."""
    if not (folder / "model.safetensors").is_file():
        finetune(train, held, workspace=folder.with_suffix(".partial"), progress=True)[0].save(folder)
    return SentimentClassifier.load(folder)


def unseen(rows: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """Rows that are no near-duplicate of a training text."""
    return rows[~near_any_of(list(rows["text"]), list(train["text"]))].reset_index(drop=True)


def cell(figures: Evaluation) -> str:
    """Accuracy and macro-F1 with the interval of the accuracy, and of how many texts."""
    low, high = figures.accuracy_interval
    return f"{figures.accuracy:.3f} ({low:.3f} to {high:.3f}) / {figures.macro_f1:.3f}, n = {figures.n:,}"


if __name__ == "__main__":
    main()
