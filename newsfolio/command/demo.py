"""`newsfolio demo`: the whole way on embedded data, offline: train, score, signal, backtest, report."""

import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsfolio.shared.text_table import json_text

if TYPE_CHECKING:
    import pandas as pd

    from backtest import InformationCoefficient, Market, Placebo, Report, Result
    from nlp import FinetuneReport, TextClassifier

SIMULATED = "This market is simulated: its companies, prices and headlines are invented and its edge was planted."
PACKAGES = ("newsfolio", "torch", "transformers", "numpy", "pandas", "cvxpy", "clarabel", "vectorbt")
WARMUP = 60  # sessions of prices before the first decision


def demo(
    out: Annotated[Path, typer.Option(help="Folder for report, frames, model and manifest.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 0,
) -> None:
    """Run the whole way on embedded data, offline: train, score, signal, backtest, report."""
    started = time.monotonic()

    def say(line: str) -> None:
        typer.echo(f"[{time.monotonic() - started:3.0f} s] {line}")

    say("simulating a market. " + SIMULATED)
    from backtest import simulate_market
    from nlp import FinetuneConfig, embedded_corpus, finetune, split

    market = simulate_market()
    say("fine-tuning on the embedded headlines; the longest step")
    train, valid = split(embedded_corpus(), seed=seed)
    classifier, training = finetune(train, valid, FinetuneConfig.preset("small", seed), progress=True)
    say(f"{training}; {provenance_of(classifier)}")
    run = _judge(market, classifier)
    say(f"{len(run.scored):,} headlines of unseen patterns scored, {run.accuracy:.1%} read as they were meant\n")
    report = _report(run, training, classifier)
    typer.echo(run.summary(report))
    _write(run, report, classifier, out)
    say(f"written to {out}: report.html, the frames, headlines.csv, model, manifest.json")


@dataclass(frozen=True)
class _DemoRun:
    """What the demo found on its market; results[0] is the sentiment policy."""

    market: "Market"
    scored: "pd.DataFrame"
    signal: "pd.DataFrame"
    results: "list[Result]"
    coefficients: "list[InformationCoefficient]"
    placebo: "Placebo"

    @property
    def accuracy(self) -> float:
        """Share of headlines read as the tone they were written for."""
        guessed = self.scored[["negative", "neutral", "positive"]].idxmax(axis=1)
        return float((guessed == self.scored["tone"]).mean())

    @property
    def frames(self) -> "dict[str, pd.DataFrame]":
        """The frames that the demo leaves behind, by file name."""
        return {
            "prices": self.market.prices,
            "opens": self.market.opens,
            "signal": self.signal,
            "weights": self.results[0].targets,
        }

    def summary(self, report: "Report") -> str:
        """What the demo prints: what the news added, the strategy, and what was planted."""
        from backtest.report.text import report_text

        planted = self.market.config.information_coefficient
        return "\n".join(
            [
                "weekly rebalancing, filled at the next open, net of 10 bp of the traded value",
                report_text(report),
                *map(str, self.coefficients),
                f"planted: {planted:.2f} (true tone against the next session's company-specific return)",
                "",
                "It says nothing about real news: for that see examples/stocknet.py.",
                "",
            ]
        )


def _judge(market: "Market", classifier: "TextClassifier") -> _DemoRun:
    """Score the market's headlines, make the signal, and backtest it against policies that cannot see it."""
    from allocation import Bars, EqualWeight, Hold, Policy, SentimentPolicy
    from allocation.frames import sessions_of
    from backtest import next_session_ic, placebo, rebalance_dates, run, same_session_ic
    from nlp import daily_signal, read_headlines, score_headlines

    prices, sessions = market.prices, sessions_of(market.prices)
    scored = score_headlines(read_headlines(market.headlines), classifier, progress=True)
    signal = daily_signal(scored, sessions)
    policies: dict[str, tuple[Policy, pd.DataFrame | None]] = {
        "sentiment": (SentimentPolicy(), signal),
        "sentiment without news": (SentimentPolicy(), None),
        "equal weight": (EqualWeight(), None),
        "buy and hold": (Hold(), None),
    }
    dates = rebalance_dates(sessions, "weekly")
    dates, bars = dates[dates >= prices.index[WARMUP]], Bars(prices, market.opens)
    return _DemoRun(
        market=market,
        scored=scored,
        signal=signal,
        results=[run(policy, bars, seen, dates, name=name, progress=True) for name, (policy, seen) in policies.items()],
        coefficients=[same_session_ic(signal, prices), next_session_ic(signal, prices)],
        placebo=placebo(signal, prices),
    )


def _report(run: _DemoRun, training: "FinetuneReport", classifier: "TextClassifier") -> "Report":
    """The report, and in its manifest how its figures came about: settings, digests of all data, versions."""
    from importlib.metadata import version

    from allocation import frame_digest
    from backtest import Report
    from nlp import embedded_corpus
    from nlp.training.model_card import corpus_digest

    digests = {name: frame_digest(frame) for name, frame in run.frames.items()} | {
        "training corpus": corpus_digest(embedded_corpus()),
        "headlines": corpus_digest(run.market.headlines.rename(columns={"tone": "label"})),
        "model": classifier.fingerprint,
    }
    manifest = {
        "notice": SIMULATED,
        "placebo": str(run.placebo),
        "market": asdict(run.market.config),
        "finetune": training.to_dict(),
        "digests": digests,
        "figures": {result.name: result.figures() for result in run.results},
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
    }
    return Report(
        title="newsfolio demo",
        results=run.results,
        twin=run.results[1],
        notices=[SIMULATED],
        coefficients=run.coefficients,
        signal=run.signal,
        headlines=run.scored,
        manifest=manifest,
        placebo=run.placebo,
    )


def _write(run: _DemoRun, report: "Report", classifier: "TextClassifier", out: Path) -> None:
    from allocation import write_frame
    from backtest import write_report
    from newsfolio.shared.atomic import write_text
    from newsfolio.shared.tables import write_table

    for name, frame in run.frames.items():
        write_frame(frame, out / f"{name}.parquet")
    write_table(run.scored, out / "headlines.csv")
    classifier.save(out / "model")
    write_text(json_text(report.manifest, indent=2) + "\n", out / "manifest.json")
    write_report(report, out / "report.html")


def provenance_of(classifier: "TextClassifier") -> str:
    """The training corpora of the classifier and the date of their last text, as the demo prints them."""
    texts = classifier.training
    if texts is None or not texts.corpora or texts.until is None:
        return "its training texts are not recorded"
    return f"trained on {', '.join(texts.corpora)}, texts until {texts.until}"
