"""The store of scores against a dict: exact, shared, safe to kill, and never wrong about a damaged file."""

import logging
import os
import signal
import sqlite3
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.errors import NlpError
from nlp.scoring import sqlite_file as store_file
from nlp.scoring.sqlite_file import StoreError, UnwritableError
from nlp.scoring.store import ScoreStore, default_path

PRINT = "model one"


def bits(*values):
    """Three float32 of any bits that are not NaN."""
    return np.array([values], dtype=np.float32)


def of(text):
    """Probabilities that follow from the text alone, so that any reader can tell whether they are right."""
    raw = np.frombuffer(text.encode().ljust(4, b"?")[-4:], dtype=np.uint8).astype(np.float32)
    return (raw[:3] / (raw.sum() + 1)).astype(np.float32)


def rows_of(texts):
    return np.array([of(text) for text in texts], dtype=np.float32).reshape(-1, 3)


def filled(path, count=400, name="t"):
    texts = [f"{name}{n}" for n in range(count)]
    with ScoreStore(path, PRINT) as store:
        store.add(texts, rows_of(texts))
    return texts


def right_or_unknown(found, texts):
    known = ~np.isnan(found).any(axis=1)
    return (found[known].tobytes() == rows_of(texts)[known].tobytes()) and np.isnan(found[~known]).all()


# What is kept


finite = st.floats(width=32, allow_nan=False)
words = st.text(st.characters(codec="utf-8"), max_size=6)
batches = st.lists(st.lists(st.tuples(words, st.tuples(finite, finite, finite)), max_size=8), max_size=6)


@settings(max_examples=40)
@given(batches, st.lists(words, max_size=8), st.booleans())
def test_it_is_a_dict_in_which_the_first_value_stays_to_the_last_bit(tmp_path_factory, given_batches, others, reopen):
    path, expected = tmp_path_factory.mktemp("store") / "s.sqlite", {}
    store = ScoreStore(path, PRINT)
    for batch in given_batches:
        texts, values = [text for text, _ in batch], np.array([p for _, p in batch], dtype=np.float32).reshape(-1, 3)
        if len(set(texts)) < len(texts):
            continue
        store.add(texts, values)
        for text, row in zip(texts, values, strict=True):
            expected.setdefault(text, row.tobytes())
        if reopen:
            store.close()
            store = ScoreStore(path, PRINT)
    asked = [*expected, *others, *expected]
    found = store.lookup(asked)
    count = len(store)
    store.close()
    assert found.dtype == np.float32
    assert found.shape == (len(asked), 3)
    assert count == len(expected)
    for text, row in zip(asked, found, strict=True):
        assert row.tobytes() == expected[text] if text in expected else np.isnan(row).all()


def test_every_bit_of_a_float_comes_back(tmp_path):
    odd = np.array([0x80000000, 0x00000001, 0x7F7FFFFF, 0x7F800000, 0x3EAAAAAB, 0x33800000], dtype=np.uint32)
    values = odd.view(np.float32).reshape(2, 3)
    with ScoreStore(tmp_path / "s", PRINT) as store:
        store.add(["a", "b"], values)
        assert store.lookup(["b", "a"]).view(np.uint32).tolist() == values[::-1].view(np.uint32).tolist()


def test_texts_are_told_apart_by_every_byte(tmp_path):
    texts = ["a", "A", " a", "a ", "", "\u00e9", "e\u0301", "a\n", "a\0"]
    with ScoreStore(tmp_path / "s", PRINT) as store:
        for number, text in enumerate(texts):
            store.add([text], bits(number, 0, 0))
        assert store.lookup(texts)[:, 0].tolist() == list(range(len(texts)))


def test_more_texts_than_one_question_holds(tmp_path, monkeypatch):
    monkeypatch.setattr("nlp.scoring.store.LOOKUP_ROWS", 7)
    texts = filled(tmp_path / "s", 100)
    with ScoreStore(tmp_path / "s", PRINT) as store:
        assert store.lookup(texts[::-1]).tolist() == rows_of(texts[::-1]).tolist()


def test_classifiers_share_the_file_and_not_the_rows(tmp_path):
    with ScoreStore(tmp_path / "s", PRINT) as one, ScoreStore(tmp_path / "s", "model two") as two:
        one.add(["a"], bits(1, 0, 0))
        assert np.isnan(two.lookup(["a"])).all()
        two.add(["a"], bits(0, 1, 0))
        assert (one.lookup(["a"]).tolist(), two.lookup(["a"]).tolist()) == ([[1, 0, 0]], [[0, 1, 0]])


