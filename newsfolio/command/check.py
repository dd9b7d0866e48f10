"""`newsfolio check`: what files are, what is wrong with them, whether they meet, and the command to go on with."""

import shlex
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from textwrap import fill
from typing import Annotated, Any

import typer

from newsfolio.command.file_kinds import describe_file
from newsfolio.command.file_report import NEWS, PRICES, SCORED, SIGNAL, CheckSettings, FileReport
from newsfolio.shared.errors import NewsfolioError
from nlp.cli.options import Columns, Midnight, Timezone

WIDTH = 100


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """How news or a signal meets prices: assets that both have, and rows of the former on dates of the latter."""

    left: FileReport
    right: FileReport
    assets: int
    only_left: tuple[str, ...]
    only_right: tuple[str, ...]
    rows: int
    inside: int
    problems: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "left": str(self.left.file),
            "right": str(self.right.file),
            "assets_in_both": self.assets,
            "assets_only_left": list(self.only_left),
            "assets_only_right": list(self.only_right),
            "rows": self.rows,
            "rows_inside": self.inside,
            "problems": list(self.problems),
        }

    def __str__(self) -> str:
        """What meets, in one line, and what does not."""
        from allocation.frames import named

        without = f"; without prices: {named(self.only_left)}" if self.only_left else ""
        silent = f"; without {self.left.kind}: {named(self.only_right)}" if self.only_right else ""
        return (
            f"{self.left.file} and {self.right.file}: {self.assets:,} assets in both{without}{silent}; {self.inside:,} "
            f"of {self.rows:,} rows of the {self.left.kind} are of assets and dates of the prices"
        )


