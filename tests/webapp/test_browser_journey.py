"""The whole way in a browser, with the real web server and a real worker: sign up, upload, fit, watch, download."""

import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.webapp.browser import browser, visit

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def house(process_env, tmp_path) -> Iterator[str]:
    """A web server and a worker on the test's database; the address of the first."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (tmp_path / "house.log").open("wb")
    commands = (["uvicorn", "webapp.asgi:application", "--port", str(port), "--lifespan", "off", "--log-level", "warning"],
                ["celery", "-A", "jobs.celery", "worker", "-c", "1", "-l", "warning", "--without-gossip", "--without-mingle"])
    children = [subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=process_env, stdout=log, stderr=log)
                for command in commands]
    base = f"http://127.0.0.1:{port}"
    try:
        wait_for(base + "/healthz", children, tmp_path / "house.log")
        yield base
    finally:
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(40)
            except subprocess.TimeoutExpired:
                child.kill()
        log.close()


def wait_for(url: str, children: list, log: Path) -> None:
    for _ in range(300):
        assert all(child.poll() is None for child in children), log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text()[-3000:])


@pytest.fixture
def digits(tmp_path) -> Path:
    path = tmp_path / "digits.npz"
    subprocess.run([sys.executable, "-m", "optimizers.data.examples", "digits", str(path)], check=True, cwd=ROOT)
    return path


@pytest.fixture
def network(tmp_path) -> Path:
    """A small untrained ONNX network for 8 x 8 digits; a child makes it, so that this process keeps torch out."""
    path = tmp_path / "small.onnx"
    code = ("import sys, torch\n"
            "net = torch.nn.Sequential(torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(16, 16, 3, padding=1),\n"
            "    torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(256, 10)).eval()\n"
            "batch = torch.export.Dim('batch')\n"
            "torch.onnx.export(net, (torch.zeros(2, 1, 8, 8),), sys.argv[1], dynamo=True, dynamic_shapes=({0: batch},),\n"
            "    external_data=False)\n")
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, cwd=ROOT, capture_output=True)
    return path


def sign_up(page) -> None:
    page.goto("/accounts/signup/")
    page.get_by_label("Email").fill("alice@example.org")
    page.get_by_label("Password").fill("pears-on-wires-7")
    page.get_by_role("button", name="Sign up").click()
    page.get_by_text("Nothing planted yet.").wait_for()


def drop(page, path: Path) -> None:
    """Drop a file on the page, as a hand would."""
    page.evaluate("""([name, bytes]) => {
        const carried = new DataTransfer();
        carried.items.add(new File([Uint8Array.from(bytes)], name));
        for (const kind of ["dragenter", "dragover", "drop"])
            document.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: carried}));
    }""", [path.name, list(path.read_bytes())])


def test_from_sign_up_to_the_file_that_runs(house, digits, network):
    with browser() as chromium, visit(chromium, house) as page:
        page.set_default_timeout(60_000)
        sign_up(page)
        page.get_by_role("link", name="Upload your own").click()
        for path in (digits, network):
            drop(page, path)
            page.locator("#uploads").get_by_role("link", name="Open it").nth(0 if path is digits else 1).wait_for()
        page.locator("#uploads").get_by_role("link", name="Open it").nth(1).click()
        page.locator("#asset-pane").get_by_text("Parameters", exact=True).first.wait_for()
        page.get_by_role("link", name="Fit to a device").click()
        page.get_by_text("They match").wait_for()
        page.get_by_label("Stop after").fill("1")
        page.get_by_text("Choose techniques").click()
        page.get_by_label("Technique or chain to add").select_option("fine-tune")
        page.get_by_role("button", name="Add step").click()
        page.locator(".step-card").wait_for()
        page.get_by_label("Epochs").first.fill("2")
        page.get_by_label("Technique or chain to add").select_option("quantize-static")
        page.get_by_role("button", name="Add step").click()
        page.locator(".step-card").nth(1).wait_for()
        page.get_by_role("button", name="Start job").click()
        page.wait_for_url("**/jobs/*")
        page.get_by_role("heading", name=re.compile("fits|worse|smaller", re.I)).first.wait_for(timeout=180_000)
        with page.expect_download() as coming:
            page.locator("a[href*='/d/'], a[href*='/files/']").filter(has_text="ONNX").first.click()
        assert Path(coming.value.path()).read_bytes()[:1] == b"\x08", "an ONNX file begins with its IR version"


def test_one_click_example_reaches_its_live_page(house):
    with browser() as chromium, visit(chromium, house) as page:
        page.set_default_timeout(60_000)
        sign_up(page)
        page.get_by_role("button", name="Run the digits example").click()
        page.wait_for_url("**/jobs/*")
        page.get_by_text("digits").first.wait_for()
