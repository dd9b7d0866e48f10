"""A classifier from the Financial PhraseBank, and everything one should ask before believing in it.

    NEWSFOLIO_DATA=/folder/with/the/data python examples/finetune_phrasebank.py [OUT]

It holds back an eighth of the sentences, near-duplicates on one side; fine-tunes on the rest; and measures on what it
held back: accuracy, macro-F1 and calibration with intervals, by how many annotators agreed, beside a word list, the
commonest label, and TF-IDF with logistic regression. OUT gets the model and evaluation.html. What to expect: the
figures differ far more between sentences on which all annotators agreed (about 0.95) and those on which half did
(about 0.6) than between classifiers, as the labels of the latter are close to a vote by coin.
"""

import os
import sys
from pathlib import Path

from nlp import (
    FinetuneConfig,
    assess,
    duplicate_groups,
    finetune,
    fit_baselines,
    group_split,
    read_corpus,
    read_word_list,
    split,
    write_evaluation,
)

HELD_BACK = 1 / 8


def main(out: Path, data: Path, config: FinetuneConfig | None = None) -> None:
    corpus = read_corpus(data / "phrasebank.parquet")
    print(corpus)
    groups = duplicate_groups(list(corpus.rows["text"]))
    rest, test = group_split(corpus.rows, groups, valid=HELD_BACK, seed=0)
    train, valid = split(rest)  # the temperature is fitted on valid: the test has no part in anything

    classifier, report = finetune(train, valid, config, workspace=out / "unfinished", progress=True)
    classifier.save(out / "model")
    print(report)

    texts = list(test["text"])
    baselines = fit_baselines(train, read_word_list(data / "loughran_mcdonald_2014.csv"))
    found = assess(
        "fine-tuned",
        classifier.predict_proba(texts),
        test,
        baselines={name: baseline.predict_proba(texts) for name, baseline in baselines.items()},
    )
    print(found)
    print(f"written to {write_evaluation(found, out, facts={'fingerprint': classifier.fingerprint})}")


if __name__ == "__main__":
    if "NEWSFOLIO_DATA" not in os.environ:
        raise SystemExit("set NEWSFOLIO_DATA to the folder that holds phrasebank.parquet")
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "phrasebank"), Path(os.environ["NEWSFOLIO_DATA"]))
