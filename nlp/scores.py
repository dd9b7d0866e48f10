"""Headlines -> headlines with probabilities and a score."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nlp.corpora import LABELS
from nlp.errors import NewsError
from nlp.tables import need_columns

if TYPE_CHECKING:
    from nlp.ensemble import Classifier


def score_headlines(headlines: pd.DataFrame, classifier: "Classifier", *, progress: bool = False) -> pd.DataFrame:
    """Return the rows with columns negative, neutral, positive (probabilities) and score, in [-1, 1].

    score = p(positive) - p(negative). Each distinct text is computed once.

    Raises:
        NewsError: there is no column text.
        NlpError: a text is not a string.
    """
    need_columns(headlines, ("text",), "headlines", NewsError)
    probabilities = classifier.predict_proba(list(headlines["text"]), progress=progress)
    columns = {label: probabilities[:, code] for code, label in enumerate(LABELS)}
    score = probabilities[:, 2].astype(np.float64) - probabilities[:, 0]
    return headlines.assign(**columns, score=score)
