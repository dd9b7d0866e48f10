"""A folder of parts: each whole, told apart by what computed it, nobody else's files touched."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nlp.errors import NlpError
from nlp.scoring.stream.part_folder import parts_folder

TABLE = pa.table({"text": ["a", "b"], "score": [0.25, -1.0]})


def test_a_part_is_known_by_its_stamp(tmp_path):
    with parts_folder(tmp_path / "deep" / "out") as folder:
        folder.write(7, "model news", TABLE)
        assert folder.scores_of(7, "model news") == (-0.75, 0)
        assert folder.scores_of(7, "model other") is None
        assert folder.scores_of(6, "model news") is None
    assert [path.name for path in (tmp_path / "deep" / "out").iterdir()] == ["part-000007.parquet"]


@pytest.mark.parametrize("size", [0, 3, 200])
def test_a_part_that_is_cut_off_is_no_part(tmp_path, size):
    with parts_folder(tmp_path) as folder:
        folder.write(0, "s", TABLE)
        part = tmp_path / "part-000000.parquet"
        part.write_bytes(part.read_bytes()[:size])
        assert folder.scores_of(0, "s") is None


def test_the_folder_says_when_all_is_there(tmp_path):
    for _ in range(2):
        with parts_folder(tmp_path) as folder:
            assert not folder.facts.exists()
            for number in range(3):
                folder.write(number, "s", TABLE)
            folder.finish(3, {"model": "m"})
    assert '"parts": 3' in folder.facts.read_text()
    assert pq.read_table(tmp_path)["text"].to_pylist() == ["a", "b"] * 3


@pytest.mark.parametrize("name", ["mine.csv", "part-1.parquet", ".hidden", "part-000000.parquet"])
def test_a_folder_of_something_else_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(NlpError, match=f"holds {name}, which is no part"), parts_folder(tmp_path):
        pass
    pq.write_table(TABLE, tmp_path / name)
    with pytest.raises(NlpError, match=f"holds {name}, which is no part"), parts_folder(tmp_path):
        pass


def test_what_a_killed_worker_left_is_not_in_the_way(tmp_path):
    (tmp_path / ".part-000003.parquet.unfinished-abcdefgh").write_bytes(b"half")
    with parts_folder(tmp_path) as folder:
        folder.write(3, "s", TABLE)
    assert [path.name for path in tmp_path.iterdir()] == ["part-000003.parquet"]


def test_two_runs_do_not_share_a_folder(tmp_path):
    with parts_folder(tmp_path), pytest.raises(NlpError, match="another run writes there"), parts_folder(tmp_path):
        pass
    with parts_folder(tmp_path):
        pass


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(NlpError, match=r"file/out: cannot be written: Not a directory"),
        parts_folder(tmp_path / "file" / "out"),
    ):
        pass
