"""The arithmetic of compared amounts: right where the words tell which is newer, silent where they do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.texts.compared_amounts import amounts, with_directions

number = st.decimals(0, 9999, places=2).map(float).filter(lambda value: value > 0)


def direction(now, then):
    return "up" if now > then else "down" if now < then else "unchanged"


@given(number, number)
def test_the_newer_amount_is_marked_by_plain_comparison(now, then):
    word = direction(now, then)
    assert with_directions(f"Sales rose to EUR {now} mn from EUR {then} mn") == (
        f"Sales rose to EUR {now} mn ( {word} ) from EUR {then} mn"
    )
    assert with_directions(f"Sales went from EUR {then} mn to EUR {now} mn") == (
        f"Sales went from EUR {then} mn to EUR {now} mn ( {word} )"
    )


@given(number, number)
def test_a_smaller_loss_is_up(now, then):
    text = f"Operating loss was EUR {now} mn, compared to a loss of EUR {then} mn a year ago"
    assert f"( {direction(-now, -then)} )" in with_directions(text)


@given(number, number)
def test_a_profit_after_a_loss_is_up_whatever_their_sizes(now, then):
    assert "( up )" in with_directions(f"It made a profit of ${now}m against a loss of ${then}m")
    assert "( down )" in with_directions(f"It made a loss of ${now}m against a profit of ${then}m")


@given(st.text(max_size=80))
def test_any_text_is_read_and_only_words_are_added(text):
    marked = with_directions(text)
    for word in ("up", "down", "unchanged"):
        marked = marked.replace(f" ( {word} )", "")
    for word in ("up", "down", "unchanged"):
        text = text.replace(f" ( {word} )", "")
    assert marked == text


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("Q3 EPS $1.43 vs $1.37 Est., sales $38.7B vs $39.2B",
         "Q3 EPS $1.43 ( up ) vs $1.37 Est., sales $38.7B ( down ) vs $39.2B"),
        ("A margin of 13.9 %, compared to 14.1 % before", "A margin of 13.9 % ( down ), compared to 14.1 % before"),
        ("Profit was EUR 900,000, versus EUR 1.2 million", "Profit was EUR 900,000 ( down ), versus EUR 1.2 million"),
        ("Its net loss narrowed to $415,000 from $7.4m", "Its net loss narrowed to $415,000 ( up ) from $7.4m"),
        ("Cash flow of EUR 2.5 mn ($3 mn) compared with EUR 4 mn ($5 mn)",
         "Cash flow of EUR 2.5 mn ( down ) ($3 mn ( down )) compared with EUR 4 mn ($5 mn)"),
        ("It was EUR -0.1 mn, down from EUR 1.3 mn", "It was EUR -0.1 mn ( down ), down from EUR 1.3 mn"),
        ("They employ 120 people, against 120 people last year",
         "They employ 120 people ( unchanged ), against 120 people last year"),
    ],
)  # fmt: skip
def test_by_hand(text, marked):
    assert with_directions(text) == marked


@pytest.mark.parametrize(
    "text",
    [
        "Sales rose 12 % to EUR 5 mn",  # 12 % of what it was is no amount of euros
        "The plant opens in 2011, two years later than in the plan of 2007",
        "It moved from 3 Mill Street to 14 Quay Road",
        "Guidance stays at $0.82-0.84 vs the street",
        "The stake rose from 5 % for EUR 3 mn. Sales were EUR 4 mn",
        "Profit grew from EUR 13.6 mn, while sales grew from EUR 394.7 mn",  # both are old
        "Sales of EUR 5 mn, profit EUR 1 mn",
        "",
    ],
)
def test_what_is_not_told_is_not_guessed(text):
    assert with_directions(text) == text


def test_amounts_carry_sign_scale_and_unit():
    found = amounts("between €-1.5bn and US$ 2,300 for 45 pct of 3 things")
    assert [(a.number, a.scale, a.unit) for a in found] == [
        (-1.5, "bn", "eur"), (2300.0, "", "usd"), (45.0, "", "%"), (3.0, "", "")
    ]  # fmt: skip


def test_a_long_text_of_numbers_takes_no_longer_than_its_length():
    """Each amount looks at a few after it only, so twice the text is twice the matches and no more."""
    text = "from EUR 5 mn to " * 20_000
    assert len(amounts(text)) == 20_000
    assert with_directions(text).startswith("from EUR 5 mn")