def check(
    files: Annotated[list[Path], typer.Argument(help="News, scored news, labelled texts, prices or signals.")],
    model: Annotated[str | None, typer.Option(help="Count the tokens that this model does not know.")] = None,
    calendar: Annotated[
        str | None, typer.Option(help="Exchange calendar; by default XNYS, or one that has the rows.")
    ] = None,
    timezone: Timezone = None,
    midnight: Midnight = "auto",
    columns: Columns = "",
    asset: Annotated[
        str | None, typer.Option(help="Name of the asset, where a file has one asset's bars and no name.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Say what files are, what is wrong with them, whether they meet, and the command to go on with."""
    from newsfolio.shared.text_table import json_text, printable
    from nlp.texts.columns import parse_columns

    settings = CheckSettings(
        calendar=calendar,
        timezone=timezone,
        midnight=midnight,
        columns=parse_columns(columns),
        asset=asset,
        model=model,
    )
    reports, failed = [], []
    for path in files:
        try:
            reports.append(describe_file(path, settings))
        except (NewsfolioError, OSError) as error:
            failed.append(error)
    meetings = meetings_of(reports)
    following = next_commands(reports, meetings)
    if as_json:
        found = {
            "files": [report.to_dict() for report in reports],
            "meetings": [meeting.to_dict() for meeting in meetings],
            "next": following,
        }
        typer.echo(json_text(found))
    elif reports:
        typer.echo("\n".join(printable(line) for line in _lines(reports, meetings, following)))
    if failed:
        more = f" (and {len(failed) - 1} more files cannot be read)" if len(failed) > 1 else ""
        raise NewsfolioError(f"{failed[0]}{more}") from failed[0]


def meetings_of(reports: list[FileReport]) -> list[Meeting]:
    """Return how each file of news and each signal meets each file of prices."""
    lefts = [report for report in reports if report.kind in (NEWS, SCORED, SIGNAL)]
    prices = [report for report in reports if report.kind == PRICES]
    return [_meeting(left, right) for left, right in product(lefts, prices)]


def _meeting(left: FileReport, right: FileReport) -> Meeting:
    from allocation.frames import named

    both = sorted(set(left.assets) & set(right.assets))
    if left.kind == SIGNAL:  # its values, else the rows of news
        rows = left.frame.rename_axis(index="date", columns="asset").stack().index.to_frame(index=False)
    else:
        rows = left.frame.assign(date=left.frame["published"].dt.tz_localize(None).dt.normalize())
    first, last = right.first, right.last
    inside = rows["date"].between(first, last) & rows["asset"].isin(both)
    problems = []
    if not both:
        problems.append(
            f"no asset in common: {left.file} has {named(left.assets)}, {right.file} has {named(right.assets)}: give "
            "both the same tickers"
        )
    elif not inside.any():
        problems.append(
            f"no date in common: {left.file} is from {left.first:%Y-%m-%d} to {left.last:%Y-%m-%d}, {right.file} from "
            f"{first:%Y-%m-%d} to {last:%Y-%m-%d}: get prices of the dates of the {left.kind}"
        )
    elif left.kind == SIGNAL:
        within = left.frame.loc[first:last]
        days = within.index.difference(right.frame.index)
        if len(days):
            problems.append(
                f"{len(days):,} of {len(within):,} rows of {left.file} are on dates that {right.file} has no row for "
                f"({named(f'{day:%Y-%m-%d}' for day in days)}): make the signal on the calendar of the prices"
            )
    return Meeting(
        left=left,
        right=right,
        assets=len(both),
        only_left=tuple(sorted(set(left.assets) - set(both))),
        only_right=tuple(sorted(set(right.assets) - set(both))),
        rows=len(rows),
        inside=int(inside.sum()),
        problems=tuple(problems),
    )


def next_commands(reports: list[FileReport], meetings: list[Meeting]) -> list[str]:
    """Return the commands to go on with: all the way to a backtest where news or a signal meets prices."""
    met = [meeting for meeting in meetings if not meeting.problems and not meeting.right.problems]
    if not met:
        return [report.next for report in reports]
    left, right = met[0].left, met[0].right
    commands = [left.next] if left.kind != SIGNAL else []
    if left.kind == NEWS:
        options = left.next.partition(" --out scored.parquet")[2].partition(" --columns")[0]
        commands.append(f"newsfolio signal scored.parquet --out signal.parquet{options}")
    calendar = right.details["calendar"]
    if commands and calendar != "XNYS":
        commands[-1] += f" --calendar {calendar}"
    signal = shlex.quote(str(left.file)) if left.kind == SIGNAL else "signal.parquet"
    head, _, tail = right.next.partition(" --out")
    study = f"newsfolio study {signal} {shlex.quote(str(right.file))}"
    words = shlex.split(head)
    for name in ("--asset", "--end"):
        if name in words:
            study += f" {name} {shlex.quote(words[words.index(name) + 1])}"
    return [*commands, study, f"{head} --signal {signal} --out{tail}"]


def _lines(reports: list[FileReport], meetings: list[Meeting], following: list[str]) -> list[str]:
    lines: list[str] = []
    for report in reports:
        lines += [
            *_filled(f"{report.file}: {report.kind}"),
            *(part for each in report.lines for part in _filled(each, "  ")),
        ]
        lines += [line for note in report.notes for line in _filled(f"note: {note}", "  ")]
        lines += [line for problem in report.problems for line in _filled(f"problem: {problem}", "  ")]
        lines.append("")
    for meeting in meetings:
        lines += _filled(str(meeting))
        lines += [line for problem in meeting.problems for line in _filled(f"problem: {problem}", "  ")]
        lines.append("")
    lines.append("go on with")
    for command in following:  # in lines that a shell reads as one; where a name is quoted, as it is
        first, *options = [command] if "'" in command else command.split(" --")
        lines.append(f"  {first}")
        for option in options:
            if len(lines[-1]) + len(option) + 7 > WIDTH:
                lines[-1] += " \\"
                lines.append(f"      --{option}")
            else:
                lines[-1] += f" --{option}"
    return lines


def _filled(text: str, indent: str = "") -> list[str]:
    """A line in 100 columns; what is drawn, with blanks in a row, stays as it is."""
    if len(indent + text) <= WIDTH:
        return [indent + text]
    return fill(text, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False).split("\n")
