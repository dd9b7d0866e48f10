"""An assessment as tables, for a terminal and, cell by cell, for the page."""

from collections.abc import Sequence
from textwrap import fill
from typing import NamedTuple

import pandas as pd

from newsfolio.shared.text_table import text_table
from nlp.evaluation.assessment import Assessment, part_name
from nlp.evaluation.compare import Paired
from nlp.evaluation.evaluate import FEW, NAMES, Evaluation
from nlp.evaluation.multi_label import NAMES as LABEL_NAMES
from nlp.evaluation.multi_label import MultiLabelEvaluation

MINUS = "\u2212"
LONGEST_NAME, WIDTH = 30, 100
PARTS = {"agree": "by agreement of the annotators", "length": "by length"}


class Table(NamedTuple):
    """A caption, the names of the columns (the first may be empty) and rows of cells; in a cell a line break parts a
    figure from its interval. strips: of each row its accuracy with the interval, for a page to draw.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    strips: Sequence[tuple[float, float, float]] = ()


def as_text(found: Assessment) -> str:
    """Return all tables and notes as one text, at most about a hundred characters wide."""
    evaluation = found.evaluation
    blocks = [_grid(figures_table(found), below=True)]
    blocks += [fill(calibration_words(evaluation), WIDTH)] if isinstance(evaluation, Evaluation) else []
    if found.rivals:
        blocks.append(_grid(comparison_table(found)))
    blocks.append(_grid(class_table(evaluation)))
    blocks += [_grid(confusion_table(evaluation))] if isinstance(evaluation, Evaluation) else []
    blocks += [_grid(table) for table in part_tables(found)]
    notes = all_notes(found)
    return "\n\n".join(
        [*blocks, *(["\n".join(fill(f"- {note}", WIDTH, subsequent_indent="  ") for note in notes)] if notes else [])]
    )


def figures_table(found: Assessment) -> Table:
    """Models and baselines as rows."""
    n, groups = found.evaluation.n, found.evaluation.groups
    single = isinstance(found.evaluation, Evaluation)
    least = "of Brier and ECE less is better" if single else "of Brier less is better"
    caption = f"{n:,} texts in {groups:,} groups of near-duplicates, 95 % intervals; {least}"
    rows = [
        [name, *(_cell(value, *interval) for value, interval in evaluation.headline.values())]
        for name, evaluation in found.evaluations
    ]
    strips = [(each.accuracy, *each.accuracy_interval) for _, each in found.evaluations]
    return Table(caption, ["", *(NAMES if single else LABEL_NAMES).values()], rows, strips)


def comparison_table(found: Assessment) -> Table:
    """What the classifier has over each rival, in points, and on which texts they part."""
    rows = []
    for name, rival in found.rivals:
        paired = rival.comparison
        points, alone = (_points(paired.accuracy), _points(paired.macro_f1)), (paired.only_first, paired.only_second)
        rows.append([name, *points, *(f"{count:,}" for count in alone), p_value(paired.p_value)])
    header = ["", "accuracy, points", "macro-F1, points", "right alone", "the other alone", "McNemar p"]
    return Table(f"{found.name} less each other, on the same texts", header, rows)


def class_table(evaluation: Evaluation | MultiLabelEvaluation) -> Table:
    """Precision, recall and F1 of each label."""
    rows = [
        [str(label), f"{row['support']:,.0f}", *(_of(row, name) for name in ("precision", "recall", "f1"))]
        for label, row in evaluation.per_class.iterrows()
    ]
    return Table("per label", ["", "texts", "precision", "recall", "F1"], rows)


def confusion_table(evaluation: Evaluation) -> Table:
    """Counts of texts."""
    rows = [[str(truth), *(f"{count:,}" for count in row)] for truth, row in evaluation.confusion.iterrows()]
    return Table(
        "confusion: texts of each label (rows) by guess (columns)", ["", *map(str, evaluation.confusion.columns)], rows
    )


def bins_table(evaluation: Evaluation) -> Table:
    """The bins of the reliability curve: confidence and the share that is right."""
    rows = [
        [
            f"{row['least']:.1%} to {row['most']:.1%}",
            f"{row['confidence']:.1%}",
            f"{row['texts']:,.0f}",
            f"{row['accuracy']:.1%}\n{row['low']:.1%} to {row['high']:.1%}",
        ]
        for _, row in evaluation.reliability.iterrows()
    ]
    return Table("The points of the picture", ["confidence", "mean", "texts", "right"], rows)


def part_tables(found: Assessment) -> list[Table]:
    """One table per way to break the texts down; the row of all texts is in the main table already."""
    tables = []
    for name, table in found.breakdown.items():
        parts = table.drop("(all)")
        rows = [
            [part_name(part), f"{row['n']:,.0f}", _of(row, "accuracy"), _of(row, "macro_f1")]
            for part, row in parts.iterrows()
        ]
        strips = list(parts[["accuracy", "accuracy_low", "accuracy_high"]].itertuples(index=False, name=None))
        tables.append(Table(PARTS.get(name, f"by {name}"), ["", "texts", "accuracy", "macro-F1"], rows, strips))
    return tables


def calibration_words(evaluation: Evaluation) -> str:
    """The calibration error, compared with what chance alone would show."""
    mean, most = evaluation.ece_if_calibrated
    verdict = "more than chance alone explains" if evaluation.ece > most else "chance alone could explain it"
    return (
        f"Calibration error {evaluation.ece:.3f}: {verdict}. On so many texts, were every confidence right, it would "
        f"be {mean:.3f} on average and above {most:.3f} once in twenty times."
    )


def all_notes(found: Assessment) -> list[str]:
    """What a reader must know, of the classifier and of its rivals, each said once."""
    notes = [*found.evaluation.notes, *found.notes]
    for name, rival in found.rivals:
        notes += [f"{name}: {note}" for note in rival.evaluation.notes if note not in found.evaluation.notes]
    few = {
        name: table.index[table["n"] < FEW].drop("(all)", errors="ignore") for name, table in found.breakdown.items()
    }
    small = ", ".join(f"{name} {part_name(part)}" for name, parts in few.items() for part in parts)
    return [*notes, f"Of fewer than {FEW} texts, so that intervals are too narrow: {small}."] if small else notes


def number(value: float) -> str:
    """Three digits after the point, with a true minus sign."""
    return f"{value:z.3f}".replace("-", MINUS)


def ends(low: float, high: float) -> str:
    """An interval, short: .842 to .880."""
    return f"{_short(low)} to {_short(high)}"


def p_value(value: float) -> str:
    """Two digits that count, or a bound."""
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def _short(value: float) -> str:
    plain = number(value)
    return plain.replace("0.", ".", 1) if abs(value) < 0.9995 else plain


def _points(paired: Paired) -> str:
    low, high = (f"{100 * end:+z.1f}".replace("-", MINUS) for end in paired.interval)
    return f"{100 * paired.difference:+z.1f}".replace("-", MINUS) + f"\n{low} to {high}"


def _of(row: pd.Series, name: str) -> str:
    return _cell(row[name], row[f"{name}_low"], row[f"{name}_high"])


def _cell(value: float, low: float, high: float) -> str:
    return f"{number(value)}\n{ends(low, high)}"


def _grid(table: Table, *, below: bool = False) -> str:
    """Columns aligned to the right, names to the left; intervals go in brackets, or below their figure.

    Of a long name the end is kept: in paths that is where they differ.
    """
    lines = [list(table.header)]
    for full, *cells in table.rows:
        name = full if len(full) <= LONGEST_NAME else f"…{full[1 - LONGEST_NAME :]}"
        if below:
            first, second = zip(*(cell.split("\n") for cell in cells), strict=True)
            lines += [[name, *first], ["", *second]]
        else:
            lines.append([name, *(cell.replace("\n", " (") + (")" if "\n" in cell else "") for cell in cells)])
    return f"{table.caption}\n{text_table(lines, indent='  ')}"
