"""`newsfolio finetune`, `evaluate`, `score` and `signal`: thin skins over one public function each."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

    from nlp.classifier import SentimentClassifier
    from nlp.finetune import FinetuneReport

Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]


def register(app: typer.Typer) -> None:
    """Add this package's commands to `app`."""
    for command in (finetune, evaluate, score, signal):
        app.command()(command)


def finetune(
    train: Annotated[Path, typer.Argument(help="Labelled texts: CSV, Parquet or JSONL with text and label.")],
    out: Annotated[Path, typer.Option(help="Folder for the classifier.")],
    valid: Annotated[Path | None, typer.Option(help="Held-out texts; else a tenth of TRAIN.")] = None,
    base: Annotated[str, typer.Option(help="minilm, a folder, or a model on the hub.")] = "minilm",
    epochs: Annotated[float, typer.Option(help="Passes over the training texts.")] = 4.0,
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 5e-5,
    batch_size: Annotated[int, typer.Option(help="Texts per step.")] = 32,
    seed: Annotated[int, typer.Option(help="Seed of split, head and order.")] = 0,
    as_json: Json = False,
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


def evaluate(
    model: Annotated[str, typer.Argument(help="A folder that a classifier was saved in, or one on the hub.")],
    test: Annotated[Path, typer.Argument(help="Labelled texts the model has not seen.")],
    as_json: Json = False,
) -> None:
    """Measure accuracy, macro-F1 and calibration, with 95 % intervals."""
    from nlp.corpora import read_labelled
    from nlp.ensemble import load_classifier
    from nlp.evaluate import evaluate

    labelled = read_labelled(test)
    evaluation = evaluate(load_classifier(model), labelled)
    typer.echo(json.dumps(evaluation.to_dict()) if as_json else str(evaluation))


def score(
    news: Annotated[Path, typer.Argument(help="Headlines: CSV, Parquet or JSONL with published, asset, text.")],
    model: Annotated[str, typer.Option(help="A folder that a classifier was saved in, or one on the hub.")],
    out: Annotated[Path, typer.Option(help="Where to write the headlines with probabilities.")],
    timezone: Annotated[str | None, typer.Option(help="Zone of publication times that name none.")] = None,
) -> None:
    """Add the columns negative, neutral, positive and score to headlines."""
    from nlp.ensemble import load_classifier
    from nlp.headlines import read_headlines
    from nlp.scores import score_headlines
    from nlp.tables import write_table

    headlines = read_headlines(news, timezone=timezone)
    scored = score_headlines(headlines, load_classifier(model), progress=True)
    write_table(scored, out)
    typer.echo(f"{len(scored):,} headlines scored, mean score {scored['score'].mean():+.3f}; written to {out}")


def signal(
    scored: Annotated[Path, typer.Argument(help="Headlines with a column score.")],
    out: Annotated[Path, typer.Option(help="Where to write the signal: sessions × assets.")],
    calendar: Annotated[str, typer.Option(help="Exchange calendar, such as XNYS or XLON.")] = "XNYS",
    halflife: Annotated[float, typer.Option(help="Sessions in which news loses half its weight.")] = 3.0,
    prior_strength: Annotated[float, typer.Option(help="Neutral headlines to shrink towards.")] = 2.0,
    silence: Annotated[int, typer.Option(help="Sessions after the last news until there is no signal.")] = 20,
    timezone: Annotated[str | None, typer.Option(help="Zone of publication times that name none.")] = None,
) -> None:
    """Turn scored headlines into one signal per session and asset."""
    from nlp.headlines import read_headlines
    from nlp.sessions import assign_session, calendar_sessions
    from nlp.signals import daily_signal
    from nlp.tables import write_indexed

    rows = read_headlines(scored, timezone=timezone)
    known = assign_session(rows["published"], calendar, time_known=rows["time_known"])
    sessions = calendar_sessions(calendar, known.min(), known.max())
    frame = daily_signal(
        rows, sessions, halflife=halflife, prior_strength=prior_strength, silence=silence, calendar=calendar
    )
    write_indexed(frame, out)
    typer.echo(
        f"{len(rows):,} headlines -> {frame.shape[0]:,} sessions × {frame.shape[1]} assets, "
        f"{frame.notna().to_numpy().mean():.0%} covered; written to {out}"
    )
