"""`newsfolio finetune`: train on labelled texts, save the classifier and its card."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

    from nlp.corpora.mixing import Weighted
    from nlp.evaluation.evaluate import Evaluation
    from nlp.evaluation.multi_label import MultiLabelEvaluation
    from nlp.model.classifier import TextClassifier
    from nlp.training.finetune import FinetuneReport
    from nlp.training.recipe import FinetuneConfig

UNSTATED = "not stated"  # the licence of a corpus
ENDINGS = FIRST, AGAIN = "partial", "refit.partial"  # of the folders next to the model in which checkpoints are kept
HELD_OUT = 0.1  # of the first corpus, where no file of validation texts is given


@dataclass(frozen=True)
class TrainingFiles:
    """The corpora of a run: TRAIN, further ones and the weight of their texts, held-out texts (None: a part of TRAIN).

    task: tone, or a name for the labels that the files bring. text: the columns whose texts are joined. labels: what
    other labels mean, as --labels. public: whether the public corpora in TRAIN's folder are used too.
    """

    train: Path
    also: tuple[Path, ...] = ()
    also_weight: float = 0.3
    valid: Path | None = None
    task: str = "tone"
    text: str = "text"
    labels: str = ""
    licence: str = UNSTATED
    public: bool = False


@dataclass(frozen=True)
class Split:
    """The rows of a run, where the held-out ones came from, and how they were split."""

    train: "pd.DataFrame"
    valid: "pd.DataFrame"
    valid_name: str
    how: str


@dataclass(frozen=True)
class Trained:
    """A classifier, the rows it was trained on, and the figures of the held-out texts, before a refit on them."""

    classifier: "TextClassifier"
    report: "FinetuneReport"
    evaluation: "Evaluation | MultiLabelEvaluation"
    rows: "pd.DataFrame"


def finetune(
    train: Annotated[
        Path,
        typer.Argument(
            help="Labelled texts: a table with text and label (and weight, how much each counts), or a corpus as "
            "published."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the classifier.")],
    task: Annotated[
        str,
        typer.Option(
            help="tone (negative, neutral, positive), or any other name: the labels are those of TRAIN; a cell with "
            "several, divided by | without blanks, makes the task multi-label."
        ),
    ] = "tone",
    text: Annotated[
        str, typer.Option(help="Columns whose texts are joined, for other tasks than tone: title,body.")
    ] = "text",
    valid: Annotated[Path | None, typer.Option(help="Held-out texts; else a tenth of TRAIN.")] = None,
    also: Annotated[list[Path] | None, typer.Option(help="Another corpus to train on; may be repeated.")] = None,
    also_weight: Annotated[float, typer.Option(help="Weight of a text of these, where one of TRAIN has 1.")] = 0.3,
    labels: Annotated[str, typer.Option(help="What other labels mean: 0=bearish,1=bullish,2=neutral.")] = "",
    base: Annotated[str, typer.Option(help="minilm, a folder, or a model on the hub.")] = "minilm",
    preset: Annotated[
        str,
        typer.Option(
            help="default; small for about a thousand texts; full also takes the public corpora in TRAIN's folder "
            "(phrasebank, twitter_financial_news, fiqa_sentiment) and trains again on all."
        ),
    ] = "default",
    epochs: Annotated[float | None, typer.Option(help="Passes over the texts; else the preset's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Highest learning rate; else the preset's.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Texts per step; else the preset's.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Tokens of a text that are read in training.")] = None,
    patience: Annotated[int, typer.Option(help="Stop after so many passes without a better macro-F1; 0: never.")] = 0,
    licence: Annotated[str, typer.Option(help="Licence of TRAIN and of each --also, for the card.")] = UNSTATED,
    track: Annotated[list[str] | None, typer.Option(help="tensorboard, wandb or mlflow; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of split, head and order.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Fine-tune a classifier on labelled texts and save it, with a card that says what it was trained on.

    A run that was killed resumes when the same command is given again.
    """
    from nlp.errors import ModelError
    from nlp.labels import TONE
    from nlp.training.recipe import FinetuneConfig

    if preset == "full" and patience:
        raise ModelError(
            "--patience needs held-out texts, and --preset full finally trains on them too: give one of both"
        )
    if task != TONE and (labels or preset == "full"):
        raise ModelError(f"--labels and --preset full are for the task {TONE}: {task} has the labels of {train.name}")
    if task == TONE and text != "text":
        raise ModelError(f"--text is for other tasks than {TONE}: name the column of texts text")
    stated = {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size, "max_length": max_length}
    chosen = {name: value for name, value in stated.items() if value is not None}  # else the preset's
    config = replace(FinetuneConfig.preset(preset, seed), base=base, patience=patience, **chosen)  # type: ignore[arg-type]
    files = TrainingFiles(
        train=train,
        also=tuple(also or ()),
        also_weight=also_weight,
        valid=valid,
        task=task,
        text=text,
        labels=labels,
        licence=licence,
        public=preset == "full",
    )
    report = finetune_files(files, config, out, refitted=preset == "full", trackers=track or ())
    typer.echo(json.dumps(report.to_dict()) if as_json else f"{report}\nsaved in {out}")


