"""The pictures of an evaluation as plain geometry, for a template to draw as SVG: pixels of its view box, y down."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from nlp.evaluation.evaluate import Evaluation

LEFT, TOP, WIDE, HIGH = 44.0, 12.0, 360.0, 280.0
STRIP_TOP, STRIP_HIGH = 330.0, 56.0
CELL, GAP, MARGIN = 92.0, 4.0, 86.0


@dataclass(frozen=True)
class Tick:
    """A mark of an axis: where, and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Point:
    """A bin of the reliability curve: its place, the ends of its interval, the radius and its description."""

    x: float
    y: float
    low: float
    high: float
    words: str


@dataclass(frozen=True)
class Bar:
    """Texts of a range of confidence: the right ones at the bottom, the wrong ones on top."""

    x: float
    width: float
    right: float
    wrong: float
    words: str


@dataclass(frozen=True)
class ReliabilityPicture:
    """Accuracy over confidence, and below it how many texts have which confidence."""

    points: list[Point]
    bars: list[Bar]
    across: list[Tick]
    up: list[Tick]
    diagonal: float
    most: str
    words: str


@dataclass(frozen=True)
class Cell:
    """A field of the confusion matrix; strength is its share of the texts of its label."""

    x: float
    y: float
    count: str
    share: str
    strength: float
    right: bool


@dataclass(frozen=True)
class ConfusionPicture:
    """Truth in rows, guess in columns."""

    width: float
    height: float
    cells: list[Cell]
    guesses: list[Tick]
    truths: list[Tick]
    words: str


def reliability_picture(evaluation: Evaluation) -> ReliabilityPicture:
    """Place the bins of the reliability curve and the bars of the histogram of confidence."""
    curve, histogram = evaluation.reliability, evaluation.confidence[evaluation.confidence["texts"] > 0]
    most, least = int(histogram["texts"].max()), float(evaluation.confidence["least"].iloc[0])
    over, under = int((curve["high"] < curve["confidence"]).sum()), int((curve["low"] > curve["confidence"]).sum())
    return ReliabilityPicture(
        points=[_point(row, least) for _, row in curve.iterrows()],
        bars=[_bar(row, most, least) for _, row in histogram.iterrows()],
        across=[Tick(_x(tenth / 10, least), f"{tenth / 10:.0%}") for tenth in range(1, 11) if tenth / 10 > least],
        diagonal=_y(least),
        up=[Tick(_y(value), f"{value:.0%}") for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)],
        most=f"{most:,}",
        words=(
            f"Texts in {len(curve)} bins of nearly equal counts, the least sure on the left: a point on the dashed "
            f"line means that confidence is what it says. The intervals of {over} bins lie wholly below the line (too "
            f"sure), of {under} wholly above (not sure enough); one in twenty would by chance."
        ),
    )


def confusion_picture(evaluation: Evaluation) -> ConfusionPicture:
    """Place the counts."""
    table = evaluation.confusion
    labels = [str(label) for label in table.index]
    wrong = int(table.to_numpy().sum() - evaluation.accuracy * evaluation.n + 0.5)
    return ConfusionPicture(
        width=MARGIN + CELL * len(labels) + GAP,
        height=36 + CELL * len(labels) + GAP,
        cells=list(_cells(table)),
        guesses=[Tick(MARGIN + CELL * place + CELL / 2, label) for place, label in enumerate(labels)],
        truths=[Tick(36 + CELL * place + CELL / 2, label) for place, label in enumerate(labels)],
        words=(
            f"{evaluation.n - wrong:,} texts are right and stand on the diagonal, {wrong:,} are wrong. Each share is "
            "of the texts of its label, so that a row adds up to 100 %."
        ),
    )


def _point(row: pd.Series, least: float) -> Point:
    words = (
        f"{row['texts']:,.0f} texts of confidence {row['least']:.1%} to {row['most']:.1%}, "
        f"mean {row['confidence']:.1%}: {row['accuracy']:.1%} right ({row['low']:.1%} to {row['high']:.1%})"
    )
    return Point(_x(row["confidence"], least), _y(row["accuracy"]), _y(row["low"]), _y(row["high"]), words)


def _bar(row: pd.Series, most: int, least: float) -> Bar:
    scale, x = STRIP_HIGH / most, _x(row["least"], least)
    words = (
        f"{row['texts']:,.0f} texts of confidence {row['least']:.1%} to {row['most']:.1%}, {row['right']:,.0f} right"
    )
    return Bar(
        x=x,
        width=_x(row["most"], least) - x - 1.0,
        right=_short(scale * row["right"]),
        wrong=_short(scale * (row["texts"] - row["right"])),
        words=words,
    )


def _cells(table: pd.DataFrame) -> Iterator[Cell]:
    for down, counts in enumerate(table.to_numpy()):
        for across, count in enumerate(counts):
            share = float(count / max(counts.sum(), 1))
            x, y = MARGIN + CELL * across, 36 + CELL * down
            yield Cell(x, y, f"{count:,}", f"{share:.0%}", round(share, 3), right=down == across)


def _x(confidence: float, least: float) -> float:
    return _short(LEFT + WIDE * (confidence - least) / (1.0 - least))


def _y(share: float) -> float:
    return _short(TOP + HIGH * (1.0 - share))


def _short(pixels: float) -> float:
    return round(float(pixels), 1)
