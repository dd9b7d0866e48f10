"""Text tasks other than tone: each fine-tuned, then measured on texts held back, beside linear models of words.

    NEWSFOLIO_DATA=/folder/with/the/data python examples/text_tasks.py [OUT] [TASK ...]

Tasks: topics (tweets, 20 topics, one each), reuters (Reuters-21578: several of 90 topics), fomc (hawkish, dovish or
neutral; tested on the last years), claims (numerical claims). Per task an eighth of the texts is the test, with no
near-duplicate in training; a tenth of the rest sets the temperature. A run that was killed resumes where it was.
"""

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from nlp import FinetuneConfig, TextClassifier, assess, finetune, fit_word_weights, read_corpus, split
from nlp.corpora.mixing import apart_from
from nlp.labels import label_matrix

HELD_BACK = 1 / 8


@dataclass(frozen=True)
class Task:
    """A file below NEWSFOLIO_DATA/text, the columns whose texts are joined, and how to train on it.

    by_time: the column of dates, where the test is of the last ones.
    """

    file: str
    text: tuple[str, ...] = ("text",)
    by_time: str = ""
    config: FinetuneConfig = field(default_factory=FinetuneConfig)


TASKS = {
    "topics": Task("twitter_financial_topics.parquet"),
    "reuters": Task(
        "reuters21578_topics.parquet",
        text=("text", "body"),
        config=FinetuneConfig(epochs=3.0, batch_size=16, max_length=64),
    ),
    "fomc": Task("fomc_stance.parquet", by_time="year", config=FinetuneConfig.preset("small")),
    "claims": Task("numclaim.parquet", config=FinetuneConfig.preset("small")),
}


def parts(task: Task, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the texts to train on and those of the test."""
    table = pd.read_parquet(folder / task.file)
    table["text"] = table[list(task.text)].agg("\n".join, axis=1)
    rows = read_corpus(table, label_map=None).rows
    if not task.by_time:
        return split(rows, valid=HELD_BACK, seed=0)
    first = np.sort(rows[task.by_time])[int(len(rows) * (1 - HELD_BACK))]
    test = rows[rows[task.by_time] >= first].reset_index(drop=True)
    return apart_from(rows[rows[task.by_time] < first], test), test


def trained(name: str, task: Task, train: pd.DataFrame, out: Path) -> TextClassifier:
    """Return the classifier in `out`, fine-tuned first where there is none yet."""
    if not (out / name).is_dir():
        taught, valid = split(train)
        classifier, report = finetune(taught, valid, task.config, task=name, workspace=out / f"{name}.partial")
        print(report)
        classifier.save(out / name)
    return TextClassifier.load(out / name, dtype="float32")


def linear_svm(train: pd.DataFrame, test: pd.DataFrame, classifier: TextClassifier) -> np.ndarray:
    """Return the guesses of a linear SVM on words and pairs of words, as probabilities of 0 and 1."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    taught = label_matrix(train["label"], known=classifier.labels).astype(int)
    svm = OneVsRestClassifier(LinearSVC()).fit(words.fit_transform(train["text"]), taught)
    margins = svm.decision_function(words.transform(test["text"]))
    chosen = margins > 0 if classifier.multi_label else margins == margins.max(axis=1, keepdims=True)
    return chosen.astype(np.float32)


def main(out: Path, data: Path, names: list[str]) -> None:
    for name in names or TASKS:
        train, test = parts(TASKS[name], data / "text")
        classifier = trained(name, TASKS[name], train, out)
        several, labels = classifier.multi_label, classifier.labels
        words = fit_word_weights(train, names=labels, multi_label=several)
        found = assess(
            name,
            classifier.predict_proba(list(test["text"])),
            test,
            names=labels,
            multi_label=several,
            baselines={
                "linear SVM": linear_svm(train, test, classifier),
                "TF-IDF + logistic regression": words.predict_proba(list(test["text"])),
            },
        )
        print(f"{name}, {len(train):,} texts to train on\n{found}\n")
        (out / f"{name}.json").write_text(json.dumps(found.to_dict(), indent=1), encoding="utf-8")


if __name__ == "__main__":
    if "NEWSFOLIO_DATA" not in os.environ:
        raise SystemExit("set NEWSFOLIO_DATA to the folder whose folder text holds the corpora")
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "text_tasks"), Path(os.environ["NEWSFOLIO_DATA"]), sys.argv[2:])
