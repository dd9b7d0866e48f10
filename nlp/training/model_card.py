"""The card of a fine-tuned classifier: what it was trained on, how good it is, where it must not be trusted."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from newsfolio.shared.tables import need_columns
from nlp.errors import CorpusError
from nlp.evaluation.evaluate import NAMES, Evaluation
from nlp.evaluation.multi_label import NAMES as LABEL_NAMES
from nlp.evaluation.multi_label import MultiLabelEvaluation
from nlp.labels import LABELS, TONE, divided
from nlp.provenance import times_of

OF_TONE = "The label is the tone of a text towards the company it is about, not a forecast of a return."
MOST_COLUMNS = 8  # labels side by side; of more each is a row
LONGEST = 300  # characters of any one value that came from outside

LIMITS = (
    "English financial news only; other languages, long documents and irony were not tested.",
    "Probabilities are of labels as the annotators gave them, not of prices moving.",
    "A backtest must start after the last date of the training texts, and after the base model's own.",
)


@dataclass(frozen=True)
class CorpusFacts:
    """One set of labelled texts: its name, SHA-256, rows per label, licence as given, dates (YYYY-MM-DD) if known."""

    name: str
    digest: str
    counts: Mapping[str, int]
    licence: str = "not stated"
    first_date: str | None = None
    last_date: str | None = None
    texts: int | None = None

    @property
    def rows(self) -> int:
        """Number of texts: where each has one label, the sum of the counts."""
        return sum(self.counts.values()) if self.texts is None else self.texts


@dataclass(frozen=True)
class CardFacts:
    """Everything a card is written from; config is the run's, as plain values, limits are added to the usual ones."""

    name: str
    base: str
    fingerprint: str
    training: tuple[CorpusFacts, ...]
    evaluated_on: CorpusFacts
    evaluation: Evaluation | MultiLabelEvaluation
    split: str
    temperature: float
    task: str = TONE
    config: Mapping[str, object] = field(default_factory=dict)
    limits: tuple[str, ...] = ()


def corpus_facts(
    labelled: pd.DataFrame,
    *,
    name: str,
    licence: str = "not stated",
    dates: str | None = None,
    names: Sequence[str] = LABELS,
    multi_label: bool = False,
) -> CorpusFacts:
    """Gather the facts of rows of text and label (see read_labelled).

    dates: the column of publication times, where there is one; the period is not known where any row has no time.
    The digest is over texts and labels, whatever the order of rows and the other columns.

    Raises:
        CorpusError: there is no such column of dates, or it holds something else.
    """
    first = last = None
    if dates is not None:
        need_columns(labelled, (dates,), "labelled texts", CorpusError)
        times = times_of(labelled[dates])
        if not times.empty and times.notna().all():
            first, last = f"{times.min():%Y-%m-%d}", f"{times.max():%Y-%m-%d}"
    cells = labelled["label"].map(divided).explode() if multi_label else labelled["label"]
    counted = cells.value_counts()
    return CorpusFacts(
        name=name,
        digest=corpus_digest(labelled),
        counts={label: int(counted.get(label, 0)) for label in names},
        licence=licence,
        first_date=first,
        last_date=last,
        texts=len(labelled) if multi_label else None,
    )


def corpus_digest(labelled: pd.DataFrame) -> str:
    """SHA-256 over the sorted pairs of text and label, each as a line of JSON."""
    digest = hashlib.sha256()
    for pair in sorted(zip(labelled["text"].astype(str), labelled["label"].astype(str), strict=True)):
        digest.update(json.dumps(pair).encode() + b"\n")
    return digest.hexdigest()


def training_period(training: tuple[CorpusFacts, ...]) -> tuple[str, str] | None:
    """First and last date (YYYY-MM-DD) of the training texts; None where those of any corpus are unknown."""
    first = [corpus.first_date for corpus in training if corpus.first_date]
    last = [corpus.last_date for corpus in training if corpus.last_date]
    return (min(first), max(last)) if training and len(first) == len(last) == len(training) else None


