"""Files that are recognized in order to be refused: pickles in every disguise, and formats that are not read yet.

From the first bytes and, for zips, the names inside; nothing is opened, let alone unpickled. Each refusal says how to convert.
"""

from __future__ import annotations

import io
import pickletools
import re
from pathlib import Path

from optimizers.errors import OptimizerError

EXPORT = ("In Python, with the model at hand: torch.onnx.export(model.eval(), (torch.zeros(1, 3, 224, 224),), 'model.onnx', dynamo=True) "
          "with the shape of your input.")
FROM_TORCH = "Load it where you trust it, then " + EXPORT[0].lower() + EXPORT[1:]
CONVERSIONS = {         # of a pickle, by the library that wrote it; the upload page shows them
    "scikit-learn": "import joblib, skops.io; skops.io.dump(joblib.load('model.pkl'), 'model.skops')",
    "XGBoost": "import joblib; joblib.load('model.pkl').save_model('model.json')",
    "LightGBM": "import joblib; joblib.load('model.pkl').booster_.save_model('model.txt')",
}
OLD_XGBOOST = "In Python, with XGBoost 3.0 or older: xgboost.Booster(model_file='old.model').save_model('model.json')"
FROM_SKLEARN, FROM_XGBOOST, FROM_LIGHTGBM = (f"Where you trust it, in Python: {line}" for line in CONVERSIONS.values())
FROM_KERAS = "In Python: keras.saving.load_model('model.keras').export('model.onnx', format='onnx')"
FROM_TENSORFLOW = "python -m tf2onnx.convert --saved-model FOLDER --output model.onnx"
FROM_H5 = "In Python: keras.models.load_model('model.h5').export('model.onnx', format='onnx')"
FROM_ARRAY = "In Python: np.savez('data.npz', x=x, y=y)"
FROM_FRAME = "In Python: pandas.read_feather('data.feather').to_parquet('data.parquet')"
CODE = "pickles can run code and are never opened"

# (bytes, offset, what it is, how to convert it or "" for the general advice, code)
MAGIC: tuple[tuple[bytes, int, str, str, str], ...] = (
    (b"binf", 0, "an old binary file of XGBoost, which is not read", OLD_XGBOOST, "old-xgboost"),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19", 0, f"an old torch.save file, which is a pickle; {CODE}", FROM_TORCH, "pickle"),
    (b"\x89HDF\r\n\x1a\n", 0, "an HDF5 file (Keras .h5), which is not read", FROM_H5, "keras"),
    (b"TFL3", 4, "a TFLite model, which is not read yet", "python -m tf2onnx.convert --tflite model.tflite --output model.onnx", "tflite"),
    (b"GGUF", 0, "a GGUF language model, which is not read yet", "", "gguf"),
    (b"ustar", 257, "a tar archive, which is not read", "Unpack it and upload the file inside, or a zip.", "tar"),
    (b"PAR1", 0, "a Parquet table and no model", "Upload it as a dataset, called .parquet.", "parquet"),
    (b"ARROW1", 0, "an Arrow table, which is not read yet", FROM_FRAME, "arrow"),
    (b"\xd0\xcf\x11\xe0", 0, "an old Office file, which is not read", "Save the sheet as CSV in UTF-8.", "office"),
    (b"SQLite format 3\0", 0, "an SQLite database, which is not read", "Export the table as CSV.", "sqlite"),
    (b"\x89PNG", 0, "a single picture", "Zip class folders of pictures: train/cats/1.png, train/dogs/1.png.", "one-picture"),
    (b"\xff\xd8\xff", 0, "a single picture", "Zip class folders of pictures: train/cats/1.jpg, train/dogs/1.jpg.", "one-picture"),
    (b"GIF8", 0, "a single picture", "Zip class folders of PNG or JPEG pictures.", "one-picture"),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7z archive, which is not read", "Pack it as .zip.", "archive"),
    (b"Rar!", 0, "a RAR archive, which is not read", "Pack it as .zip.", "archive"),
    (b"%PDF", 0, "a PDF document", "", "not-a-model"),
    (b"\x7fELF", 0, "a program for Linux", "", "not-a-model"),
    (b"MZ", 0, "a program for Windows", "", "not-a-model"),
    (b"\xca\xfe\xba\xbe", 0, "a program", "", "not-a-model"),
    (b"#!", 0, "a script", "", "not-a-model"),
    (b"version https://git-lfs", 0, "a pointer of Git LFS, not the file itself", "Run git lfs pull and upload the file.", "lfs-pointer"),
    (b"RIFF", 0, "a single sound or picture", "", "one-picture"),
)
COMPRESSED: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x04\x22\x4d\x18", "lz4"), (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x78\x9c", "zlib"), (b"\x78\x01", "zlib"), (b"\x78\xda", "zlib"), (b"\x78\x5e", "zlib"), (b"\x5d\0\0", "lzma"))
PICKLE_SUFFIXES = {".pkl", ".pickle", ".joblib", ".dill", ".pk", ".sav"}
TORCH_SUFFIXES = {".pt", ".pth", ".ckpt", ".bin"}


