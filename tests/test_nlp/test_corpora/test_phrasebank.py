"""The Financial PhraseBank's own files: bands, folder and zip, and files that are not what they should be."""

import random
import struct
import zipfile

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nlp.corpora.formats import read_corpus
from nlp.corpora.phrasebank import FILES, LARGEST, phrasebank_rows, share_agreeing
from nlp.errors import CorpusError
from nlp.labels import LABELS

BANK = [
    ("Tehdas Oy 's sales rose .", "positive", 100),
    ("Write to info@tehdas.example for the report .", "neutral", 75),
    ("Säästö Oyj lost £ 2 mn , it said \x85", "negative", 66),
    ("The board meets in May .", "neutral", 50),
]


def files(bank, encoding="latin-1"):
    """The four files as bytes, each with the rows of its band and of those above."""
    return {
        name: "".join(f"{text}@{label}\r\n" for text, label, agree in bank if agree >= band).encode(encoding)
        for band, name in FILES.items()
    }


def as_folder(folder, contents):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return folder


def as_zip(path, contents, inside="FinancialPhraseBank-v1.0/", compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{inside}README.txt", "read me")
        for name, data in contents.items():
            archive.writestr(f"{inside}{name}", data)
            archive.writestr(f"__MACOSX/{inside}._{name}", b"\0resource fork")
    return path


def told(rows):
    return sorted(zip(rows["text"], rows["label"], rows["agree"], strict=True))


@pytest.mark.parametrize("inside", ["", "FinancialPhraseBank-v1.0/", "a/b/"])
def test_a_zip_is_read_wherever_its_files_lie_and_nothing_is_unpacked(tmp_path, inside):
    path = as_zip(tmp_path / "bank.zip", files(BANK), inside)
    assert told(phrasebank_rows(path)) == sorted(BANK)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_ways_of_packing_are_refused(tmp_path, method):
    with pytest.raises(CorpusError, match=f"{FILES[50]}: is packed in an unusual way: zip it again"):
        phrasebank_rows(as_zip(tmp_path / "bank.zip", files(BANK), compression=method))


@pytest.mark.parametrize("inside", ["bank", "bank/FinancialPhraseBank-v1.0"])
def test_a_folder_is_read_as_the_zip_is(tmp_path, inside):
    as_folder(tmp_path / inside, files(BANK))
    assert told(phrasebank_rows(tmp_path / "bank")) == sorted(BANK)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig"])
def test_files_saved_again_as_utf8_say_the_same(tmp_path, encoding):
    assert told(phrasebank_rows(as_folder(tmp_path, files(BANK, encoding)))) == sorted(BANK)


sentences = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), min_size=1, max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(sentences.filter(str.strip), st.sampled_from(LABELS), st.sampled_from(list(FILES)))))
def test_any_sentences_come_back_with_the_highest_band_they_are_in(tmp_path, bank):
    bank = [*{text: (text, label, agree) for text, label, agree in bank}.values(), *BANK]  # BANK: no accident of UTF-8
    bank = list({text: (text, label, agree) for text, label, agree in bank}.values())
    corpus = read_corpus(as_zip(tmp_path / "bank.zip", files(bank)))
    assert told(corpus.rows) == sorted(bank)
    assert corpus.counts.read == corpus.counts.kept == len(bank)
    assert corpus.rows["text"].tolist() == [text for text, _, _ in bank]


def test_repeats_and_contradictions_are_counted_as_lines_of_the_widest_file(tmp_path):
    bank = [*BANK, BANK[0], ("Torn .", "neutral", 50), ("Torn .", "positive", 100)]
    corpus = read_corpus(as_zip(tmp_path / "bank.zip", files(bank)))
    assert told(corpus.rows) == sorted(BANK)
    assert (corpus.counts.read, corpus.counts.repeats, corpus.counts.tied) == (7, 1, 2)
    assert corpus.form == "Financial PhraseBank"


def test_the_second_copy_of_a_sentence_may_be_in_a_lower_band(tmp_path):
    bank = [("Twice .", "neutral", 50), ("Twice .", "neutral", 75)]
    rows = phrasebank_rows(as_folder(tmp_path, files(bank)))
    assert rows["agree"].tolist() == [75, 50]
    assert read_corpus(tmp_path).rows["agree"].tolist() == [75]


def test_a_single_file_tells_no_bands(tmp_path):
    as_folder(tmp_path, files(BANK))
    corpus = read_corpus(tmp_path / FILES[75])
    assert corpus.rows.to_numpy().tolist() == [[text, label] for text, label, agree in BANK if agree >= 75]
    assert list(corpus.rows.columns) == ["text", "label"]


def test_a_sentence_without_words_is_counted(tmp_path):
    corpus = read_corpus(as_folder(tmp_path, files([*BANK, (" ", "neutral", 50)])))
    assert corpus.counts.without_text == 1
    assert told(corpus.rows) == sorted(BANK)


@pytest.mark.parametrize(
    "line", ["no label", "sales@", "@ neutral text", "text@bullish", "text;neutral", "neutral", "a@neutral b"]
)
def test_a_line_without_a_label_is_named_with_its_file_and_number(tmp_path, line):
    contents = files(BANK)
    contents[FILES[66]] = b"fine@neutral\n\n" + line.encode() + b"\n"
    with pytest.raises(CorpusError, match=rf"{FILES[66]}: line 3: '.*' does not end in @negative, @neutral or"):
        phrasebank_rows(as_zip(tmp_path / "bank.zip", contents))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_another_encoding_is_refused(tmp_path, encoding):
    with pytest.raises(CorpusError, match=f"{FILES[50]}: holds null bytes, so it is no Latin-1 text"):
        phrasebank_rows(as_folder(tmp_path, files(BANK, encoding)))


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_missing_files_are_named(tmp_path, kind):
    contents = files(BANK)
    del contents[FILES[66]], contents[FILES[100]]
    source = as_zip(tmp_path / "b.zip", contents) if kind == "zip" else as_folder(tmp_path / "b", contents)
    with pytest.raises(CorpusError, match=f"holds no {FILES[66]}, {FILES[100]}: only the four files"):
        phrasebank_rows(source)