def test_an_empty_store_is_a_store(tmp_path):
    with ScoreStore(tmp_path / "new" / "folder" / "s", PRINT) as store:
        assert store
        assert len(store) == 0
        assert store.lookup([]).shape == (0, 3)
        store.add([], np.empty((0, 3), dtype=np.float32))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((1, 3)), "float64 of shape .*: pass float32"),
        (np.zeros((2, 3), dtype=np.float32), "for 1 texts: pass float32 of shape"),
        (bits(0.5, np.nan, 0.5), "row 1: a probability is NaN"),
    ],
)
def test_what_is_no_probability_is_refused(tmp_path, values, message):
    with ScoreStore(tmp_path / "s", PRINT) as store:
        with pytest.raises(NlpError, match=message):
            store.add(["a"], values)
        assert len(store) == 0


@pytest.mark.parametrize("text", [None, 3, b"a", "\ud800"])
def test_what_is_no_text_is_refused(tmp_path, text):
    with ScoreStore(tmp_path / "s", PRINT) as store:
        with pytest.raises(NlpError, match="row 2: the text"):
            store.lookup(["a", text])
        with pytest.raises(NlpError, match="row 1: the text"):
            store.add([text], bits(1, 0, 0))


def test_the_users_cache_is_the_default(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "newsfolio" / "scores.sqlite"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".cache" / "newsfolio" / "scores.sqlite"


# Several processes, and the end of one


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def told(lines):
    """The texts of the batches that were reported."""
    return [f"{line} {n}" for line in lines for n in range(20)]


def child(work):
    """Run work(report) in another process; return its id and a file of what it reported."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reader)
            work(lambda line: os.write(writer, f"{line}\n".encode()))
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    return pid, os.fdopen(reader)


def ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def writing(path, name, batches):
    """Work that adds batches of twenty texts and reports each once it is committed."""

    def work(report):
        with ScoreStore(path, PRINT) as store:
            for batch in range(batches):
                texts = told([f"{name} {batch}"])
                store.add(texts, rows_of(texts))
                report(f"{name} {batch}")

    return work


@needs_fork
def test_processes_that_write_at_once_lose_nothing(tmp_path):
    writers = [child(writing(tmp_path / "s", name, 30)) for name in ("one", "two", "three")]
    texts = told([line for _, lines in writers for line in lines.read().splitlines()])
    assert [ended(pid) for pid, _ in writers] == [0, 0, 0]
    with ScoreStore(tmp_path / "s", PRINT) as store:
        assert len(store) == len(texts) == 3 * 30 * 20
        assert store.lookup(texts).tobytes() == rows_of(texts).tobytes()


@needs_fork
def test_what_was_reported_outlives_forty_kills(tmp_path):
    delays, reported = np.random.default_rng(0).uniform(0.0, 0.06, 40), []
    for number, delay in enumerate(delays):
        pid, lines = child(writing(tmp_path / "s", f"run {number}", 1_000_000))
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
        assert ended(pid) == -signal.SIGKILL
        batches = lines.read().splitlines()
        reported += batches
        with ScoreStore(tmp_path / "s", PRINT) as store:
            texts = told(batches[-20:])
            assert store.lookup(texts).tobytes() == rows_of(texts).tobytes(), number
            assert len(store) % 20 == 0  # no half of a batch
    with ScoreStore(tmp_path / "s", PRINT) as store:
        assert store.lookup(told(reported)).tobytes() == rows_of(told(reported)).tobytes()
    assert len(reported) > 40
    assert not list(tmp_path.glob("*corrupt*"))


def test_a_reader_does_not_wait_for_a_writer(tmp_path):
    texts = filled(tmp_path / "s")
    busy = sqlite3.connect(tmp_path / "s", isolation_level=None)
    busy.execute("BEGIN IMMEDIATE")
    with ScoreStore(tmp_path / "s", PRINT) as store:
        assert store.lookup(texts).tobytes() == rows_of(texts).tobytes()
    busy.close()


def test_a_writer_that_waits_too_long_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(store_file, "BUSY_SECONDS", 0.05)
    filled(tmp_path / "s")
    busy = sqlite3.connect(tmp_path / "s", isolation_level=None)
    busy.execute("BEGIN IMMEDIATE")
    with ScoreStore(tmp_path / "s", PRINT) as store:
        with pytest.raises(StoreError, match="database is locked: another process has kept it"):
            store.add(["new"], bits(1, 0, 0))
        busy.execute("ROLLBACK")
        store.add(["new"], bits(1, 0, 0))
    busy.close()


# Damage


def flipped(path, offset, mask):
    content = bytearray(path.read_bytes())
    content[offset] ^= mask
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("seed", range(5))
def test_a_flipped_byte_is_never_read_as_a_score(tmp_path, seed, caplog):
    draw, whole = np.random.default_rng(seed), tmp_path / "whole"
    texts = filled(whole, 300)
    content = whole.read_bytes()
    outcomes = set()
    for trial in range(25):
        path = tmp_path / f"s{trial}"
        path.write_bytes(content)
        for _ in range(draw.choice([1, 1, 4])):
            flipped(path, draw.integers(draw.choice([100, len(content)])), 1 << draw.integers(8))
        try:
            with ScoreStore(path, PRINT) as store:
                found = store.lookup(texts)
                assert right_or_unknown(found, texts)
                outcomes.add("whole" if not np.isnan(found).any() else "partly unknown")
                store.add(texts, rows_of(texts))
                assert right_or_unknown(store.lookup(texts), texts)
        except StoreError:
            outcomes.add("refused")
    assert "partly unknown" in outcomes


def test_a_wrong_value_under_a_right_form_is_found_and_the_file_moved_aside(tmp_path, caplog):
    texts = filled(tmp_path / "s")
    database = sqlite3.connect(tmp_path / "s")
    ((table,),) = database.execute("SELECT name FROM sqlite_master").fetchall()
    with database:
        database.execute(f"UPDATE {table} SET row = zeroblob(24) WHERE key = (SELECT max(key) FROM {table})")  # noqa: S608
    database.close()
    with caplog.at_level(logging.WARNING), ScoreStore(tmp_path / "s", PRINT) as store:
        assert np.isnan(store.lookup(texts)).all()
        assert "is damaged (the checksums of 1 rows are wrong): moved to s.corrupt-" in caplog.text
        assert caplog.text.count("\n") == 1
        store.add(texts, rows_of(texts))
    with ScoreStore(tmp_path / "s", PRINT) as store:
        assert store.lookup(texts).tobytes() == rows_of(texts).tobytes()
    assert sorted(path.name.partition("-")[0] for path in tmp_path.iterdir()) == ["s", "s.corrupt", "s.lock"]


@pytest.mark.parametrize("row", ["NULL", "'text of twenty-four......'", "7", "x'00'", "zeroblob(25)"])
def test_a_row_of_another_form_is_damage(tmp_path, row, caplog):
    texts = filled(tmp_path / "s")
    database = sqlite3.connect(tmp_path / "s")
    ((table,),) = database.execute("SELECT name FROM sqlite_master").fetchall()
    database.execute("PRAGMA writable_schema = 1")
    database.execute("UPDATE sqlite_master SET sql = replace(sql, 'BLOB NOT NULL', 'BLOB')")
    database.commit()
    database.close()
    database = sqlite3.connect(tmp_path / "s")
    with database:
        database.execute(f"UPDATE {table} SET row = {row} WHERE key = (SELECT max(key) FROM {table})")  # noqa: S608
    database.close()
    with ScoreStore(tmp_path / "s", PRINT) as store:
        assert np.isnan(store.lookup(texts)).all()
    assert "is damaged" in caplog.text


def test_rows_moved_under_another_classifier_are_damage(tmp_path, caplog):
    texts = filled(tmp_path / "s")
    with ScoreStore(tmp_path / "s", "model two") as store:
        store.add(["x"], bits(1, 0, 0))
    database = sqlite3.connect(tmp_path / "s")
    one, two = (name for (name,) in database.execute("SELECT name FROM sqlite_master ORDER BY rowid").fetchall())
    with database:
        database.execute(f"INSERT INTO {two} SELECT * FROM {one}")  # noqa: S608
    database.close()
    with ScoreStore(tmp_path / "s", "model two") as store:
        assert np.isnan(store.lookup(texts)).all()
    assert "checksums of 400 rows are wrong" in caplog.text


@pytest.mark.parametrize("length", [1, 50, 4000, 4096, 9000])
def test_a_file_cut_short_gives_nothing_wrong(tmp_path, length, caplog):
    texts = filled(tmp_path / "s", 3000)
    content = (tmp_path / "s").read_bytes()
    (tmp_path / "s").write_bytes(content[:length])
    with ScoreStore(tmp_path / "s", PRINT) as store:
        assert right_or_unknown(store.lookup(texts), texts)
    assert ("is damaged" in caplog.text) == (length > 1)  # SQLite takes one byte for a new file


def test_a_damaged_file_in_use_is_not_moved(tmp_path):
    texts = filled(tmp_path / "s")
    database = sqlite3.connect(tmp_path / "s")
    ((table,),) = database.execute("SELECT name FROM sqlite_master").fetchall()
    with database:
        database.execute(f"UPDATE {table} SET row = zeroblob(24)")  # noqa: S608
    database.close()
    with ScoreStore(tmp_path / "s", PRINT), ScoreStore(tmp_path / "s", PRINT) as other:
        with pytest.raises(StoreError, match=r"is damaged \(.*\) and in use: end the other user"):
            other.lookup(texts)
        assert not list(tmp_path.glob("*corrupt*"))
    with ScoreStore(tmp_path / "s", PRINT) as alone:
        assert np.isnan(alone.lookup(texts)).all()


def test_a_file_that_another_process_has_replaced_meanwhile_stays(tmp_path):
    texts = filled(tmp_path / "s")
    with ScoreStore(tmp_path / "s", PRINT) as store:
        store._file._inode = 1  # as if the path had named another file when it was opened
        store._file.run(once(store_file.DamagedError("flipped")))
        assert store.lookup(texts).tobytes() == rows_of(texts).tobytes()
    assert not list(tmp_path.glob("*corrupt*"))


def once(error):
    left = [error]

    def work(_):
        if left:
            raise left.pop()

    return work


def test_damage_that_comes_back_is_an_error(tmp_path):
    def always(_):
        raise store_file.DamagedError("flipped")

    with ScoreStore(tmp_path / "s", PRINT) as store:
        with pytest.raises(StoreError, match=r"is damaged \(flipped\) once more: check the disk"):
            store._file.run(always)
        assert len(store) == 0


# Refused


def test_a_store_of_another_version_is_refused_with_the_remedy_and_kept(tmp_path, monkeypatch):
    texts = filled(tmp_path / "s")
    monkeypatch.setattr(store_file, "VERSION", 2)
    with pytest.raises(StoreError, match=r"store of version 1, this program keeps version 2: .*or delete the file"):
        ScoreStore(tmp_path / "s", PRINT)
    monkeypatch.undo()
    with ScoreStore(tmp_path / "s", PRINT) as store:
        assert store.lookup(texts).tobytes() == rows_of(texts).tobytes()


@pytest.mark.parametrize("kind", ["words", "database"])
def test_a_file_that_is_no_store_is_refused_and_left_as_it_is(tmp_path, kind):
    path = tmp_path / "precious.csv"
    path.write_text("text,label\n" * 99)
    if kind == "database":
        path.unlink()
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE mine (x)")
        database.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="precious.csv: is not a store of scores: name another place"):
        ScoreStore(path, PRINT)
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["precious.csv", "precious.csv.lock"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableError, match="file/s: no store can be kept here .*--no-store"):
        ScoreStore(tmp_path / "file" / "s", PRINT)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UnwritableError, match="no store can be kept here"):
        ScoreStore(tmp_path / "s", PRINT)
    tmp_path.chmod(0o700)


def test_a_folder_in_its_place_is_named(tmp_path):
    (tmp_path / "s").mkdir()
    with pytest.raises(StoreError, match="s: unable to open database file: it cannot be opened"):
        ScoreStore(tmp_path / "s", PRINT)


def test_a_full_disk_is_one_line_and_what_was_committed_stays(tmp_path):
    texts = filled(tmp_path / "s")
    with ScoreStore(tmp_path / "s", PRINT) as store:
        pages = store._file.run(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
        store._file.run(lambda db: db.execute(f"PRAGMA max_page_count = {pages + 1}").fetchone())
        new = [f"new {n}" for n in range(5000)]
        with pytest.raises(
            StoreError, match=r"s: database or disk is full: what was committed stays: free some"
        ) as full:
            store.add(new, rows_of(new))
        assert "\n" not in str(full.value)
        assert np.isnan(store.lookup(new)).all()
        assert store.lookup(texts).tobytes() == rows_of(texts).tobytes()
        store._file.run(lambda db: db.execute("PRAGMA max_page_count = 1000000").fetchone())
        store.add(new, rows_of(new))
    with ScoreStore(tmp_path / "s", PRINT) as store:
        assert len(store) == 5400


@needs_fork
def test_a_disk_that_takes_no_more_loses_nothing_that_was_committed(tmp_path):
    def work(report):
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        try:
            writing(tmp_path / "s", "b", 10_000)(report)
        except StoreError as error:
            report(f"error {error}")

    pid, lines = child(work)
    *batches, message = lines.read().splitlines()
    assert ended(pid) == 0
    assert "what was committed stays" in message
    assert batches
    with ScoreStore(tmp_path / "s", PRINT) as store:
        assert store.lookup(told(batches)).tobytes() == rows_of(told(batches)).tobytes()
        store.add(["after"], bits(1, 0, 0))
    assert not list(tmp_path.glob("*corrupt*"))
