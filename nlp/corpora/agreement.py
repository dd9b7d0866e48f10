"""How many of the annotators stand behind a label, where a corpus tells the band only."""

from itertools import pairwise

import numpy as np
import pandas as pd

from nlp.errors import CorpusError

BANDS = (50, 66, 75, 100)  # per cent; the Financial PhraseBank's, see nlp/corpora/phrasebank.py
# A band reaches from its own bound up to the next: the share lies in [50, 66), [66, 75) or [75, 100) per cent, and
# its middle, 58, 70.5 and 87.5, is the guess whose largest error is least. The last band is all of them.
SHARES = {low: (low + high) / 200.0 for low, high in pairwise(BANDS)} | {100: 1.0}


def share_agreeing(labelled: pd.DataFrame) -> pd.Series:
    """Return for each row the share of annotators who gave its label, in (0.5, 1], aligned with the rows.

    The share is the middle of the row's band in the column `agree` (50, 66, 75 or 100): 0.58, 0.705, 0.875 or 1.
    A row without a band, and every row where there is no such column, has the share 1: its label is all that is
    known. So corpora that tell bands can stand below others that do not.

    Raises:
        CorpusError: a value of `agree` is no band.
    """
    if "agree" not in labelled.columns:
        return pd.Series(1.0, index=labelled.index, name="share")
    agree = labelled["agree"].astype(object)
    share = agree.map(SHARES).astype(float).mask(agree.isna(), 1.0)
    wrong = np.flatnonzero(share.isna())
    if len(wrong):
        raise CorpusError(
            f"row {wrong[0] + 1}: agree is {agree.iloc[wrong[0]]!r}, which is no band: the bands are "
            f"{', '.join(map(str, BANDS))} per cent ({len(wrong)} such rows)"
        )
    return share.rename("share")