def test_two_copies_of_a_file_are_refused(tmp_path):
    as_folder(tmp_path, files(BANK))
    as_folder(tmp_path / "copy", files(BANK))
    with pytest.raises(CorpusError, match=f"holds {FILES[50]} more than once: leave one copy"):
        phrasebank_rows(tmp_path)


@pytest.mark.parametrize("name", ["gone", "gone.zip", "gone.txt"])
def test_what_is_not_there_is_named(tmp_path, name):
    with pytest.raises(CorpusError, match=rf"{name}: (no such|cannot be read: No such)"):
        phrasebank_rows(tmp_path / name)


def test_a_bomb_is_refused_by_the_size_it_declares(tmp_path):
    path = as_zip(tmp_path / "bomb.zip", files(BANK) | {FILES[100]: bytes(LARGEST + 1)})
    assert path.stat().st_size < LARGEST / 100
    with pytest.raises(CorpusError, match=f"{FILES[100]}: 16,777,217 bytes, more than 16,777,216: this is not"):
        phrasebank_rows(path)


def test_a_bomb_that_declares_too_little_is_refused_too(tmp_path):
    size = LARGEST + 1
    path = as_zip(tmp_path / "bomb.zip", files(BANK) | {FILES[100]: bytes(size)})
    data = path.read_bytes()
    assert data.count(struct.pack("<L", size)) == 2
    path.write_bytes(data.replace(struct.pack("<L", size), struct.pack("<L", 100)))
    with pytest.raises(CorpusError, match="bomb.zip: cannot be read as zip: Bad CRC-32"):
        phrasebank_rows(path)


def test_a_large_file_in_a_folder_is_refused_unread(tmp_path):
    as_folder(tmp_path, files(BANK))
    with (tmp_path / FILES[50]).open("ab") as file:
        file.truncate(LARGEST + 1)  # sparse: takes no room
    with pytest.raises(CorpusError, match=f"{FILES[50]}: 16,777,217 bytes, more than"):
        phrasebank_rows(tmp_path)


def test_damaged_zips_are_refused_and_never_misread(tmp_path):
    whole = as_zip(tmp_path / "bank.zip", files(BANK)).read_bytes()
    damaged = tmp_path / "damaged.zip"
    rng = random.Random(0)  # noqa: S311 - damage, not secrets
    refused = 0
    for _ in range(300):
        data = bytearray(whole[: rng.choice([len(whole), rng.randrange(len(whole))])])
        for _ in range(rng.choice([1, 3])):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        damaged.write_bytes(data)
        try:
            assert told(phrasebank_rows(damaged)) == sorted(BANK)
        except CorpusError:
            refused += 1
    assert refused > 150


def test_an_encrypted_zip_is_refused(tmp_path):
    data = bytearray(as_zip(tmp_path / "bank.zip", files(BANK)).read_bytes())
    at = data.find(b"PK\x01\x02")
    while at >= 0:  # the flag in the central directory
        data[at + 8] |= 1
        at = data.find(b"PK\x01\x02", at + 1)
    (tmp_path / "bank.zip").write_bytes(data)
    with pytest.raises(CorpusError, match="cannot be read as zip: .*encrypted"):
        phrasebank_rows(tmp_path / "bank.zip")


def test_the_files_of_the_shared_sentences_give_their_bands_back(tmp_path, real_data):
    bank = pd.read_parquet(real_data / "phrasebank.parquet").drop_duplicates("text")
    rows = list(zip(bank["text"], bank["label"], bank["agree"], strict=True))
    assert told(read_corpus(as_zip(tmp_path / "bank.zip", files(rows))).rows) == sorted(rows)


EXPECTED = {50: 0.58, 66: 0.705, 75: 0.875, 100: 1.0, None: 1.0}


@given(st.lists(st.sampled_from([50, 66, 75, 100, None])), st.booleans(), st.randoms())
def test_each_band_has_its_middle_and_rows_keep_their_names(bands, as_floats, rng):
    index = rng.sample(range(100), len(bands))
    rows = pd.DataFrame({"agree": pd.Series(bands, index=index, dtype=float if as_floats else object)})
    share = share_agreeing(rows)
    assert share.tolist() == [EXPECTED[band] for band in bands]
    assert share.index.tolist() == index
    assert share.dtype == float


def test_middles_lie_between_the_bounds_of_their_band_and_the_next():
    share = share_agreeing(pd.DataFrame({"agree": [50, 66, 75, 100]}))
    for low, middle, high in zip((0.50, 0.66, 0.75), share[:3], (0.66, 0.75, 1.0), strict=True):
        assert middle - low == pytest.approx(high - middle)


def test_without_bands_every_label_counts_whole():
    assert share_agreeing(pd.DataFrame({"text": ["a", "b"]}, index=["x", "y"])).to_dict() == {"x": 1.0, "y": 1.0}
    assert share_agreeing(pd.DataFrame({"agree": []})).empty


@pytest.mark.parametrize("band", [0.5, 1, 51, "66", -50, float("inf")])
def test_what_is_no_band_is_named_with_its_row(band):
    rows = pd.DataFrame({"agree": [50, None, band]}, index=[7, 8, 9], dtype=object)
    with pytest.raises(
        CorpusError, match=r"row 3: agree is .*, which is no band: .* 50, 66, 75, 100 per cent \(1 such"
    ):
        share_agreeing(rows)
