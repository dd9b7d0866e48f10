"""`newsfolio finetune`: train on labelled texts, save the classifier and its card."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

    from nlp.corpora.mixing import Weighted
    from nlp.evaluation.evaluate import Evaluation
    from nlp.model.classifier import SentimentClassifier
    from nlp.training.finetune import FinetuneReport
    from nlp.training.recipe import FinetuneConfig

UNSTATED = "not stated"  # the licence of a corpus
ENDINGS = FIRST, AGAIN = "partial", "refit.partial"  # of the folders beside the model in which checkpoints are kept
HELD_OUT = 0.1  # of the first corpus, where no file of validation texts is given


@dataclass(frozen=True)
class Data:
    """The rows of a run, where each part of them came from, and how they were split."""

    train: "pd.DataFrame"
    valid: "pd.DataFrame"
    valid_name: str
    split: str


def finetune(
    train: Annotated[
        Path,
        typer.Argument(
            help="Labelled texts: a table with text and label (and weight, how much each counts), or a corpus as "
            "published."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the classifier.")],
    valid: Annotated[Path | None, typer.Option(help="Held-out texts; else a tenth of TRAIN.")] = None,
    also: Annotated[list[Path] | None, typer.Option(help="Another corpus to train on; may be repeated.")] = None,
    also_weight: Annotated[float, typer.Option(help="How much a text of these counts beside one of TRAIN.")] = 0.3,
    labels: Annotated[str, typer.Option(help="What other labels mean: 0=bearish,1=bullish,2=neutral.")] = "",
    base: Annotated[str, typer.Option(help="minilm, a folder, or a model on the hub.")] = "minilm",
    preset: Annotated[
        str,
        typer.Option(
            help="default; small for about a thousand texts; full also takes the public corpora beside TRAIN "
            "(phrasebank, twitter_financial_news, fiqa_sentiment) and trains again on all."
        ),
    ] = "default",
    epochs: Annotated[float | None, typer.Option(help="Passes over the texts; else the preset's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate; else the preset's.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Texts per step; else the preset's.")] = None,
    patience: Annotated[int, typer.Option(help="Stop after so many passes without a better macro-F1; 0: never.")] = 0,
    licence: Annotated[str, typer.Option(help="Licence of TRAIN and of each --also, for the card.")] = UNSTATED,
    track: Annotated[list[str] | None, typer.Option(help="tensorboard, wandb or mlflow; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of split, head and order.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Fine-tune a classifier on labelled texts and save it, with a card that says what it was trained on.

    A run that was killed goes on where it was when the same command is given again.
    """
    import pandas as pd

    from nlp.errors import ModelError
    from nlp.evaluation.evaluate import evaluate
    from nlp.model.files import check_destination
    from nlp.training.checkpoints import clear
    from nlp.training.finetune import finetune
    from nlp.training.recipe import FinetuneConfig

    check_destination(out)
    if preset == "full" and patience:
        raise ModelError("--patience needs held-out texts, and --preset full trains on them at last: give one of both")
    given = {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size}
    config = replace(FinetuneConfig.preset(preset, seed), base=base, patience=patience, **_stated(given))
    corpora = _corpora([train, *(also or [])], also_weight, labels)
    licences = dict.fromkeys(corpora, licence)  # of the public corpora nobody said it
    if preset == "full":
        named = {file.stem for file in (train, *(also or []), *([valid] if valid else []))}
        corpora |= _public(train, also_weight, named, seed)
    data = _data(corpora, valid, labels, seed)
    classifier, report = finetune(
        data.train, data.valid, config, workspace=_beside(out, FIRST), trackers=track or (), progress=True,
        keep_checkpoints=True,
    )  # fmt: skip
    evaluation = evaluate(classifier, data.valid)  # before a refit sees these texts
    taught = data.train
    if preset == "full":
        taught = pd.concat([data.train, data.valid], ignore_index=True)
        classifier = _refitted(taught, report, out)
    card = _card(out.name, classifier, evaluation, data, taught, report, licences)
    classifier.save(out, card=card)
    for ending in ENDINGS:  # only now, as saving may fail too
        clear(_beside(out, ending))
    typer.echo(json.dumps(report.to_dict()) if as_json else f"{report}\nsaved in {out}")


def _stated(given: dict[str, float | None]) -> dict[str, Any]:
    """Those that were given; the preset keeps the others."""
    return {name: value for name, value in given.items() if value is not None}


