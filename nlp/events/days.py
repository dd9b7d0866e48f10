"""The day that a text says something is due on, in English words and numbers; the calendar of sessions comes after."""

import re
from datetime import date, timedelta

ONE_DAY = timedelta(days=1)
PAST, AHEAD = timedelta(days=92), timedelta(days=273)  # a date without a year lies between these from its publication
FURTHEST = timedelta(days=366)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6}

MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
WEEKDAY = (
    r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day"
    r"|(?-i:Mon|Tues?|Wed|Thu(?:rs?)?|Fri|MON|TUES?|WED|THU(?:RS?)?|FRI)\b)"
)
YEAR = r"(?:20\d\d|19\d\d)"
MARKET = r"[- ]?(?:(?:the|mkts?|markets?|today's|tomorrow's) )*"
AFTER = (
    rf"\b(?:after|post|@){MARKET}(?:(?:closing )?bell|close[sd]?|hours|market)\b|\bat (?:the )?close\b"
    r"|(?-i:\bAMC\b)|\btonight\b"
)
BEFORE = rf"\b(?:before|pre|b4){MARKET}(?:bell|open(?:s|ing)?|market)\b|(?-i:\bBMO\b)|\bthis morning\b"
TODAY = r"today|tonight|this (?:morning|afternoon|evening)"
TOMORROW = "tomorrow|tmrw|tmr"
COUNT = r"\d{1,2}|two|three|four|five|six"

# Words that make a date one to come, words that make it one that was, and words that a date to come stands close to.
_TO_COME = re.compile(
    r"\b(?:to|will|due|set|expect\w*|scheduled|slated|ahead|upcoming|coming|comes?|reports?|reporting|releases?"
    r"|releasing|earnings|results|eps|conference|call|calendar|date|before|until|by|effective|starting|starts?|begins?"
    r"|from|preview|await\w*|eyes|watch|plans?|meeting|vote|next|payable|ex-div\w*|deadline|hearing|trial|event"
    rf"|launch\w*|unveil\w*|announces?|{TOMORROW})\b",
    re.IGNORECASE,
)
_GONE = re.compile(
    r"\b(?:(?<!be )(?:reported|posted|announced|released|unveiled|launched|filed|sued)|according to|was|were|fell|rose"
    r"|jumped|dropped|yesterday(?!['’])|ago|(?:better|worse)-than-expected|beats|beat (?:by|on)|missed|misses|topped"
    r"|tops|oozed|recap|transcript|back on|sa(?:id|ys)(?: \S+)? on|since (?:\S+ ){1,4}on"
    r"|after (?:(?:its|their|the|q[1-4]|\S+ quarter|strong|weak)\s+)*(?:earnings|results)"
    rf"|(?:last|past) (?:night|week|{WEEKDAY})|closed (?:on )?{WEEKDAY})\b",
    re.IGNORECASE,
)
_ANCHOR = re.compile(
    r"\b(?:earnings|results|reports?|reporting|due|scheduled|slated|expected|eps|deadline)\b", re.IGNORECASE
)
_CLOCK = re.compile(
    r"\b(1[0-2]|[1-9])(?::([0-5]\d))?\s*([ap])\.?m\.?(?:\s*([ECMP])[SD]?T)?(?!\w|\s+(?-i:[A-Z]{3,4}\b))", re.IGNORECASE
)
_TRADE = re.compile(r"\b(?:earnings|results|eps|reports?|reporting|q[1-4])\b", re.IGNORECASE)
_OF_DAY = re.compile(f"(?P<after>{AFTER})|(?P<before>{BEFORE})", re.IGNORECASE)
_WRITTEN = re.compile(
    r"(?P<ended>\b(?:end(?:ed|ing|s)|through|as of|since|for the (?:\S+ )?(?:months?|quarter|year)|dated|record)"
    r"\s+(?:on\s+)?)?"
    r"(?:\b(?P<iso>(?P<y1>20\d\d)-(?P<m1>\d\d?)-(?P<d1>\d\d?))\b"
    rf"|\b(?P<m2>{MONTH})\b\.?,?\s+(?:the\s+)?(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?\b"
    # What follows makes it the expiry of an option, or an amount.
    r"(?P<other>\s*(?:\$?\d+(?:\.\d+)?\s*)?(?:calls?|puts?|[cp]\b)|%|\s*(?:pct|percent|bln|mln|mi?llion|billion)\b"
    rf"|[.:]\d)?(?:(?:,\s*|\s+)(?P<y2>{YEAR})\b)?"
    rf"|\b(?P<d3>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<m3>{MONTH})\b\.?(?:,?\s+(?P<y3>{YEAR})\b|(?!\.?,?\s+\d))"
    r"|(?:^|[\s(:])(?P<first>\d{1,2})(?:/(?P<second>\d{1,2})(?:/(?P<y4>\d{4}|\d\d))?"
    r"|\.(?P<dotted>\d{1,2})\.(?P<y5>\d{4}))(?=$|[\s),.;:!/-]))",
    re.IGNORECASE,
)
# Numbers with a slash are a date behind one of these.
_DATED = re.compile(
    r"\b(?:on|eps|earnings|results|reports?|reporting|due|date|by|until|for|to|effective|payable|close|open"
    rf"|week(?: of)?|{WEEKDAY})[\s:(,]*$",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    rf"(?<!tech )(?<!usa )\b(?P<today>{TODAY})\b|\b(?P<tomorrow>{TOMORROW})\b"
    r"|\b(?P<which>(?:this|next|last|past|every|each|late|black|cyber|good)\s+)?"
    rf"(?P<weekday>{WEEKDAY})(?:'s|’s|s)?\b(?!\s+(?:Times|Telegraph|Night|Journal|Post))"
    rf"|\b(?P<week>next week)\b|\bin (?P<count>{COUNT}) (?P<unit>days?|weeks?)\b",
    re.IGNORECASE,
)
NO_DAY = ("last", "past", "every", "each", "late", "black", "cyber", "good")
# What a text must hold to name any day: most hold none of it, and RE2 says so of a million texts in a second.
HINT = (
    rf"\b(?:{TODAY}|{TOMORROW}|next week|in (?:{COUNT}) (?:days?|weeks?)|(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|satur"
    r"|sun)(?:day)?\b|20\d\d-\d|\d{1,2}/\d|\d{1,2}\.\d{1,2}\.\d{4}|AMC|BMO"
    rf"|(?:after|post|before|pre|b4|at){MARKET}(?:bell|close|open|hours|market))|@{MARKET}(?:bell|close|open)"
    rf"|\b{MONTH}\b\.?,?\s+(?:the\s+)?\d|\d(?:st|nd|rd|th)?\s+(?:of\s+)?{MONTH}\b"
)