def refuse_disguise(head: bytes, path: Path, ways: str, names: tuple[str, ...] = ()) -> None:
    """Raise OptimizerError for a file that is one of those above; return when it is none.

    head: at least the first 512 bytes.  names: the entries, when the file is a zip.  ways: what can be uploaded in its place.
    """
    if names:
        return refuse_zip(names, path, ways)
    for magic, offset, what, mend, code in MAGIC:
        if head[offset:offset + len(magic)] == magic:
            raise refused(what, path, mend or ways, code)
    if head[:6] == b"\x93NUMPY":
        if b"|O" in head[:256]:
            raise refused(f"a numpy array of Python objects, which is a pickle inside; {CODE}", path, FROM_ARRAY, "pickle")
        raise refused("a single numpy array; inputs and labels are needed together", path, FROM_ARRAY, "one-array")
    refuse_compressed(head, path, ways)
    if is_pickle(head, path):
        what = "a pickle made by joblib" if b"joblib" in head else "a pickle made by torch" if b"torch" in head else "a pickle"
        raise refused(f"{what}; {CODE}", path, way_out(head, path), "pickle")
    start = head.lstrip()[:64].lower()
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<svg")):
        kind = "an HTML page, perhaps the sign-in or error page of the site it came from" if b"html" in start else "an XML file"
        raise refused(kind, path, f"Download the file again and look into it. {ways}", "html" if b"html" in start else "xml")
    if start.startswith((b"{", b"[")) and b'"' in start and path.suffix.lower() not in (".csv", ".tsv", ".txt", ".json"):
        raise refused("JSON text", path, ways, "json")
    if path.suffix.lower() in (".model", ".bst", ".deprecated"):
        raise refused("an old binary file of XGBoost perhaps, which is not read", path, OLD_XGBOOST, "old-xgboost")
    return None


def way_out(head: bytes, path: Path) -> str:
    """The one-liner that turns a pickle into a file without code."""
    if b"torch" in head or path.suffix.lower() in TORCH_SUFFIXES:
        return FROM_TORCH
    return FROM_XGBOOST if b"xgboost" in head else FROM_LIGHTGBM if b"lightgbm" in head else FROM_SKLEARN


def refuse_compressed(head: bytes, path: Path, ways: str) -> None:
    for magic, tool in COMPRESSED:
        if head.startswith(magic):
            if path.suffix.lower() in PICKLE_SUFFIXES or (tool == "zlib" and path.suffix.lower() not in (".csv", ".txt", ".tsv")):
                raise refused(f"a compressed joblib file ({tool}), which is a pickle; {CODE}", path, FROM_SKLEARN, "pickle")
            if tool != "zlib":
                raise refused(f"a {tool} file; what is inside stays unseen", path, f"Unpack it and upload what is inside. {ways}",
                              "archive")


def is_pickle(head: bytes, path: Path) -> bool:
    """Protocol 2 and later by the first bytes; 0 and 1, which have none, by reading the whole as opcodes, without running any."""
    if len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5:
        return True
    if path.suffix.lower() in PICKLE_SUFFIXES:
        return True
    if head[:1] not in b"(c]}l0dNIFSVLi" or path.stat().st_size > 8 << 20:
        return False
    raw = path.read_bytes()
    if not raw.rstrip(b"\n").endswith(b"."):
        return False
    try:
        return sum(1 for _ in pickletools.genops(io.BytesIO(raw))) > 2
    except Exception:       # anything that is no pickle ends here, each in its own way
        return False


def refuse_zip(names: tuple[str, ...], path: Path, ways: str) -> None:
    """Zips that are models in a form that is code or is not read."""
    bases = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in bases and any("/code/" in name for name in names):
        raise refused("a TorchScript file, which holds a program and pickles; it is never opened", path, FROM_TORCH, "torchscript")
    if "archive_format" in bases:
        raise refused("a torch.export file (.pt2), a model and no dataset", path, f"Upload it as a model. {ways}", "wrong-kind")
    if "data.pkl" in bases:
        raise refused(f"a torch.save file, which is a pickle; {CODE}", path,
                      f"{FROM_TORCH} Weights alone: safetensors.torch.save_file(model.state_dict(), 'model.safetensors').", "pickle")
    if "saved_model.pb" in bases:
        raise refused("a TensorFlow SavedModel, which is not read", path, FROM_TENSORFLOW, "savedmodel")
    if "model.weights.h5" in bases or {"metadata.json", "config.json"} <= bases:
        raise refused("a Keras file, which can hold code", path, FROM_KERAS, "keras")
    if "schema.json" in bases and not any(name.lower().endswith((".png", ".jpg", ".jpeg")) for name in names):
        raise refused("a skops file (scikit-learn), a model and no dataset", path, f"Upload it as a model. {ways}", "wrong-kind")
    if any(name.startswith(("xl/", "word/")) for name in names):
        raise refused("an Office file, which is not read", path, "Save the sheet as CSV in UTF-8.", "office")
    for name in names:
        suffix = "." + name.lower().rpartition(".")[2]
        if suffix in PICKLE_SUFFIXES or re.fullmatch(r"\.(pt|pth|ckpt)", suffix):
            raise OptimizerError(f"There is a pickle in the archive; {CODE}.", f"{path.name}: {name}", FROM_SKLEARN, "pickle")


def refused(what: str, path: Path, mend: str, code: str) -> OptimizerError:
    return OptimizerError(f"This is {what}.", path.name, mend, code)
