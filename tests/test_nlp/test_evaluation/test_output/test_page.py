"""The page: whole, closed to scripts and networks, every foreign text escaped, every picture beside its numbers."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from nlp.errors import NlpError
from nlp.evaluation.assessment import assess
from nlp.evaluation.output.charts import confusion_picture, reliability_picture
from nlp.evaluation.output.page import evaluation_html, write_evaluation
from nlp.labels import LABELS

HOSTILE = """<script>alert("1")</script><img src=x onerror=alert(1)> & 'x' </td></table>"""
EMPTY = {"meta", "line", "rect", "circle", "polyline", "img", "br"}


class Reader(HTMLParser):
    """Collects tags, texts and ids, and checks that what opens also closes."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def values(self, name):
        return [value for key, value in self.attributes if key == name]


def found(name="ours", text="the mill pays more for grain", source="wire", n=90):
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"text": [f"{text} {'x' * row}" for row in range(n)], "label": random.choice(LABELS, n),
                         "source": source})  # fmt: skip
    one, other = (random.dirichlet([1.0] * 3, n).astype(np.float32) for _ in range(2))
    return assess(name, one, rows, against={f"not {name}": other}, notes=[f"note of {name}"])


PAGE = evaluation_html(found(), facts={"test": "labelled.csv"})
READ = Reader(PAGE)


def test_the_page_is_whole():
    assert READ.open == []
    text = " ".join(READ.texts)
    for part in ("How good is ours?", "not ours", "Calibration error", "note of ours", "labelled.csv", "by source",
                 "Worst mistakes", "the mill pays more for grain"):  # fmt: skip
        assert part in text
    ids = READ.values("id")
    assert len(ids) == len(set(ids))
    for target in READ.values("href"):
        assert target.startswith("#")
        assert target[1:] in ids
    for names in (*READ.values("aria-labelledby"), *READ.values("aria-describedby")):
        assert set(names.split()) <= set(ids)


def test_nothing_is_loaded_and_nothing_runs():
    assert "script" not in READ.tags
    assert not {"src", "srcset", "action", "data"} & {name for name, _ in READ.attributes}
    assert not [name for name, _ in READ.attributes if name.startswith("on")]
    assert "default-src 'none'" in READ.values("content")[0]
    assert not re.search(r"https?:|url\(|@import", PAGE)


def test_every_picture_has_words_and_a_table_beside_it():
    pictures = re.findall(r'<svg class="picture".*?</svg>', PAGE, re.DOTALL)
    assert len(pictures) == 2
    for picture in pictures:
        assert 'role="img"' in picture
        assert re.search(r"<title id=.*?>\w.*?</title>\s*<desc id=.*?>\w.*?</desc>", picture, re.DOTALL)
    for pair in PAGE.split('<div class="pair">')[1:]:
        assert "<table" in pair
    assert PAGE.count('class="strip" aria-hidden="true"') == PAGE.count('class="strip"') >= 4


def test_foreign_text_is_escaped_wherever_it_stands():
    page = evaluation_html(found(name=HOSTILE, text=HOSTILE, source=HOSTILE), facts={HOSTILE: HOSTILE})
    read = Reader(page)
    assert read.open == []
    assert "script" not in read.tags
    assert "img" not in read.tags
    assert sorted(read.tags) == sorted(READ.tags)
    assert sum(HOSTILE in text for text in read.texts) >= 20 + 6
    assert not [value for name, value in read.attributes if name.startswith("on")]


def test_the_points_of_the_pictures_are_where_the_figures_say():
    evaluation = found().evaluation
    picture = reliability_picture(evaluation)
    curve = evaluation.reliability
    assert [point.x for point in picture.points] == sorted(point.x for point in picture.points)
    for point, (_, row) in zip(picture.points, curve.iterrows(), strict=True):
        assert point.low >= point.y >= point.high  # pixels count downwards
        assert (404 - point.x) / 360 * (2 / 3) == pytest.approx(1 - row["confidence"], abs=1e-3)
        assert (292 - point.y) / 280 == pytest.approx(row["accuracy"], abs=1e-3)
        assert f"{row['texts']:.0f} texts" in point.words
    assert max(bar.right + bar.wrong for bar in picture.bars) == pytest.approx(56, abs=0.2)
    assert sum(int(bar.words.split()[0]) for bar in picture.bars) == 90
    cells = confusion_picture(evaluation).cells
    assert [int(cell.count) for cell in cells] == evaluation.confusion.to_numpy().ravel().tolist()
    assert [cell.right for cell in cells] == [True, False, False, False, True, False, False, False, True]
    for start in (0, 3, 6):
        assert sum(cell.strength for cell in cells[start : start + 3]) == pytest.approx(1.0, abs=0.002)


@pytest.mark.parametrize("n", [1, 2, 40])
def test_a_perfect_classifier_of_few_texts_has_a_page_too(n):
    labels = [LABELS[row % 3] for row in range(n)]
    rows = pd.DataFrame({"text": [f"text {'x' * row}" for row in range(n)], "label": labels})
    perfect = np.eye(3, dtype=np.float32)[[row % 3 for row in range(n)]]
    page = evaluation_html(assess("ours", perfect, rows))
    assert "No text is wrong." in page
    assert Reader(page).open == []
    assert "nan" not in page.lower().replace("finance", "")


def test_it_is_written_whole_and_the_same_again(tmp_path):
    path = write_evaluation(found(), tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "evaluation.html"
    assert path.read_text(encoding="utf-8") == evaluation_html(found())
    assert [each.name for each in path.parent.iterdir()] == ["evaluation.html"]
    (tmp_path / "file").write_text("")
    with pytest.raises(NlpError, match="cannot be written"):
        write_evaluation(found(), tmp_path / "file")