class _ImpossibleDateError(Exception):
    """A date that no calendar has."""


def named_day(text: str, today: date, *, day_first: bool, opened: bool) -> tuple[date, bool] | None:
    """Return the day, from `today` on, that a text says something is due on, and whether after its close; else None.

    today: the date on which the text was published. day_first: 3/4 is the third of April. opened: the session of that
    date has opened already, so that "before the open" without a day means another one.
    """
    if not _TO_COME.search(text) or _GONE.search(text):
        return None
    # AMC and BMO are also names of companies.
    parts = (found for found in _OF_DAY.finditer(text) if found[0] not in ("AMC", "BMO") or _TRADE.search(text))
    part = next((found.lastgroup for found in parts), None)
    try:
        day = _written_day(text, today, day_first) or _counted_day(text, today)
    except _ImpossibleDateError:
        return None
    if day is None and part is not None:
        day = today + ONE_DAY if part == "before" and opened else today
    if day is None or not today <= day <= today + FURTHEST:
        return None
    # A time in New York, where it names no zone of America; from four in the afternoon on the session is over.
    late = any(
        int(hour) % 12 + 12 * (half.lower() == "p") + "ECMP".index((zone or "E").upper()) >= 16
        for hour, _, half, zone in _CLOCK.findall(text)
    )
    return day, part == "after" or (not day_first and late)


def _written_day(text: str, today: date, day_first: bool) -> date | None:
    """The first date in numbers or with a month's name; without a year that of the last three or next nine months."""
    for found in _WRITTEN.finditer(text):
        if found["ended"] or found["other"] or found["m2"] == "may":  # "may 5": the verb
            continue
        year = found["y1"] or found["y2"] or found["y3"] or found["y4"] or found["y5"]
        if found["first"]:
            pair = (int(found["first"]), int(found["second"] or found["dotted"]))
            month, day = pair[::-1] if day_first else pair
            bare = year is None and not _DATED.search(text, 0, found.start("first"))
            if bare or month > 12 or day > 31:  # 1/2 of something, or a score
                continue
        else:
            month = int(found["m1"]) if found["iso"] else MONTHS.index((found["m2"] or found["m3"])[:3].lower()) + 1
            day = int(found["d1"] or found["d2"] or found["d3"])
        near = (today.year - 1, today.year, today.year + 1)
        for each in near if year is None else (int(year) + (2000 if len(year) == 2 else 0),):
            try:
                written = date(each, month, day)
            except ValueError:  # 32 October, or 29 February of another year
                continue
            if year is not None or today - PAST <= written <= today + AHEAD:
                return written
        raise _ImpossibleDateError
    return None


def _counted_day(text: str, today: date) -> date | None:
    """Of the days that are counted from today (tomorrow, Thursday, next week), the one nearest to what is due."""
    anchors = [found.span() for found in _ANCHOR.finditer(text)]
    named, weekday = [], today.weekday()
    for found in _COUNTED.finditer(text):
        which = (found["which"] or "").strip().lower()
        if found["today"] or found["tomorrow"]:
            ahead = 0 if found["today"] else 1
        elif found["week"]:
            ahead = 7 - weekday
        elif found["count"]:
            number = NUMBERS.get(found["count"].lower()) or int(found["count"])
            ahead = number * (7 if found["unit"].lower().startswith("week") else 1)
        elif which in NO_DAY:
            continue
        else:
            ahead = (WEEKDAYS.index(found["weekday"][:3].lower()) - weekday) % 7
            ahead += 7 if which == "next" and weekday + ahead < 7 else 0  # next Thursday is that of the next week
        first, last = found.span()
        distance = min((max(first - end, start - last) for start, end in anchors), default=0)
        named.append((distance, first, today + ahead * ONE_DAY))
    if len({day for _, _, day in named}) > 2:  # a calendar of many companies
        return None
    return min(named)[2] if named else None
