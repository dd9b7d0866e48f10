"""write_evaluation(): an assessment as one HTML file that opens offline and asks nothing of any network."""

from collections.abc import Mapping
from pathlib import Path

from newsfolio.shared.atomic import write_text
from newsfolio.shared.page import render_page
from nlp.errors import NlpError
from nlp.evaluation.assessment import Assessment
from nlp.evaluation.evaluate import Evaluation
from nlp.evaluation.multi_label import MultiLabelEvaluation
from nlp.evaluation.output.charts import ConfusionPicture, confusion_picture, reliability_picture
from nlp.evaluation.output.tables import (
    all_notes,
    bins_table,
    calibration_words,
    class_table,
    comparison_table,
    confusion_table,
    figures_table,
    number,
    part_tables,
)

FILE = "evaluation.html"
MOST_DRAWN = 8  # labels in the picture of the confusion matrix
SECTIONS = [
    ("figures", "Figures"),
    ("comparison", "Comparison"),
    ("calibration", "Calibration"),
    ("confusion", "Confusion"),
    ("parts", "Parts"),
    ("mistakes", "Worst mistakes"),
    ("notes", "Notes"),
]


def write_evaluation(found: Assessment, folder: str | Path, *, facts: Mapping[str, str] | None = None) -> Path:
    """Write `folder`/evaluation.html and return its path; a crash leaves an older file whole.

    facts: where the figures come from (files, digests), shown at the end. Every text in it is taken for foreign and
    escaped. The same assessment gives the same bytes.

    Raises:
        NlpError: the folder cannot be written.
    """
    html = evaluation_html(found, facts=facts)
    return write_text(html, Path(folder) / FILE, NlpError)


def evaluation_html(found: Assessment, *, facts: Mapping[str, str] | None = None) -> str:
    """Return the page of `write_evaluation`."""
    evaluation = found.evaluation
    absent = set() if found.rivals else {"comparison"}
    calibrated = None
    if isinstance(evaluation, Evaluation):
        calibrated = {
            "words": calibration_words(evaluation),
            "reliability": reliability_picture(evaluation),
            "bins": bins_table(evaluation),
        }
    else:  # what is of a single guess per text
        absent.add("calibration")
    content = {
        "title": f"How good is {found.name}?",
        "lead": [_lead(found)],
        "sections": [each for each in SECTIONS if each[0] not in absent],
        "figures": figures_table(found),
        "comparison": comparison_table(found) if found.rivals else None,
        "calibration": calibrated,
        "confusion": _confusion(evaluation),
        "counts": confusion_table(evaluation) if isinstance(evaluation, Evaluation) else None,
        "labels": class_table(evaluation),
        "parts": part_tables(found),
        "mistakes": found.mistakes.to_dict("records"),
        "notes": all_notes(found),
        "facts": dict(facts or {}),
    }
    return render_page("nlp.evaluation.output", "evaluation.html.jinja", content, style="evaluation.css")


def _confusion(evaluation: Evaluation | MultiLabelEvaluation) -> ConfusionPicture | None:
    if isinstance(evaluation, MultiLabelEvaluation) or len(evaluation.confusion) > MOST_DRAWN:
        return None
    return confusion_picture(evaluation)


def _lead(found: Assessment) -> str:
    """One sentence on how good it is, and one on whether that is better than what it is compared with."""
    evaluation = found.evaluation
    low, high = evaluation.accuracy_interval
    verdicts: dict[str, list[str]] = {}
    for name, rival in found.rivals:
        less, more = (round(100 * end, 1) for end in rival.comparison.accuracy.interval)  # as the tables show them
        verdict = "above that of" if less > 0 else "below that of" if more < 0 else "not distinguishable from that of"
        verdicts.setdefault(verdict, []).append(f"{name} ({rival.evaluation.accuracy:.1%})")
    compared = "; ".join(f"{words} {', '.join(names)}" for words, names in verdicts.items())
    return (
        f"{found.name} has {evaluation.accuracy:.1%} of {evaluation.n:,} texts right, 95 % interval {low:.1%} to "
        f"{high:.1%}; its macro-F1 is {number(evaluation.macro_f1)}."
    ) + (f" Its accuracy is {compared}." if compared else "")
