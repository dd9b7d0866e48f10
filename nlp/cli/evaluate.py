"""`newsfolio evaluate`: how good a classifier is on labelled texts, and what to compare it with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

    from nlp.evaluation.assessment import Assessment
    from nlp.evaluation.baselines import WordList
    from nlp.model.ensemble import Classifier


def evaluate(
    model: Annotated[str, typer.Argument(help="A folder that a classifier was saved in, or one on the hub.")],
    test: Annotated[Path, typer.Argument(help="Labelled texts the model has not seen.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    task: Annotated[str | None, typer.Option(help="The task that the model must have; else whatever it has.")] = None,
    text: Annotated[str, typer.Option(help="Columns whose texts are joined, as in training: title,body.")] = "text",
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
    """Measure accuracy, macro-F1, MCC, Brier score and calibration, with 95 % intervals.

    Of texts with several labels: exact matches, macro-F1, micro-F1 and Brier score.
    """
    from nlp.corpora.formats import read_corpus
    from nlp.errors import ModelError
    from nlp.evaluation.baselines import read_word_list
    from nlp.evaluation.output.page import write_evaluation
    from nlp.labels import LABEL_MAP, TONE, parse_label_map
    from nlp.model.ensemble import load_classifier
    from nlp.training.model_card import corpus_digest

    classifiers = {name: load_classifier(name, task=task) for name in (model, against) if name is not None}
    names, several = classifiers[model].labels, classifiers[model].multi_label
    if any((each.labels, each.multi_label) != (names, several) for each in classifiers.values()):
        raise ModelError(f"{against}: has other labels than {model}: compare models of one task")
    tone = classifiers[model].task == TONE
    if not tone and (labels or word_list):
        raise ModelError(f"--labels and --word-list are for the task {TONE}, {model} is a classifier of another")
    known = None if not tone else parse_label_map(labels) if labels else LABEL_MAP
    texts_of = text.split(",")
    labelled = read_corpus(test, text=texts_of, label_map=known).rows
    training = None if train is None else read_corpus(train, text=texts_of, label_map=known).rows
    words = None if word_list is None else read_word_list(word_list)
    others = () if against is None else (against,)  # which may be the very same model
    found, labelled = _assessed(model, others, classifiers, labelled, training, words)
    facts = {
        "test": str(test),
        "train": str(train or ""),
        "word list": str(word_list or ""),
        "SHA-256 of texts and labels": corpus_digest(labelled),
        "fingerprint": classifiers[model].fingerprint,
        "fingerprint of the other model": classifiers[against].fingerprint if against is not None else "",
    }
    facts = {name: value for name, value in facts.items() if value}
    page = None if out is None else str(write_evaluation(found, out, facts=facts))
    if as_json:
        typer.echo(json.dumps(found.to_dict() | {"facts": facts, "page": page}, allow_nan=False))
    else:
        typer.echo(f"{found}\n\nwritten to {page}" if page else str(found))


def _assessed(
    model: str,
    others: tuple[str, ...],
    classifiers: Mapping[str, "Classifier"],
    labelled: "pd.DataFrame",
    training: "pd.DataFrame | None",
    words: "WordList | None",
) -> "tuple[Assessment, pd.DataFrame]":
    """Assess a classifier against others and the baselines, and return the texts that all can read."""
    from nlp.evaluation.assessment import assess
    from nlp.evaluation.baselines import unseen_baselines
    from nlp.evaluation.evaluate import left_out, readable_rows
    from nlp.model.inference import text_notes

    names, several = classifiers[model].labels, classifiers[model].multi_label
    texts = list(labelled["text"])
    fitted, notes = unseen_baselines(training, labelled, words, names, multi_label=several)
    baselines = {name: baseline.predict_proba(texts) for name, baseline in fitted.items()}
    with text_notes(apart=True) as noted:
        scored = {name: classifier.predict_proba(texts, progress=True) for name, classifier in classifiers.items()}
    noted.say(unreadable=False)  # the page says that
    read = readable_rows(*scored.values())
    if not read.all():
        labelled, notes = labelled[read], [*notes, left_out(read)]
        scored, baselines = ({name: rows[read] for name, rows in each.items()} for each in (scored, baselines))
    found = assess(
        model,
        scored[model],
        labelled,
        names=names,
        multi_label=several,
        against={name: scored[name] for name in others},
        baselines=baselines,
        notes=notes,
    )
    return found, labelled
