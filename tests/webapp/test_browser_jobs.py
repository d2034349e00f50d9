"""The pages of jobs in a real browser: axe, phone width, no outside request, no CSP report; and that they answer to the hand."""

import re

import pytest

from jobs.models import Job
from tests.webapp.browser import axe, browser, too_wide, visit
from tests.webapp.sample import faithful, plant
from tests.webapp.test_team_pages import as_

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def garden(transactional_db):
    return plant()


def session(user) -> str:
    return as_(user).cookies["sessionid"].value


def path(garden, job: Job) -> str:
    return f"/t/{garden.team.slug}/jobs/{job.pk}"


@pytest.mark.parametrize("manner", ["light", "dark", "phone"])
def test_no_page_of_a_job_has_anything_axe_can_find(live_server, garden, manner):
    jobs = [garden.done, garden.running, garden.queued, garden.failed, garden.broken, garden.stopped, garden.barren]
    paths = [f"/t/{garden.team.slug}/jobs/", *(path(garden, job) for job in jobs)]
    manners = {"dark": manner == "dark", "phone": manner == "phone"}
    with browser() as chromium, visit(chromium, live_server.url, session=session(garden.alice), **manners) as page:
        found = {}
        for address in paths:
            page.goto(address)
            found[address] = axe(page) + ([f"{too_wide(page)} px too wide"] if too_wide(page) > 0 else [])
        assert {address: faults for address, faults in found.items() if faults} == {}


def test_a_click_pins_a_candidate_and_the_axis_can_be_switched(live_server, garden):
    with browser() as chromium, visit(chromium, live_server.url, session=session(garden.alice)) as page:
        page.goto(path(garden, garden.done))
        assert page.locator("#front svg").count() == 1
        assert "budget 64" in page.locator("#front").text_content()
        page.get_by_role("button", name="File size", exact=True).click()
        assert "file size, KiB (log scale)" in page.locator("#front").text_content()
        assert "budget 64" not in page.locator("#front").text_content()
        row = page.locator(".candidates tbody tr", has_text="fp16")
        row.get_by_role("link", name="fp16", exact=True).click()
        page.locator("#picked h2", has_text="fp16").wait_for()
        assert "pick=" in page.url
        assert "is-pinned" in row.get_attribute("class")
        page.get_by_role("button", name=re.compile("^Fits")).click()
        assert page.locator(".candidates tbody tr:visible").count() == 3
        page.get_by_role("button", name=re.compile("^All")).click()
        page.locator(".candidates th button", has_text="Change").click()
        page.locator(".candidates th button", has_text="Change").click()
        assert "prune 70" in page.locator(".candidates tbody tr").first.inner_text()


def test_a_point_of_the_chart_is_a_link_to_its_candidate(live_server, garden):
    with browser() as chromium, visit(chromium, live_server.url, session=session(garden.alice)) as page:
        page.goto(path(garden, garden.done))
        place = page.evaluate("""() => {
            const box = document.getElementById("front"), made = echarts.getInstanceByDom(box), rect = box.getBoundingClientRect();
            const point = box.data.points.find((one) => one.title === "int8");
            const [x, y] = made.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [point.x[box.axis], point.y]);
            return [rect.x + x, rect.y + y];
        }""")
        page.mouse.click(*place)
        page.locator("#picked h2", has_text=re.compile("^int8$")).wait_for()


def test_a_running_job_moves_without_a_hand_and_ends_on_its_result(live_server, garden):
    """The test server speaks WSGI, so hints over SSE may not come: what is proved here is the way of the polling page."""
    with browser() as chromium, visit(chromium, live_server.url, session=session(garden.alice)) as page:
        page.goto(path(garden, garden.running))
        page.get_by_role("button", name="Warnings").click()
        assert page.locator("#log-lines li:visible").count() == 1
        Job.objects.filter(pk=garden.running.pk).update(progress=0.8, eta_seconds=120, note="Measuring")
        page.evaluate("htmx.trigger('#live', 'changed')")
        page.get_by_text("About 2 minutes left. One candidate fits already.").first.wait_for()
        assert page.locator("#log-lines li:visible").count() == 1, "the choice of lines outlives the swap"
        assert page.locator("#front svg").count() == 1
        Job.objects.filter(pk=garden.running.pk).update(state=Job.State.SUCCEEDED, result={"type": "done", "verdict": "It fits."})
        page.evaluate("htmx.trigger('#live', 'changed')")
        page.get_by_role("heading", name="It fits.").wait_for()


def test_keys_and_colours(live_server, garden):
    with browser() as chromium, visit(chromium, live_server.url, session=session(garden.alice)) as page:
        page.goto(f"/t/{garden.team.slug}/jobs/")
        page.keyboard.press("?")
        assert page.get_by_role("dialog").is_visible()
        page.keyboard.press("Escape")
        assert not page.get_by_role("dialog").is_visible()
        page.keyboard.press("j")
        page.keyboard.press("j")
        assert page.evaluate("document.activeElement.getAttribute('href')") == path(garden, garden.stopped)
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.name") == "q"
        page.keyboard.press("Escape")
        page.get_by_role("button", name=re.compile("^Colours")).first.click()
        page.get_by_role("button", name=re.compile("^Colours")).first.click()
        assert page.locator("html").get_attribute("data-theme") == "dark"
        page.reload()
        assert page.locator("html").get_attribute("data-theme") == "dark"


def test_a_long_table_of_layers_unfolds_by_key_and_on_paper(live_server, garden):
    job = faithful(garden)
    with browser() as chromium, visit(chromium, live_server.url, session=session(garden.alice)) as page:
        page.goto(path(garden, job))
        quiet = page.locator("#fidelity details.rest .noise-row").first
        assert not quiet.is_visible()
        page.locator("#fidelity details.rest > summary").focus()
        page.keyboard.press("Enter")
        assert quiet.is_visible()
        page.keyboard.press("Enter")
        assert not quiet.is_visible()
        page.emulate_media(media="print")
        assert quiet.is_visible(), "paper cannot be unfolded"