def _refitted(rows: "pd.DataFrame", report: "FinetuneReport", out: Path) -> "SentimentClassifier":
    """The same recipe on the held-out texts too."""
    from nlp.training.finetune import refit

    return refit(
        rows,
        report.config,
        temperature=report.temperature,
        workspace=_beside(out, AGAIN),
        progress=True,
        keep_checkpoints=True,
    )


def _beside(out: Path, ending: str) -> Path:
    """Where a run keeps its checkpoints until it is done."""
    return out.with_name(f"{out.name}.{ending}")


def _corpora(files: list[Path], also_weight: float, labels: str) -> "dict[str, Weighted]":
    """The rows of each file and how much they count, by its name, that of TRAIN first."""
    from nlp.errors import CorpusError

    names = [file.name for file in files]
    if len(set(names)) < len(names):
        raise CorpusError(f"two of {', '.join(names)} have one name: rename a file, as the card tells them by it")
    return {file.name: (_rows(file, labels), 1.0 if place == 0 else also_weight) for place, file in enumerate(files)}


def _public(train: Path, weight: float, taken: set[str], seed: int) -> "dict[str, Weighted]":
    """The public corpora beside TRAIN that were not named, in whatever format, drawn from where they are large."""
    from newsfolio.shared.tables import READERS
    from nlp.corpora.public_corpora import MOST, at_most, public_beside

    files = public_beside(train, READERS, taken=taken)
    if files:
        typer.echo(f"trained on beside {train.name}: {', '.join(file.name for file in files)}", err=True)
    return {file.name: (at_most(_rows(file, ""), MOST, file.name, seed), weight) for file in files}


def _data(corpora: "dict[str, Weighted]", valid: Path | None, labels: str, seed: int) -> Data:
    from nlp.corpora.mixing import apart_from, mixed, split_first

    if valid is not None:
        held = mixed({valid.name: (_rows(valid, labels), 1.0)})
        return Data(apart_from(mixed(corpora), held), held, valid.name, f"the texts of {valid.name}")
    first = next(iter(corpora))
    train, held = split_first(corpora, valid=HELD_OUT, seed=seed)
    split = f"a tenth of {first}, near-duplicates on one side, seed {seed}"
    return Data(train, held, f"{first}, held out", split)


def _rows(file: Path, labels: str) -> "pd.DataFrame":
    from nlp.corpora.formats import TABLE, read_corpus
    from nlp.labels import LABEL_MAP, parse_label_map

    corpus = read_corpus(file, label_map=parse_label_map(labels) if labels else LABEL_MAP)
    if corpus.form != TABLE:  # what was recognised, not asked for
        typer.echo(f"{file.name}: read as {corpus.form}", err=True)
    return corpus.rows


def _card(
    name: str, classifier: "SentimentClassifier", evaluation: "Evaluation", data: Data, taught: "pd.DataFrame",
    report: "FinetuneReport", licences: dict[str, str],
) -> str:  # fmt: skip
    from nlp.provenance import dates_column
    from nlp.training.model_card import CardFacts, corpus_facts, model_card

    training = [
        corpus_facts(rows, name=str(corpus), licence=licences.get(str(corpus), UNSTATED), dates=dates_column(rows))
        for corpus, rows in taught.groupby("corpus", sort=False)
    ]
    facts = CardFacts(
        name=name,
        base=report.config.base,
        fingerprint=classifier.fingerprint,
        training=tuple(training),
        evaluated_on=corpus_facts(data.valid, name=data.valid_name),
        evaluation=evaluation,
        split=data.split,
        temperature=classifier.temperature,
        config=asdict(report.config),
        limits=_limits(report.config, refitted=len(taught) > len(data.train)),
    )
    return model_card(facts)


def _limits(config: "FinetuneConfig", *, refitted: bool) -> tuple[str, ...]:
    fitted = "The temperature was fitted on the held-out texts: their calibration error is a little too good."
    chosen = "The number of passes was chosen on the held-out texts: all their figures are a little too good."
    again = (
        "Figures and temperature are those of the same recipe without the held-out texts. The weights here were then "
        "trained on these too, so what the model says of them is no test of it."
    )
    chosen_limits = (*((chosen,) if config.patience else ()), *((again,) if refitted else ()))
    return (fitted, *chosen_limits, *_taught_before(config.base))


def _taught_before(base: str) -> tuple[str, ...]:
    """What newsfolio itself had taught the base, which is not among the corpora of this run."""
    from nlp.model.files import texts_of_base
    from nlp.provenance import UNKNOWN

    texts = texts_of_base(base)
    if texts is None:
        return ()
    corpora = ", ".join(texts.corpora) or UNKNOWN
    return (f"The base was taught before by: {corpora}; date of the last of these texts: {texts.until or UNKNOWN}.",)