def finetune_files(
    files: TrainingFiles, config: "FinetuneConfig", out: Path, *, refitted: bool = False, trackers: Sequence[str] = ()
) -> "FinetuneReport":
    """Train on files, save the classifier with its card in `out`, return the report of the held-out texts.

    refitted: whether what is saved was trained once more, by the same recipe, on the held-out texts too.

    Raises:
        CorpusError, ModelError: files, settings or `out` cannot be used; seen before the training starts.
    """
    from nlp.model.files import check_destination
    from nlp.training.checkpoints import clear

    check_destination(out)
    data, workspaces = _split(files, config.seed), [out.with_name(f"{out.name}.{ending}") for ending in ENDINGS]
    trained = _train(files, data, config, workspaces if refitted else workspaces[:1], trackers)
    trained.classifier.save(out, card=_card(out.name, trained, data, files, config))
    for workspace in workspaces:  # only now, as saving may fail too
        clear(workspace)
    return trained.report


def _train(
    files: TrainingFiles, data: Split, config: "FinetuneConfig", workspaces: list[Path], trackers: Sequence[str]
) -> Trained:
    """Train, and with a second workspace once more on all rows; checkpoints stay in the workspaces."""
    import pandas as pd

    from nlp.evaluation.evaluate import evaluate
    from nlp.model.inference import text_notes
    from nlp.training.finetune import finetune as train_classifier
    from nlp.training.finetune import refit

    classifier, report = train_classifier(
        data.train,
        data.valid,
        config,
        task=files.task,
        workspace=workspaces[0],
        trackers=trackers,
        progress=True,
        keep_checkpoints=True,
    )
    with text_notes(apart=True):  # the training has said them
        evaluation = evaluate(classifier, data.valid)  # before a refit sees these texts
    if not workspaces[1:]:
        return Trained(classifier, report, evaluation, data.train)
    rows = pd.concat([data.train, data.valid], ignore_index=True)
    again = refit(
        rows,
        config,
        temperature=report.temperature,
        task=files.task,
        workspace=workspaces[1],
        progress=True,
        keep_checkpoints=True,
    )
    return Trained(again, report, evaluation, rows)


def _card(name: str, trained: Trained, data: Split, files: TrainingFiles, config: "FinetuneConfig") -> str:
    from nlp.provenance import dates_column
    from nlp.training.model_card import CardFacts, corpus_facts, model_card

    classifier, names = trained.classifier, trained.classifier.labels
    several = classifier.multi_label
    named = {file.name for file in (files.train, *files.also)}  # the licence of public corpora nobody stated
    training = []
    for corpus, rows in trained.rows.groupby("corpus", sort=False):
        licence, dates = files.licence if corpus in named else UNSTATED, dates_column(rows)
        training.append(
            corpus_facts(rows, name=str(corpus), licence=licence, dates=dates, names=names, multi_label=several)
        )
    facts = CardFacts(
        name=name,
        base=config.base,
        fingerprint=classifier.fingerprint,
        training=tuple(training),
        evaluated_on=corpus_facts(data.valid, name=data.valid_name, names=names, multi_label=several),
        evaluation=trained.evaluation,
        split=data.how,
        temperature=classifier.temperature,
        task=files.task,
        config=asdict(trained.report.config),
        limits=_limits(config, files.text, refitted=len(trained.rows) > len(data.train)),
    )
    return model_card(facts)


