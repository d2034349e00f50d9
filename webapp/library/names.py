"""Names that strangers give: stored as text, shown escaped, never a path. And what a name already says against a file."""

import unicodedata
from pathlib import PurePosixPath

from optimizers.errors import OptimizerError
from optimizers.models.audit_disguise import FROM_SKLEARN, OLD_XGBOOST

FILENAME_BYTES, NAME_LETTERS = 255, 120
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}     # control, bidi and zero-width, surrogates, unassigned, line breaks

TAKEN = {
    "model": {".onnx": "ONNX", ".pt2": "torch.export", ".safetensors": "safetensors weights", ".json": "XGBoost", ".ubj": "XGBoost",
              ".txt": "LightGBM", ".lgb": "LightGBM", ".skops": "scikit-learn"},
    "dataset": {".zip": "folders of images, idx files, or train and test tables", ".npz": "NumPy arrays", ".csv": "a table",
                ".tsv": "a table", ".txt": "a table", ".data": "a table", ".parquet": "a table", ".arff": "a table of Weka",
                ".svm": "a sparse table of libsvm", ".libsvm": "the same", ".svmlight": "the same"},
}
PICKLES = "It may run code when it is opened."
REFUSED = {     # suffix -> (what it is, how to convert it)
    ".pkl": (f"A pickle is a program, not a file. {PICKLES}", FROM_SKLEARN),
    ".pickle": (f"A pickle is a program, not a file. {PICKLES}", FROM_SKLEARN),
    ".joblib": (f"A joblib file is a pickle. {PICKLES}", FROM_SKLEARN),
    ".model": ("Old binary files of XGBoost are not opened.", OLD_XGBOOST),
    ".bst": ("Old binary files of XGBoost are not opened.", OLD_XGBOOST),
    ".pt": (f"A .pt file is a pickle. {PICKLES}", "Use torch.onnx.export(model, args, 'model.onnx', dynamo=True), or torch.export.save."),
    ".pth": (f"A .pth file is a pickle. {PICKLES}", "Use torch.onnx.export(model, args, 'model.onnx', dynamo=True), or torch.export.save."),
    ".ckpt": (f"A checkpoint is a pickle. {PICKLES}", "Load it at home and export the model to ONNX."),
    ".bin": (f"A .bin file is usually a pickle. {PICKLES}", "Save the weights with safetensors.torch.save_file."),
    ".npy": ("One array has no labels.", "Save arrays x and y together: numpy.savez('data.npz', x=x, y=y)."),
    ".h5": ("Keras files may hold code.", "Convert with tf2onnx, or export to ONNX from Keras 3."),
    ".keras": ("Keras files may hold code.", "Export to ONNX from Keras 3: model.export('model.onnx', format='onnx')."),
    ".tar": ("Tar archives are not opened.", "Pack the folders into a zip."),
    ".gz": ("A lone .gz file is not enough.", "Put the pairs of idx .gz files into one zip."),
    ".rar": ("This archive is not opened.", "Pack the folders into a zip."),
    ".7z": ("This archive is not opened.", "Pack the folders into a zip."),
    ".xlsx": ("Workbooks are not opened.", "Save the sheet as CSV in UTF-8."),
}


def clean(text: str, field: str, limit: int = NAME_LETTERS) -> str:
    """The text in NFC, trimmed. Raises OptimizerError when it is empty, too long, or holds characters nobody sees."""
    text = unicodedata.normalize("NFC", text).strip()
    odd = next((letter for letter in text if unicodedata.category(letter) in HIDDEN), None)
    if odd is not None:
        raise OptimizerError(f"The name holds the invisible character U+{ord(odd):04X}.", field, "Remove it.", "bad-name")
    if not text or len(text) > limit:
        raise OptimizerError(f"A name has 1 to {limit} characters, this one has {len(text)}.", field, "Choose another one.", "bad-name")
    return text


def file_name(text: str) -> str:
    """The last part of what a browser sends as file name, checked."""
    name = clean(text.replace("\\", "/").rsplit("/", 1)[-1], "filename", FILENAME_BYTES)
    if len(name.encode()) > FILENAME_BYTES or name in (".", ".."):
        raise OptimizerError(f"A file name has at most {FILENAME_BYTES} bytes.", "filename", "Rename the file.", "bad-name")
    return name


def refuse_by_name(kind: str, filename: str) -> None:
    """Say at once what the suffix already tells; the bytes are looked at later, in the cage. Raises OptimizerError."""
    suffix = PurePosixPath(filename.lower()).suffix
    if suffix in TAKEN[kind]:
        return
    other = "dataset" if kind == "model" else "model"
    known = ", ".join(f"{end} ({what})" for end, what in TAKEN[kind].items())
    if suffix in TAKEN[other]:
        raise OptimizerError(f"A {suffix} file is a {other}, not a {kind}.", filename, f"Upload it as a {other}.", "wrong-kind")
    what, mend = REFUSED.get(suffix, (f"Files ending in '{suffix or 'nothing'}' are not taken as a {kind}.", f"Taken are {known}."))
    raise OptimizerError(what, filename, mend, "unsupported-format")
