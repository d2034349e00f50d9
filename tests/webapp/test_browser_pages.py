"""Every page of ours in a real browser: axe in light and dark, phone width, no request that leaves the machine, no CSP report."""

import pytest

from tests.webapp.browser import axe, browser, too_wide, visit
from tests.webapp.sample import plant
from tests.webapp.test_team_pages import addresses, as_, editing

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def garden(transactional_db):
    return plant()


def session(user) -> str:
    return as_(user).cookies["sessionid"].value


@pytest.mark.parametrize("manner", ["light", "dark", "phone"])
def test_no_page_has_anything_axe_can_find(live_server, garden, manner):
    ours = [*addresses(garden), *editing(garden)]
    with browser() as chromium:
        with visit(chromium, live_server.url, session=session(garden.alice), dark=manner == "dark", phone=manner == "phone") as page:
            found = {}
            for address in ours:
                page.goto(address)
                found[address] = axe(page) + ([f"{too_wide(page)} px too wide"] if too_wide(page) else [])
            assert {address: faults for address, faults in found.items() if faults} == {}
        with visit(chromium, live_server.url, dark=manner == "dark", phone=manner == "phone") as page:
            for address in ("/accounts/login/", "/accounts/signup/", "/nowhere"):
                page.goto(address)
                assert axe(page) == []
                assert too_wide(page) <= 0
        with visit(chromium, live_server.url, session=session(garden.carol), dark=manner == "dark", phone=manner == "phone") as page:
            page.goto(f"/t/{garden.empty.slug}/")
            assert axe(page) == []
            assert too_wide(page) <= 0


def test_the_new_job_page_follows_the_hand(live_server, garden):
    """Slider and box say the same; a new device redraws the limits; steps come and go; the dry run is asked again each time."""
    with browser() as chromium, visit(chromium, live_server.url, session=session(garden.alice)) as page:
        page.goto(f"/t/{garden.team.slug}/jobs/new?model={garden.model.id}&dataset={garden.dataset.id}&device=stm32h743")
        with page.expect_response("**/jobs/plan") as planned:
            page.get_by_label("Flash in KiB").fill("64")
        assert planned.value.ok
        assert page.get_by_role("switch", name="Flash").is_checked()
        assert page.get_by_label("Flash limit").get_attribute("aria-valuetext") == "64 KiB"
        page.get_by_label("Flash limit").focus()
        page.keyboard.press("ArrowLeft")
        assert float(page.get_by_label("Flash in KiB").input_value()) < 64
        page.get_by_text("Microcontroller", exact=True).click()
        assert not page.locator(".device-card[data-kind=server]").is_visible()
        with page.expect_response("**/jobs/new"):
            page.locator(".device-card", has_text="RP2040").click()
        page.locator("#limits", has_text="264").wait_for()
        assert page.get_by_label("Flash in KiB").input_value() != "", "what was typed stays"
        page.get_by_text("Choose techniques").click()
        page.get_by_label("Technique or chain to add").select_option("train")
        page.get_by_role("button", name="Add step").click()
        page.locator(".step-card").wait_for()
        page.get_by_role("button", name="Remove: ").click()
        page.locator(".step-card").wait_for(state="detached")


def test_files_are_dropped_and_refused_with_words(live_server, garden):
    """A pickle is refused by its name; a dataset goes through tus and stands in the list as inspecting."""
    with browser() as chromium, visit(chromium, live_server.url, session=session(garden.alice)) as page:
        page.goto(f"/t/{garden.team.slug}/library/")
        page.locator("#drop-zone input[type=file]").set_input_files([
            {"name": "net.pkl", "mimeType": "application/octet-stream", "buffer": b"\x80\x04."},
            {"name": "rows.csv", "mimeType": "text/csv", "buffer": b"a,b\n1,2\n" * 1000}])
        page.locator("#uploads", has_text="A pickle is a program").wait_for()
        page.locator("#uploads", has_text="being inspected").wait_for()
        page.locator("#asset-list", has_text="rows").locator(".tag", has_text="inspecting").wait_for()


def test_an_upload_goes_on_after_a_lost_line_and_after_a_reload(live_server, garden, tmp_path):
    """20 MB in pieces of 8: the line breaks in the second one; after a reload it goes on when the file is chosen again."""
    path = tmp_path / "long.csv"
    path.write_bytes(b"a,b,c\n" + b"1,2,3\n" * 3_500_000)
    sent, broken = [], [True]

    def line(route, request):
        if request.method == "PATCH" and int(request.headers["upload-offset"]) > 0 and broken[0]:
            return route.abort("connectionfailed")
        if request.method == "PATCH":
            sent.append(int(request.headers["upload-offset"]))
        return route.continue_()

    with browser() as chromium, visit(chromium, live_server.url, session=session(garden.alice)) as page:
        page.route("**/api/v1/uploads/*", line)
        page.goto(f"/t/{garden.team.slug}/library/")
        page.locator("#drop-zone input[type=file]").set_input_files(path)
        page.locator("#uploads", has_text="The connection is lost").wait_for()
        page.goto(f"/t/{garden.team.slug}/library/")
        page.locator("#uploads", has_text="was not finished").wait_for()
        broken[0] = False
        page.locator("#drop-zone input[type=file]").set_input_files(path)
        page.locator("#uploads", has_text="being inspected").wait_for()
        assert sent.count(0) == 1, "no byte of the first piece goes twice"
        page.faults[:] = [fault for fault in page.faults if "ERR_CONNECTION_FAILED" not in fault]
    assert garden.team.assets.get(filename="long.csv").blob.size == path.stat().st_size