def _split(files: TrainingFiles, seed: int) -> Split:
    """Training and held-out rows, near-duplicates on one side; public corpora are drawn from where they are large."""
    import pandas as pd

    from newsfolio.shared.tables import READERS
    from nlp.corpora.mixing import MOST, apart_from, at_most, mixed, public_corpora, split_first
    from nlp.errors import CorpusError
    from nlp.labels import TONE, has_several, label_set

    named = (files.train, *files.also)
    if len({file.name for file in named}) < len(named):
        names = ", ".join(file.name for file in named)
        raise CorpusError(f"two of {names} have the same file name: rename one, as the card names corpora by it")
    corpora: dict[str, Weighted] = {
        file.name: (_rows(file, files), 1.0 if file == files.train else files.also_weight) for file in named
    }
    if files.task != TONE:
        cells = pd.concat([rows["label"] for rows, _ in corpora.values()])
        label_set(cells, multi_label=has_several(cells))  # before a split finds some too rare
    if files.public:
        taken = {file.stem for file in (*named, *([files.valid] if files.valid else []))}
        found = public_corpora(files.train, READERS, taken=taken)
        if found:
            typer.echo(f"also trained on: {', '.join(file.name for file in found)}", err=True)
        for file in found:
            corpora[file.name] = (
                at_most(_rows(file, replace(files, labels="")), MOST, file.name, seed),
                files.also_weight,
            )
    if files.valid is not None:
        held = mixed({files.valid.name: (_rows(files.valid, files), 1.0)})
        return Split(apart_from(mixed(corpora), held), held, files.valid.name, f"the texts of {files.valid.name}")
    train, held = split_first(corpora, valid=HELD_OUT, seed=seed)
    how = f"a tenth of {files.train.name}, near-duplicates on one side, seed {seed}"
    return Split(train, held, f"{files.train.name}, held out", how)


def _rows(file: Path, files: TrainingFiles) -> "pd.DataFrame":
    from nlp.corpora.formats import TABLE, read_corpus
    from nlp.labels import LABEL_MAP, TONE, parse_label_map

    known = parse_label_map(files.labels) if files.labels else LABEL_MAP
    corpus = read_corpus(file, text=files.text.split(","), label_map=known if files.task == TONE else None)
    if corpus.form != TABLE:  # what was recognised, not asked for
        typer.echo(f"{file.name}: read as {corpus.form}", err=True)
    return corpus.rows


def _limits(config: "FinetuneConfig", text: str, *, refitted: bool) -> tuple[str, ...]:
    from nlp.model.files import texts_of_base
    from nlp.provenance import UNKNOWN

    lines = ["The temperature was fitted on the held-out texts: their calibration error is a little too good."]
    if "," in text:
        lines.append(f"Its texts were the columns {text}, joined by line breaks: give it texts of the same kind.")
    if config.patience:
        lines.append("The number of passes was chosen on the held-out texts: all their figures are a little too good.")
    if refitted:
        lines.append(
            "Figures and temperature are those of the same recipe without the held-out texts. The weights here were "
            "then trained on these too, so what the model says of them is no test of it."
        )
    texts = texts_of_base(config.base)
    if texts is not None:  # what newsfolio itself trained the base on, which is not among the corpora of this run
        corpora = ", ".join(texts.corpora) or UNKNOWN
        until = texts.until or UNKNOWN
        lines.append(f"The base was trained before on: {corpora}; date of the last of these texts: {until}.")
    return tuple(lines)
