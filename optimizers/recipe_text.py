"""A recipe's text into plain values. YAML is a stranger's program for making objects, so little of it is taken."""

import re
from typing import Any

import yaml

from optimizers.errors import OptimizerError

MOST = 64 * 1024        # characters; the longest recipe that made sense had two thousand
DEPTH = 20              # levels of nested lists and mappings


class Reader(yaml.SafeLoader):
    """SafeLoader without aliases: ten lines of them make a thousand million entries, or a list that holds itself."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not taken", self.peek_event().start_mark)
        self.depth += 1
        if self.depth > DEPTH:
            raise yaml.composer.ComposerError(None, None, f"nested deeper than {DEPTH} levels", self.peek_event().start_mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_yaml_int(self, node: Any) -> int:
        number = super().construct_yaml_int(node)
        if abs(number) >= 2**63:
            raise ValueError("a number beyond 64 bits")
        return number


Reader.add_constructor("tag:yaml.org,2002:int", Reader.construct_yaml_int)


def read(text: str) -> Any:
    """The lists, mappings, numbers and words of a recipe file. Raises OptimizerError.

    >>> read("steps: [{technique: train}]")
    {'steps': [{'technique': 'train'}]}
    >>> read("a: &a [x]\\nb: *a")      # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    optimizers.errors.OptimizerError: The recipe cannot be read: aliases are not taken. [line 2] Indent with spaces, and quote text ...
    """
    if len(text) > MOST:
        raise OptimizerError(f"A recipe has at most {MOST:,} characters, this one has {len(text):,}.", "recipe",
                             "Leave out what no step needs.", "recipe-too-long")
    try:
        return yaml.load(text, Reader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = re.sub(r"[^ -~]", "?", str(getattr(error, "problem", None) or ""))[:120]
        raise unreadable(problem, f"line {mark.line + 1}" if mark else "") from None
    except (ValueError, TypeError, OverflowError, RecursionError):       # 2026-99-99, a number of five thousand digits
        raise unreadable("a value is not what it looks like", "") from None


class Writer(yaml.SafeDumper):
    """SafeDumper that writes a value twice where the reader would not take an alias to it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def write(table: dict[str, Any]) -> str:
    return yaml.dump(table, Dumper=Writer, sort_keys=False, allow_unicode=True)


def unreadable(problem: str, where: str) -> OptimizerError:
    said = f"The recipe cannot be read: {problem}." if problem else "The recipe is not valid YAML."
    return OptimizerError(said, where, "Indent with spaces, and quote text that holds a colon.", "recipe-syntax")
