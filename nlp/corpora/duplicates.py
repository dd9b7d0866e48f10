"""Texts that come more than once: which row stays, why each of the others goes, and how many do."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

OnMixed = Literal["vote", "drop", "keep"]


@dataclass(frozen=True)
class CorpusCounts:
    """What became of the rows of a corpus; `read` is the sum of all the others.

    without_text: no text, or blanks. repeats: text and label of a row that is kept. minority_label: more rows of the
    text have another label. tied: no label of the text is the commonest. mixed: the text has different labels for
    different targets.
    """

    read: int
    without_text: int
    repeats: int
    minority_label: int
    tied: int
    mixed: int
    kept: int

    def __str__(self) -> str:
        """One line that a person can read; what did not happen is left out."""
        dropped = (
            (self.without_text, "without text"),
            (self.repeats, "exact repeats"),
            (self.minority_label, "with a minority label of their text"),
            (self.tied, "of texts whose labels tie"),
            (self.mixed, "of texts whose targets disagree"),
        )
        reasons = ", ".join(f"{rows:,} {reason}" for rows, reason in dropped if rows)
        return f"{self.read:,} rows read, {self.kept:,} kept" + (f"; dropped: {reasons}" if reasons else "")


def resolve_duplicates(labelled: pd.DataFrame, on_mixed: OnMixed = "vote") -> pd.Series:
    """Return what becomes of each row of text, label and maybe target: kept, repeats, minority_label, tied or mixed.

    The rows of one text vote on its label: the commonest wins and stays in the first row that has it, a tie drops
    the text. Two targets of one text may well differ in label, and that is no contradiction: under "keep" each
    text and target has its own vote and its own row; "drop", for classifiers that see the text alone, then drops the
    texts whose targets disagree and all but the first row of the others; "vote" ignores targets. A row without a
    target counts as one more target.
    """
    per_target = on_mixed != "vote" and "target" in labelled.columns
    key = ["text", "target"] if per_target else ["text"]
    group = labelled.groupby(key, sort=False, dropna=False).ngroup()
    votes = group.groupby([group, labelled["label"]], sort=False).transform("size")
    best = votes.groupby(group).transform("max")
    leading = votes == best
    decided = leading.groupby(group).transform("sum") == best  # one label alone has the most votes
    repeated = group.where(leading).duplicated()
    fates = pd.Series(
        np.select([~decided, ~leading, repeated], ["tied", "minority_label", "repeats"], "kept"),
        index=labelled.index,
        dtype=object,
    )
    if per_target and on_mixed == "drop":
        kept = labelled[fates == "kept"]
        mixed = kept.groupby("text", sort=False)["label"].transform("nunique") > 1
        fates[kept.index] = np.select([mixed, kept.duplicated("text")], ["mixed", "repeats"], "kept")
    return fates


def count_fates(fates: pd.Series, *, read: int) -> CorpusCounts:
    """Return the counts of `resolve_duplicates`, of `read` rows in all; those that have no fate had no text."""
    rows = fates.value_counts()
    counts = {fate: int(rows.get(fate, 0)) for fate in ("repeats", "minority_label", "tied", "mixed", "kept")}
    return CorpusCounts(read=read, without_text=read - len(fates), **counts)
