"""Pictures, arrays and tables that lie about themselves: refused before memory is spent on them."""

import struct
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from optimizers.errors import OptimizerError, Refusal
from tests.optimizers.hostile.forge import folders, look, picture, zipped


def refused(path: Path, **options: object) -> Refusal:
    started = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(OptimizerError) as caught:
            look(path, "dataset", **options)
        assert tracemalloc.get_traced_memory()[1] < 128 << 20
    finally:
        tracemalloc.stop()
    assert time.monotonic() - started < 15
    assert caught.value.refusal.mend
    return caught.value.refusal


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is huge and holds a line of zeros."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)) + \
        chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b"")


def test_an_image_bomb(tmp_path: Path) -> None:
    for side in (7_000, 60_000, 2**31 - 1):
        refusal = refused(zipped(tmp_path / "data.zip", folders({"cats/bomb.png": png_header(side, side)})))
        assert refusal.code == "unreadable"
        assert "megapixels" in refusal.wrong
        assert refusal.where == "cats/bomb.png"


@pytest.mark.parametrize("name", ["a.svg", "a.gif", "a.pdf", "a.eps", "a.fits", "a.tiff"])
def test_other_picture_formats(tmp_path: Path, name: str) -> None:
    assert refused(zipped(tmp_path / "data.zip", folders({f"cats/{name}": b"<svg onload=alert(1)>"}))).code == "picture-format"


@pytest.mark.parametrize("raw", [b"<svg onload=alert(1)>", b"%PDF-1.7", b"GIF89a" + bytes(20), b"", b"PK\x03\x04" + bytes(30), bytes(500)])
def test_other_bytes_under_a_picture_name(tmp_path: Path, raw: bytes) -> None:
    assert refused(zipped(tmp_path / "data.zip", folders({"cats/a.png": raw}))).code == "unreadable"


def test_one_bad_picture_in_a_hundred_is_listed_two_are_refused(tmp_path: Path) -> None:
    cut = picture()[:-30]
    card = look(zipped(tmp_path / "data.zip", folders({"cats/cut.png": cut}, each=60)), "dataset")
    assert card.rows == 120
    assert [problem.where for problem in card.problems if problem.code == "unreadable"] == ["cats/cut.png"]
    assert refused(zipped(tmp_path / "data.zip", folders({"cats/cut.png": cut, "dogs/cut.png": cut}, each=60))).code == "unreadable"


def test_classes_that_are_none(tmp_path: Path) -> None:
    only = {name: data for name, data in folders().items() if name.startswith("cats")}
    assert refused(zipped(tmp_path / "data.zip", only)).code == "too-few-rows"           # one folder: no labels, and too few
    refusal = refused(zipped(tmp_path / "data.zip", only | {"birds/1.png": picture()}))
    assert (refusal.code, refusal.where) == ("class-too-small", "birds")
    refusal = refused(zipped(tmp_path / "data.zip", folders({"empty/": b""})))
    assert (refusal.code, refusal.where) == ("empty-class", "empty")
    assert refused(zipped(tmp_path / "data.zip", {"a.png": picture(), "b.png": picture()})).code == "too-few-rows"
    assert refused(zipped(tmp_path / "data.zip", {"readme.md": b"hello"})).code == "no-pictures"
    assert refused(zipped(tmp_path / "data.zip", {})).code == "empty"


def test_an_npz_that_expands_a_thousandfold(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    says = b"{'descr': '|u1', 'fortran_order': False, 'shape': (314572800, 1), }".ljust(117) + b"\n"
    header = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + says
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as entry:
        entry.write(header)
        for _ in range(300):
            entry.write(bytes(1 << 20))
    assert path.stat().st_size < 400_000
    assert refused(path).code == "zip-bomb"


def npz(path: Path, header: bytes, data: bytes = bytes(64)) -> Path:
    padded = header.ljust(117) + b"\n"
    raw = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded + data
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", raw)
        archive.writestr("y.npy", raw)
    return path


@pytest.mark.parametrize(("header", "code"), [
    (b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000), }", "size-differs"),
    (b"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", "shape-too-large"),
    (b"{'descr': '<f4', 'fortran_order': False, 'shape': (4, 5), }", "size-differs"),
    (b"{'descr': '|O', 'fortran_order': False, 'shape': (8,), }", "pickle"),
    (b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (16,), }", "structured-array"),
    (b"{'descr': '<U4', 'fortran_order': False, 'shape': (4,), }", "not-numeric"),
    (b"{'descr': '<c8', 'fortran_order': False, 'shape': (8,), }", "not-numeric"),
    (b"__import__('os').system('true')", "structured-array"),
    (b"((((((((((((((((((((((((((((", "structured-array"),
])
def test_npy_headers_that_lie(tmp_path: Path, header: bytes, code: str) -> None:
    assert refused(npz(tmp_path / "data.npz", header)).code == code


