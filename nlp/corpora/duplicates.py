"""Texts that come more than once: which row stays, why each of the others goes, and how many do."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

OnMixed = Literal["vote", "drop", "keep"]


@dataclass(frozen=True)
class CorpusCounts:
    """What became of the rows of a corpus; `read` is the sum of all the others.

    without_text: no text, or blanks. repeats: text and label of a row that is kept. outvoted: other rows of the text
    give another label, and more of them. tied: no label of the text is the commonest. mixed: the text has one label
    for one target and another for another.
    """

    read: int
    without_text: int
    repeats: int
    outvoted: int
    tied: int
    mixed: int
    kept: int

    def __str__(self) -> str:
        """One line that a person can read; what did not happen is left out."""
        dropped = (
            (self.without_text, "without text"),
            (self.repeats, "exact repeats"),
            (self.outvoted, "outvoted by another label of their text"),
            (self.tied, "of texts whose labels tie"),
            (self.mixed, "of texts whose targets disagree"),
        )
        told = ", ".join(f"{rows:,} {reason}" for rows, reason in dropped if rows)
        return f"{self.read:,} rows read, {self.kept:,} kept" + (f"; dropped: {told}" if told else "")


def resolve_duplicates(labelled: pd.DataFrame, on_mixed: OnMixed = "vote") -> pd.Series:
    """Return what becomes of each row of text, label and maybe target: kept, repeats, outvoted, tied or mixed.

    The rows of one text vote on its label: the commonest wins and stays in the first row that bears it, a tie drops
    the text. Two targets of one text may well differ in label, and that is no contradiction: under "keep" each
    text and target has a vote of its own, and a row of its own; "drop", for classifiers that see the text alone,
    then lets go of the texts whose targets disagree and of all but the first row of the others; "vote" takes no
    notice of targets. A row without a target counts as one more target.
    """
    per_target = on_mixed != "vote" and "target" in labelled.columns
    fates = _votes(labelled, ["text", "target"] if per_target else ["text"])
    if per_target and on_mixed == "drop":
        kept = labelled[fates == "kept"]
        mixed = kept.groupby("text", sort=False)["label"].transform("nunique") > 1
        fates[kept.index] = np.select([mixed, kept.duplicated("text")], ["mixed", "repeats"], "kept")
    return fates


def _votes(labelled: pd.DataFrame, key: list[str]) -> pd.Series:
    group = labelled.groupby(key, sort=False, dropna=False).ngroup()
    votes = group.groupby([group, labelled["label"]], sort=False).transform("size")
    best = votes.groupby(group).transform("max")
    leading = votes == best
    decided = leading.groupby(group).transform("sum") == best  # one label alone has the most votes
    repeated = group.where(leading).duplicated()
    fates = np.select([~decided, ~leading, repeated], ["tied", "outvoted", "repeats"], "kept")
    return pd.Series(fates, index=labelled.index, dtype=object)


def count_fates(fates: pd.Series, *, read: int) -> CorpusCounts:
    """Return the counts of `resolve_duplicates`, of `read` rows in all; those that have no fate had no text."""
    rows = fates.value_counts()
    told = (int(rows.get(fate, 0)) for fate in ("repeats", "outvoted", "tied", "mixed", "kept"))
    return CorpusCounts(read, read - len(fates), *told)
