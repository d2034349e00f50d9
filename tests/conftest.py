"""The test session's own Postgres and Valkey: real ones, in a temporary folder, started when the first test asks for the database.

DATABASE_URL and REDIS_URL, when set, are used instead. Settings are computed from ESPALIER_DATA without starting anything, so this file
only has to name the folder before Django looks; the servers follow when pytest-django makes its test database.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(tempfile.mkdtemp(prefix="espalier-test-"))
os.environ["ESPALIER_DATA"] = str(DATA)
os.environ["DJANGO_SETTINGS_MODULE"] = "webapp.settings"
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"        # a browser driven from a test leaves an event loop running in its thread


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


def pytest_configure() -> None:
    """Load the settings now: pytest-django sets Django up only when they are."""
    from django.conf import settings

    if DATA.resolve() != settings.DATA_DIR:
        raise pytest.UsageError("settings were loaded before this file could name the data folder of the tests")


def pytest_unconfigure() -> None:
    shutil.rmtree(DATA, ignore_errors=True)


@pytest.fixture(scope="session")
def servers() -> Iterator[None]:
    """A Postgres and a Valkey that live as long as the session (or the ones the environment names)."""
    from webapp.up import postgres, valkey
    from webapp.up.embedded import start

    with (DATA / "servers.log").open("ab") as log, ExitStack() as children:
        if not os.environ.get("DATABASE_URL"):
            children.callback(start(postgres.Postgres(DATA), postgres.START_S, log).stop)
        if not os.environ.get("REDIS_URL"):
            children.callback(start(valkey.Valkey(DATA), valkey.START_S, log).stop)
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(servers: None) -> None:
    """pytest-django asks for this before it makes the test database: the moment to have a server."""


@pytest.fixture
def process_env(servers: None, transactional_db: None) -> dict[str, str]:
    """Environment for a process of ours (worker, web) that must see the test database; needs committed rows, hence transactional_db."""
    from django.conf import settings
    from django.db import connection

    from webapp.up.places import database_url

    url = urlsplit(os.environ.get("DATABASE_URL") or database_url(DATA))
    test_url = urlunsplit(url._replace(path="/" + connection.settings_dict["NAME"]))
    return os.environ | {"DATABASE_URL": test_url, "REDIS_URL": settings.REDIS_URL}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout (or ESPALIER_SHARED); tests that need it are skipped without it."""
    folder = Path(os.environ.get("ESPALIER_SHARED") or ROOT.parent / "shared") / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set ESPALIER_SHARED")
    return folder
