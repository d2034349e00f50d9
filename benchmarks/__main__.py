"""`python -m benchmarks`: the quick ones, a few minutes in all.  `--long`: the long ones too.  NAME ...: those named.

Each prints its figures with the goal beside them; what lacks its data says that it was skipped.
"""

import subprocess
import sys
import time

QUICK = ("store", "first_word", "house")
LONG = ("tables", "fashion", "compress", "low_rank", "distill", "coding", "sparsity", "binarize", "xnor", "trees")


def main(words: list[str]) -> str | None:
    names = [word for word in words if word != "--long"] or [*QUICK, *(LONG if "--long" in words else ())]
    if unknown := [name for name in names if name not in QUICK + LONG]:
        return f"no such benchmark: {', '.join(unknown)}; there are {', '.join(QUICK + LONG)}"
    failed = []
    for name in names:
        begin = time.perf_counter()
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode:
            failed.append(name)
        print(f"   {time.perf_counter() - begin:.0f} s\n", flush=True)
    return f"failed, or short of its goal: {', '.join(failed)}" if failed else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