def escaped(text: object) -> str:
    """Return text from outside as one line that Markdown shows as it stands: no links, tags, tables or code.

    Control and other invisible characters become blanks, and what is longer than 300 characters is cut with "…".
    """
    visible = "".join(" " if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" else c for c in str(text))
    line = " ".join(visible.split())
    line = line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
    plain = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = re.sub(r"([\\`*_\[\]#|!~$@])", r"\\\1", plain)
    plain = re.sub(r"(?i)(://|www\.)", lambda found: found[0].replace(":", "&#58;").replace(".", "&#46;"), plain)
    return re.sub(r"^(\d*)([-+=.)])(?=[-=\s]|$)", r"\1\\\2", plain)  # nor a list, a rule or a heading's underline


def model_card(facts: CardFacts) -> str:
    """Return the card in Markdown, with a front matter that the model hub reads.

    Every name, licence, setting and limit in it is treated as untrusted text and escaped. Figures carry their 95 %
    intervals. The same facts give the same card: no clock is read.
    """
    period = training_period(facts.training)
    names = list(facts.evaluation.per_class.index)
    subject = "Financial news sentiment" if facts.task == TONE else f"Labels of {escaped(facts.task)}"
    several = ", several per text" if isinstance(facts.evaluation, MultiLabelEvaluation) else ""
    front = {
        "language": "en",
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["finance", "sentiment" if facts.task == TONE else facts.task, "newsfolio"],
        "base_model": facts.base,
        "training_texts_from": period and period[0],
        "training_texts_until": period and period[1],
    }
    sections = (
        # JSON is YAML, and no text can break out of a JSON string.
        "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in front.items()), "---"]),
        f"# {escaped(facts.name)}",
        f"{subject}{several}: {', '.join(map(escaped, names))}. Fine-tuned from {escaped(facts.base)} with newsfolio.",
        f"Fingerprint: `{_hexadecimal(facts.fingerprint)}`. Temperature by which `predict_proba` divides the logits: "
        f"{facts.temperature:.4f} (1 where none was fitted).",
        _data(facts),
        _figures(facts),
        "## Settings\n\n"
        + _table(("setting", "value"), [(escaped(key), escaped(value)) for key, value in facts.config.items()]),
        _limits(facts),
    )
    return "\n\n".join(sections) + "\n"


def _data(facts: CardFacts) -> str:
    period = training_period(facts.training)
    published = (
        "When the training texts were published is not known for all of them: a backtest cannot be sure that it "
        "starts after them."
    )
    if period:
        published = f"The training texts were published from {period[0]} to {period[1]}."
    names = list(facts.evaluation.per_class.index)
    columns = names if len(names) <= MOST_COLUMNS else []
    corpora = [*(("training", corpus) for corpus in facts.training), ("evaluation", facts.evaluated_on)]
    rows = []
    for use, corpus in corpora:
        dates = f"{corpus.first_date} to {corpus.last_date}" if corpus.first_date and corpus.last_date else "not known"
        counts = (f"{count:,}" for count in (corpus.rows, *(corpus.counts.get(label, 0) for label in columns)))
        others = (escaped(corpus.licence), escaped(dates), f"`{_hexadecimal(corpus.digest)}`")
        rows.append((use, escaped(corpus.name), *counts, *others))
    header = ("use", "corpus", "texts", *map(escaped, columns), "licence", "published", "SHA-256")
    tables = [_table(header, rows)]
    if not columns:
        uses = [f"{use}: {escaped(corpus.name)}" for use, corpus in corpora]
        per_label = [(escaped(name), *(f"{corpus.counts.get(name, 0):,}" for _, corpus in corpora)) for name in names]
        tables.append(_table(("texts of", *uses), per_label))
    return "\n\n".join(["## Data", *tables, f"Split: {escaped(facts.split)}. {published}"])


def _figures(facts: CardFacts) -> str:
    evaluation = facts.evaluation
    rows = [
        ((NAMES | LABEL_NAMES)[name], f"{value:.3f}", f"{low:.3f} to {high:.3f}")
        for name, (value, (low, high)) in evaluation.headline.items()
    ]
    rows += [
        (f"F1 {escaped(label)}", f"{row['f1']:.3f}", f"{row['f1_low']:.3f} to {row['f1_high']:.3f}")
        for label, row in evaluation.per_class.iterrows()
    ]
    title = f"Measured on {evaluation.n:,} texts of {escaped(facts.evaluated_on.name)}."
    return f"## Figures\n\n{title}\n\n{_table(('figure', 'value', '95 % interval'), rows)}"


def _limits(facts: CardFacts) -> str:
    licences = sorted({escaped(corpus.licence) for corpus in facts.training})
    of_data = f"The training data's licences ({'; '.join(licences)}) may bind what the model may be used for."
    tone = (OF_TONE,) if facts.task == TONE else ()
    lines = [f"- {line}" for line in (*tone, *LIMITS, of_data, *map(escaped, facts.limits))]
    return "\n".join(["## Known limits", "", *lines])


def _hexadecimal(digest: str) -> str:
    """The hexadecimal digits of a digest: between backticks, a backslash would not escape anything else."""
    return re.sub(r"[^0-9a-fA-F]", "", digest)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows))
