"""report_text(): a report for a terminal: what the news added first, then the strategy and its figures."""

from textwrap import fill

from backtest.report.charts import MINUS
from backtest.report.report import Report, span
from backtest.report.tables import cost_table
from backtest.result.result import comparison
from newsfolio.shared.text_table import text_table

WIDTH = 100


def report_text(report: Report) -> str:
    """Return warnings, lead, the comparison, the evidence and the strategy's notes, each once, as text."""
    rows = [row for row in report.evidence if row[0] != "Placebo"]  # it is printed in full below
    indent = 2 + max(len(name) for name, _ in rows)
    return "\n".join(
        [
            *(fill(f"warning: {sentence}", WIDTH) for sentence in report.warnings),
            *(fill(sentence, WIDTH) for sentence in report.lead),
            "",
            span(report.strategy),
            comparison(report.results),
            "",
            *(
                fill(words, WIDTH, initial_indent=name.ljust(indent), subsequent_indent=" " * indent)
                for name, words in rows
            ),
            "",
            "the same trades at other costs, basis points of the traded value",
            text_table(cost_table(report.strategy, report.twin)),
            *(text for each in (report.attribution, report.placebo) if each is not None for text in ("", str(each))),
            *([""] if report.strategy.notes else []),
            *(fill(f"note: {note}", WIDTH) for note in report.strategy.notes),
        ]
    ).replace(MINUS, "-")
