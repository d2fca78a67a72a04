"""Files are written whole or not at all."""

import pytest

from htmp_bayes._files import replacing


def test_the_file_appears_when_the_block_ends(tmp_path):
    target = tmp_path / "a.txt"
    with replacing(target) as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".txt"
        assert not target.exists()
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_block_leaves_what_was_there(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(IsADirectoryError), replacing(target) as temporary:
        temporary.write_text("half") and tmp_path.read_text()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
