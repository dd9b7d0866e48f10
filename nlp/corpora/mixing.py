"""Several corpora in one training: which, how much each counts, and none of the held-out texts among them."""

import logging
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from nlp.corpora.labelled import split_groups
from nlp.errors import CorpusError
from nlp.texts.near_duplicates import duplicate_groups, near_any_of

log = logging.getLogger(__name__)

# By name, never whatever is there: another labelled file in the same folder may be the test.
PUBLIC = ("phrasebank", "twitter_financial_news", "fiqa_sentiment")
MOST = 1000  # texts of each: in-domain ones are worth more, and the time of a training is bounded

Weighted = tuple[pd.DataFrame, float]  # rows of text and label, and how much each of them counts


def mixed(corpora: Mapping[str, Weighted]) -> pd.DataFrame:
    """Return the rows of several corpora, concatenated, with the columns `corpus` and `weight`.

    corpora: (rows, weight) by name; a text of weight 0.3 counts in training as much as 0.3 texts of weight 1. Where
    rows have a column `weight` of their own, each is multiplied by it; one that is no number becomes a missing one,
    which the training refuses.

    Raises:
        CorpusError: nothing to mix, or a weight that is not above 0.
    """
    if not corpora:
        raise CorpusError("there is no corpus to mix: pass at least one")
    for name, (_, weight) in corpora.items():
        if not 0.0 < weight < np.inf:
            raise CorpusError(f"{name}: its weight is {weight:g}: give a number above 0")
    parts = []
    for name, (rows, weight) in corpora.items():
        own = pd.to_numeric(rows["weight"], errors="coerce") if "weight" in rows else 1.0
        parts.append(rows.assign(corpus=name, weight=weight * own))
    return pd.concat(parts, ignore_index=True)


def apart_from(train: pd.DataFrame, held: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `train` that are no near-duplicates of a held-out text; the others are counted in the log.

    Raises:
        CorpusError: none is left.
    """
    near = near_any_of(list(train["text"]), list(held["text"]))
    if near.all():
        raise CorpusError("all training texts are near-duplicates of held-out ones: hold out other texts")
    if near.any():
        log.warning("%d training texts are near-duplicates of held-out ones and were left out", near.sum())
    return train[~near].reset_index(drop=True)


def split_first(
    corpora: Mapping[str, Weighted], *, valid: float = 0.1, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (train, valid): a share of the first corpus is held out, all the rest is mixed for training.

    The first corpus is split as by `split`. Texts of the others that are near-duplicates of a held-out one are left
    out, and counted in the log.

    Raises:
        CorpusError: as `mixed`; or the first corpus is too small for a split of that size.
    """
    rows = mixed(corpora)
    rows["group"] = duplicate_groups(list(rows["text"]))
    ours = rows["corpus"] == next(iter(corpora))
    first = rows[ours].reset_index(drop=True)
    train, held = split_groups(first, first["group"].to_numpy(), valid=valid, seed=seed)
    others = rows[~ours]
    near = others["group"].isin(held["group"])
    if near.any():
        log.warning("%d texts of the other corpora are near-duplicates of held-out ones and were left out", near.sum())
    return pd.concat([train, others[~near]], ignore_index=True).drop(columns="group"), held.drop(columns="group")


def public_corpora(file: Path, endings: Collection[str], *, taken: Collection[str]) -> list[Path]:
    """Return the files of PUBLIC in the folder of `file`, in that order, without those `taken` (names).

    One that is there in several formats counts once, in the first of the `endings`.
    """
    forms = ([file.with_name(f"{name}{ending}") for ending in endings] for name in PUBLIC if name not in taken)
    found = (next(filter(Path.is_file, places), None) for places in forms)
    return [place for place in found if place]


def at_most(rows: pd.DataFrame, most: int, name: str, seed: int) -> pd.DataFrame:
    """Return `most` of the rows, drawn at random, or all where there are fewer; what is left out is logged."""
    if len(rows) <= most:
        return rows
    log.warning("%s: %d of %d texts drawn", name, most, len(rows))
    return rows.sample(most, random_state=seed).reset_index(drop=True)
