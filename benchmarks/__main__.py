"""`python -m benchmarks [name ...]`: every benchmark of this folder, or those named, one after the other."""

import subprocess
import sys
from pathlib import Path

names = sys.argv[1:] or sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in {"__main__", "resnet8"})
failed = []
for name in names:
    print(f"== {name}", flush=True)
    if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode:
        failed.append(name)
sys.exit(f"did not reach its goal: {', '.join(failed)}" if failed else 0)
