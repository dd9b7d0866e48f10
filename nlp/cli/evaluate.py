"""`newsfolio evaluate`: how good a classifier is on labelled texts, and beside what it is to be judged."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

    from nlp.evaluation.assessment import Assessment
    from nlp.evaluation.baselines import WordList


def evaluate(
    model: Annotated[str, typer.Argument(help="A folder that a classifier was saved in, or one on the hub.")],
    test: Annotated[Path, typer.Argument(help="Labelled texts the model has not seen.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    against: Annotated[str | None, typer.Option(help="Another model, compared on the same texts.")] = None,
    train: Annotated[
        Path | None, typer.Option(help="Labelled texts to fit the baselines on: majority, TF-IDF + regression.")
    ] = None,
    word_list: Annotated[
        Path | None,
        typer.Option(
            help="Words by category, as another baseline: a table of word and category (negative, positive), or the "
            "Loughran-McDonald master dictionary."
        ),
    ] = None,
    labels: Annotated[str, typer.Option(help="What other labels mean: 0=bearish,1=bullish,2=neutral.")] = "",
    out: Annotated[Path | None, typer.Option(help="A folder to write evaluation.html into.")] = None,
) -> None:
    """Measure accuracy, macro-F1, MCC, Brier score and calibration, with 95 % intervals."""
    from nlp.corpora.formats import read_corpus
    from nlp.evaluation.baselines import read_word_list
    from nlp.labels import LABEL_MAP, parse_label_map

    known = parse_label_map(labels) if labels else LABEL_MAP
    labelled = read_corpus(test, label_map=known).rows
    training = None if train is None else read_corpus(train, label_map=known).rows
    words = None if word_list is None else read_word_list(word_list)
    found, fingerprints = _assessed(model, against, labelled, training, words)
    facts = {"test": str(test), "train": str(train or ""), "word list": str(word_list or ""), **fingerprints}
    facts = {name: value for name, value in facts.items() if value}
    page = None if out is None else _written(found, out, facts)
    if as_json:
        typer.echo(json.dumps(found.to_dict() | {"facts": facts, "page": page}, allow_nan=False))
    else:
        typer.echo(f"{found}\n\nwritten to {page}" if page else str(found))


def _written(found: "Assessment", out: Path, facts: dict[str, str]) -> str:
    from nlp.evaluation.page import write_evaluation

    return str(write_evaluation(found, out, facts=facts))


def _assessed(
    model: str, against: str | None, labelled: "pd.DataFrame", training: "pd.DataFrame | None", words: "WordList | None"
) -> "tuple[Assessment, dict[str, str]]":
    """The assessment, and what it was made from."""
    from nlp.evaluation.assessment import assess
    from nlp.evaluation.baselines import fit_baselines
    from nlp.model.ensemble import load_classifier
    from nlp.training.model_card import corpus_digest

    texts = list(labelled["text"])
    classifiers = [load_classifier(name) for name in (model, against) if name is not None]
    kept, notes = _unseen(training, labelled)
    baselines = {name: fitted.predict_proba(texts) for name, fitted in fit_baselines(kept, words).items()}
    if words is not None:
        notes.append("The word list ranks texts; its Brier score and calibration error are of a made-up scale.")
    first, *others = (classifier.predict_proba(texts, progress=True) for classifier in classifiers)
    found = assess(
        model, first, labelled, against={str(against): other for other in others}, baselines=baselines, notes=notes
    )
    names = ("fingerprint", "fingerprint of the other model")
    prints = {name: classifier.fingerprint for name, classifier in zip(names, classifiers, strict=False)}
    return found, {"SHA-256 of texts and labels": corpus_digest(labelled), **prints}


def _unseen(training: "pd.DataFrame | None", labelled: "pd.DataFrame") -> "tuple[pd.DataFrame | None, list[str]]":
    """The training texts that are no near-duplicates of test texts, and what to say of the others."""
    from nlp.evaluation.baselines import without_near_duplicates

    notes = ["A model does not tell which texts it was trained on: that it has not seen these is taken on trust."]
    if training is None:
        return None, notes
    kept, met = without_near_duplicates(training, labelled)
    removed = len(training) - len(kept)
    notes.append(
        f"The baselines were fitted on {len(kept):,} training texts; {removed:,} more are near-duplicates of "
        f"{int(met.sum()):,} of the {len(met):,} test texts and were left out."
    )
    return kept, notes
