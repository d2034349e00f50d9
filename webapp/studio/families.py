"""Families of ways to learn from a table: what each does, what it is meant to do, and to which one a candidate belongs."""

from dataclasses import dataclass

from optimizers.candidate import Candidate


@dataclass(frozen=True)
class Family:
    """The textbook's words on it. many: how a sentence names it."""

    key: str
    title: str
    many: str
    learns: str = ""
    meant: str = ""
    trained: str = ""
    readable: str = ""
    overfits: str = ""


FAMILIES = {family.key: family for family in (
    Family("single", "One model", "one model", "One model of another kind on all rows", "–", "at once",
           "a line can be read whole", "it has more freedom than rows"),
    Family("bagging", "Bagging", "bagging", "Many models side by side, each on a resampling of the rows; their mean answers", "variance",
           "in parallel", "columns that matter, partial dependence", "hardly ever"),
    Family("boosting", "Boosting", "boosting", "One model after another; each corrects what those before it got wrong", "bias",
           "one by one", "columns that matter, partial dependence", "there are too many rounds, or wrong labels"),
    Family("stacking", "Stacking", "stacking", "Different models side by side; a small model learns whom to believe",
           "both, through variety", "in parallel by folds, then the top", "each member by itself", "folds leak, or rows are few"),
    Family("network", "Network", "the network", "Layers of weights, by gradient descent", "bias, with its size", "epoch by epoch",
           "columns that matter, partial dependence", "it is trained long on few rows"),
)}
ONE_TREE = Family("single", "One tree", "one tree", "One tree on all rows", "nothing: the others are held against it", "at once",
                  "a short one can be read whole", "it is grown as deep as it can be")
OF_TECHNIQUE = {"base-model": "single", "bag": "bagging", "forest": "bagging", "boost": "boosting", "adaboost": "boosting",
                "vote": "stacking", "stack": "stacking", "select": "stacking"}


def family_of(c: Candidate) -> Family:
    """By the last step that fits an estimator; a candidate without one is a network."""
    steps = [step.get("technique", "") for step in c.recipe.get("steps", [])]
    key = next((OF_TECHNIQUE[name] for name in reversed(steps) if name in OF_TECHNIQUE), "network")
    return FAMILIES[key]


def is_tree(c: Candidate) -> bool:
    """Whether it is one tree: what boosting and bagging start from."""
    steps = [step for step in c.recipe.get("steps", []) if step.get("technique") == "base-model"]
    return bool(steps) and (steps[-1].get("params") or {}).get("kind", "tree") == "tree" and family_of(c).key == "single"