@pytest.mark.parametrize(("arrays", "code"), [
    ({"x": np.zeros((20, 3)), "y": np.zeros(19, int)}, "rows-differ"), ({"z": np.zeros((20, 3))}, "no-arrays"),
    ({"x": np.full((20, 3), np.nan), "y": np.arange(20) % 2}, "not-finite"),
    ({"x": np.zeros((20, 3)), "y": np.zeros(20, int)}, "one-class"),
    ({"x": np.zeros((20, 3)), "y": np.full(20, np.inf)}, "not-finite"), ({"x": np.zeros((20, 0)), "y": np.arange(20) % 2}, "empty"),
    ({"x": np.zeros((5, 3)), "y": np.arange(5) % 2}, "too-few-rows"),
    ({"x": np.zeros((20, 2, 2, 2, 2)), "y": np.arange(20) % 2}, "bad-shape"),
    ({"x": np.zeros((20, 3)), "y": np.zeros((20, 4, 2))}, "bad-labels"), ({"x": np.zeros((20, 3)), "data": np.zeros(3), "y": np.ones(20)},
                                                                           "ambiguous-arrays"),
])
def test_arrays_that_are_no_dataset(tmp_path: Path, arrays: dict, code: str) -> None:
    np.savez(tmp_path / "data.npz", **arrays)
    assert refused(tmp_path / "data.npz").code == code


def idx(shape: tuple[int, ...], data: bytes, kind: int = 8) -> bytes:
    import gzip
    return gzip.compress(bytes([0, 0, kind, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape) + data)


@pytest.mark.parametrize(("images", "code"), [
    (idx((20, 2, 2), bytes(79)), "size-differs"), (idx((20, 2, 2), bytes(81)), "size-differs"),
    (idx((2**31, 2**31, 2**31), b""), "too-large"),
    (idx((20, 2, 2), bytes(80), 99), "bad-idx-header"), (idx((20, 2, 2), bytes(80))[:-12], "truncated"),
    (idx((20, 2, 2), bytes(80)) + b"more", "broken-gzip"), (b"nothing", "broken-gzip"), (idx((209715200, 1), bytes(200 << 20)), "zip-bomb"),
])
def test_idx_files_that_lie(tmp_path: Path, images: bytes, code: str) -> None:
    labels = idx((20,), bytes([0, 1] * 10))
    path = zipped(tmp_path / "data.zip", {"train-images-idx3-ubyte.gz": images, "train-labels-idx1-ubyte.gz": labels}, zipfile.ZIP_STORED)
    assert refused(path).code == code


def test_half_an_idx_pair(tmp_path: Path) -> None:
    path = zipped(tmp_path / "data.zip", {"train-images-idx3-ubyte.gz": idx((20, 2, 2), bytes(80))}, zipfile.ZIP_STORED)
    assert refused(path).code == "missing-pair"


def table(rows: list[str], header: str = "a,b,y") -> bytes:
    return "\n".join([header, *rows]).encode()


GOOD = [f"{i},{i % 7},{'yes' if i % 3 else 'no'}" for i in range(40)]


@pytest.mark.parametrize(("raw", "code", "where"), [
    (table([*GOOD[:20], "1,2", *GOOD[20:]]), "ragged-row", "line 22"), (table([*GOOD[:20], "1,2,3,4"]), "ragged-row", "line 22"),
    (table([*GOOD, "1,\0,yes"]), "nul", "line 42"), (table(GOOD).replace(b"yes", b"\x81\xe9"), "encoding", "line 3"),
    (table(GOOD, "a,a,y"), "duplicate-column", "columns 1 and 2"), (b"", "empty", ""), (b"\n\n\n", "empty", ""),
    (b"a\n1\n2\n", "one-column", ""),
    (b"a,b,y\n", "too-few-rows", ""), (table(['"never closed,1,yes', *["x" * 1000] * 90]), "broken-row", "line"),
    (table([*GOOD, "1," + "x" * 70_000 + ",yes"]), "broken-row", "line 42"), (table(GOOD, "a,b," + "y" * 300), "name-too-long", ""),
    (",".join(f"c{i}" for i in range(2001)).encode() + b"\n" + b"1," * 2000 + b"1\n", "too-many-columns", ""),
    (table([row.replace("no", "yes") for row in GOOD]), "one-class", "'y'"),
    (table([f"{i},{i},name{i}" for i in range(40)]), "too-many-classes", ""),
    (b"<!DOCTYPE html><html>", "html", ""), (b"PAR1" + bytes(50), "suffix-differs", ""), (b"\xff\xfe\0\0a\0\0\0", "encoding", ""),
])
def test_tables_that_are_none(tmp_path: Path, raw: bytes, code: str, where: str) -> None:
    (tmp_path / "data.csv").write_bytes(raw)
    refusal = refused(tmp_path / "data.csv")
    assert refusal.code == code
    assert where in refusal.where


def test_a_line_without_end(tmp_path: Path) -> None:
    with (tmp_path / "data.csv").open("wb") as file:
        file.write(b"a,b,y\n")
        for _ in range(40):
            file.write(b"1," * (1 << 19))
    assert refused(tmp_path / "data.csv").code == "line-too-long"


def test_the_suffix_must_agree(tmp_path: Path) -> None:
    (tmp_path / "data.npz").write_bytes(table(GOOD))
    assert refused(tmp_path / "data.npz").code == "suffix-differs"
    assert refused(zipped(tmp_path / "data.csv", folders())).code == "suffix-differs"
