"""How faithful explanations are: what a score loses without the words that are said to matter, beside random words.

    NEWSFOLIO_DATA=... python -P benchmarks/explain.py MODEL

MODEL: the folder of a classifier of tone, such as the one that `newsfolio demo` trains. Units are those of the score.
"""

import os
import sys
import time
from pathlib import Path

import pandas as pd

from nlp import explain_scores, faithfulness, load_classifier

FOLDER = Path(os.environ["NEWSFOLIO_DATA"])


def main() -> None:
    classifier = load_classifier(sys.argv[1])
    phrasebank = pd.read_parquet(FOLDER / "phrasebank.parquet")
    reuters = pd.read_parquet(FOLDER / "market" / "reuters_company_news.parquet")
    corpora = {
        "PhraseBank, not neutral": phrasebank["text"][phrasebank["label"] != "neutral"].sample(60, random_state=1),
        "Reuters headlines": reuters["text"].sample(100, random_state=2),
    }
    for name, texts in corpora.items():
        start = time.perf_counter()
        explained = explain_scores(texts.tolist(), classifier)
        seconds = time.perf_counter() - start
        print(f"{name}: {faithfulness(texts.tolist(), classifier, explained)}; "
              f"{len(explained):,} words in {seconds:.1f} s")  # fmt: skip


if __name__ == "__main__":
    main()
