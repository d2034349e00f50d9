"""What was wrong, where, and how to mend it: the same three sentences on the page, in problem+json and on the terminal."""

from optimizers.values import Value


class Refusal(Value):
    """Why something will not be done, said before any work starts.

    wrong: one sentence that names the rule and the value that broke it.
    where: a file, node, column, line or field; empty when it is the whole.
    mend: what the reader can do about it.
    code: short stable kebab-case word for programs, such as "classes-differ".
    """

    wrong: str
    where: str = ""
    mend: str = ""
    code: str = "refused"

    def __str__(self) -> str:
        place = f" [{self.where}]" if self.where else ""
        return f"{self.wrong}{place} {self.mend}".strip()


class OptimizerError(Exception):
    """The user's mistake or the file's: always carries a Refusal. Anything else that is raised is our own fault."""

    def __init__(self, wrong: str, where: str = "", mend: str = "", code: str = "refused") -> None:
        self.refusal = Refusal(wrong=wrong, where=where, mend=mend, code=code)
        super().__init__(str(self.refusal))

    @classmethod
    def of(cls, refusal: Refusal) -> "OptimizerError":
        return cls(refusal.wrong, refusal.where, refusal.mend, refusal.code)


class Stopped(Exception):
    """The run was asked to stop; what was found so far is kept."""
