"""What the documents say is so: the table of techniques, the links, the settings, the commands."""

import re
from pathlib import Path

import pytest

from optimizers.catalogue import TECHNIQUES
from optimizers.chains import CHAINS
from optimizers.device import catalogue

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("client/*.md")])
NUMBERS = {21: "twenty-one", 22: "twenty-two", 23: "twenty-three", 24: "twenty-four", 25: "twenty-five"}


def test_the_readme_names_every_technique_as_the_catalogue_does():
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    wanted = [(one.name, one.title, one.family, " or ".join(one.takes), one.gives) for one in TECHNIQUES.values()]
    assert rows == wanted


def test_the_page_of_recipes_names_every_technique_and_every_chain():
    page = (ROOT / "docs/recipes.md").read_text()
    techniques = page.split("## The techniques")[1].split("\n## ")[0]
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", techniques, re.MULTILINE) == list(TECHNIQUES)
    chains = page.split("## Chains by name")[1].split("\n## ")[0]
    wanted = [f"| {one.title} | {', '.join(f'`{name}`' for name, _ in one.steps)} | {one.why} |" for one in CHAINS.values()]
    assert [row for row in chains.splitlines() if row.startswith("|")][2:] == wanted


def test_the_readme_counts_the_devices():
    count = len(catalogue())
    assert f"{NUMBERS.get(count, count)} boards" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_map_names_folders_that_exist():
    block = (ROOT / "README.md").read_text().split("## The map")[1].split("Arrows go down")[0]
    names = re.findall(r"^    ([a-z]+)/", block, re.MULTILINE)
    assert len(names) >= 8
    assert [name for name in names if not (ROOT / name).is_dir()] == []


def test_every_setting_is_documented():
    read = set(re.findall(r'env\.\w+\("([A-Z_]+)"', (ROOT / "webapp/settings.py").read_text()))
    told = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs/operate.md").read_text()))
    assert read <= told


def test_no_page_names_a_machine_or_a_registry():
    for page in PAGES:
        text = page.read_text("utf-8")
        assert not re.search(r"(pypi|files\.pythonhosted|download\.pytorch|registry\.npmjs)\.?\w*\.(org|com)|/root/\.", text), page
