"""Zips that want out of their folder, or more memory than there is: each refused with a sentence, quickly and in little memory."""

import stat
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest

from optimizers.data.archive import Archive, Limits
from optimizers.errors import OptimizerError
from tests.optimizers.hostile.forge import folders, look, picture, quilt, raw_zip, zipped

PNG = picture()


def refusal(path: Path, role: str = "dataset") -> str:
    started = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(OptimizerError) as caught:
            look(path, role)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    assert time.monotonic() - started < 10
    assert caught.value.refusal.wrong
    assert caught.value.refusal.mend
    return caught.value.refusal.code


@pytest.mark.parametrize(("name", "code"), [
    ("/etc/passwd", "unsafe-path"), ("../../cats/x.png", "unsafe-path"), ("cats/../../x.png", "unsafe-path"),
    ("C:/windows/x.png", "unsafe-path"), ("cats\\..\\x.png", "unsafe-name"), ("cats/a\x07.png", "unsafe-name"),
    ("cats/a\n.png", "unsafe-name"), ("cats/\u202egnp.exe.png", "unsafe-name"), ("cats/a\x00.png", "unsafe-name"),
    ("/".join("abcdefghijklmn") + "/x.png", "too-deep"), ("cats/" + "x" * 600 + ".png", "path-too-long"),
    ("cats/inner.zip", "nested-archive"), ("cats/inner.tar.gz", "nested-archive"),
])
def test_names_that_lead_out_or_lie(tmp_path: Path, name: str, code: str) -> None:
    records = [(key.encode(), data) for key, data in folders().items()] + [(name.encode(), PNG)]
    assert refusal(raw_zip(tmp_path / "data.zip", records)) == code
    assert not (tmp_path.parent / "x.png").exists()


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o600, stat.S_IFBLK | 0o600, stat.S_IFCHR | 0o600])
def test_links_pipes_and_devices(tmp_path: Path, mode: int) -> None:
    assert refusal(raw_zip(tmp_path / "data.zip", [(b"cats/1.png", b"/etc/passwd")], mode=mode)) == "not-a-file"


def test_encrypted_and_odd_methods(tmp_path: Path) -> None:
    assert refusal(raw_zip(tmp_path / "data.zip", [(b"cats/1.png", PNG)], flags=1)) == "encrypted"
    assert refusal(zipped(tmp_path / "data.zip", folders(), zipfile.ZIP_LZMA)) == "compression-method"
    assert refusal(zipped(tmp_path / "data.zip", folders(), zipfile.ZIP_BZIP2)) == "compression-method"


@pytest.mark.parametrize(("one", "other"), [("cats/a.png", "Cats/A.PNG"), ("cats/\u00e9.png", "cats/e\u0301.png"),
                                            ("cats/a.png", "cats/a.png"),
                                            ("cats/a.png", "cats//./a.png")])
def test_two_names_for_one_file(tmp_path: Path, one: str, other: str) -> None:
    assert refusal(raw_zip(tmp_path / "data.zip", [(one.encode(), PNG), (other.encode(), PNG)])) == "duplicate-entry"


def test_a_bomb_of_zeros(tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("cats/0.png", "w") as entry:
        for _ in range(200):
            entry.write(bytes(1 << 20))
    assert path.stat().st_size < 300_000
    assert refusal(path) == "zip-bomb"


def test_a_quilt_of_overlapping_records_that_says_95_gigabytes(tmp_path: Path) -> None:
    assert refusal(quilt(tmp_path / "data.zip", 10_000)) == "overlapping-records"


def test_records_that_overlap_in_part(tmp_path: Path) -> None:
    path = raw_zip(tmp_path / "data.zip", [(b"cats/0.png", PNG), (b"cats/1.png", PNG)])
    raw = bytearray(path.read_bytes())
    second = raw.find(b"PK\x01\x02", raw.find(b"PK\x01\x02") + 4)
    raw[second + 42:second + 46] = (20).to_bytes(4, "little")       # starts inside the first record
    path.write_bytes(raw)
    assert refusal(path) == "overlapping-records"


def test_an_entry_that_says_less_than_it_holds(tmp_path: Path) -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = deflate.compress(bytes(80 << 20)) + deflate.flush()
    path = raw_zip(tmp_path / "data.zip", [(b"cats/0.png", data)], method=8, sizes={b"cats/0.png": 1000})
    with Archive(path) as archive, pytest.raises(OptimizerError) as caught:
        archive.read(archive.entries[0], 1 << 30)
    assert caught.value.refusal.code == "size-differs"


def test_limits_of_number_and_directory(tmp_path: Path) -> None:
    path = zipped(tmp_path / "data.zip", folders())
    for limits, code in ((Limits(entries=5), "too-many-entries"), (Limits(directory=100), "directory-too-large"),
                         (Limits(entry=10), "too-large"),
                         (Limits(total=100), "too-large")):
        with pytest.raises(OptimizerError) as caught:
            Archive(path, limits)
        assert caught.value.refusal.code == code


def test_cut_off_and_damaged(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "data.zip", folders()).read_bytes()
    for cut in (5, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "data.zip").write_bytes(whole[:cut])
        assert refusal(tmp_path / "data.zip") in ("truncated", "broken-zip")
    (tmp_path / "data.zip").write_bytes(b"MZ program in front" + whole)
    assert refusal(tmp_path / "data.zip") == "not-a-model"
    flipped = bytearray(whole)
    flipped[60] ^= 0xFF
    (tmp_path / "data.zip").write_bytes(flipped)
    assert refusal(tmp_path / "data.zip") in ("broken-zip", "checksum-differs", "truncated", "size-differs", "unreadable")


def test_litter_of_desktops_is_passed_over(tmp_path: Path) -> None:
    litter = {"__MACOSX/cats/._0.png": b"x", "cats/.DS_Store": b"x", "dogs/Thumbs.db": b"x", "desktop.ini": b"x"}
    card = look(zipped(tmp_path / "data.zip", folders(litter)), "dataset")
    assert card.rows == 16
    assert card.classes == ("cats", "dogs")
