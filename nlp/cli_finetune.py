"""`newsfolio finetune`: train on labelled texts, save the classifier and its card."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

    from nlp.classifier import SentimentClassifier
    from nlp.finetune import FinetuneReport


def finetune(
    train: Annotated[Path, typer.Argument(help="Labelled texts: CSV, Parquet or JSONL with text and label.")],
    out: Annotated[Path, typer.Option(help="Folder for the classifier.")],
    valid: Annotated[Path | None, typer.Option(help="Held-out texts; else a tenth of TRAIN.")] = None,
    base: Annotated[str, typer.Option(help="minilm, a folder, or a model on the hub.")] = "minilm",
    epochs: Annotated[float, typer.Option(help="Passes over the training texts.")] = 4.0,
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 5e-5,
    batch_size: Annotated[int, typer.Option(help="Texts per step.")] = 32,
    seed: Annotated[int, typer.Option(help="Seed of split, head and order.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Fine-tune a classifier on labelled texts and save it, with a card that says what it was trained on."""
    from nlp.corpora import read_labelled, split
    from nlp.finetune import finetune
    from nlp.recipe import FinetuneConfig

    config = FinetuneConfig(base=base, epochs=epochs, learning_rate=learning_rate, batch_size=batch_size, seed=seed)
    rows = read_labelled(train)
    parts = (rows, read_labelled(valid)) if valid else split(rows, seed=seed)
    classifier, report = finetune(*parts, config, progress=True)
    classifier.save(out)
    split_by = f"texts of {valid.name}" if valid else f"a tenth, near-duplicates on one side, seed {seed}"
    (out / "README.md").write_text(_card(out.name, train.name, classifier, parts, report, split_by), encoding="utf-8")
    typer.echo(json.dumps(report.to_dict()) if as_json else f"{report}\nsaved in {out}")


def _card(
    name: str,
    corpus: str,
    classifier: "SentimentClassifier",
    parts: "tuple[pd.DataFrame, pd.DataFrame]",
    report: "FinetuneReport",
    split: str,
) -> str:
    from nlp.evaluate import evaluate
    from nlp.model_card import CardFacts, corpus_facts, model_card

    facts = CardFacts(
        name=name,
        base=report.config.base,
        fingerprint=classifier.fingerprint,
        training=(corpus_facts(parts[0], name=corpus),),
        evaluated_on=corpus_facts(parts[1], name=f"{corpus}, held out"),
        evaluation=evaluate(classifier, parts[1]),
        split=split,
        temperature=classifier.temperature,
        config=asdict(report.config),
        limits=("The temperature was fitted on the held-out texts: their calibration error is a little too good.",),
    )
    return model_card(facts)
