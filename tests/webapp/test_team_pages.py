"""Dashboard, library, new job, devices and team: for the owner, a viewer and a stranger; empty, and with hostile names."""

import pytest
from django.test import Client

from tests.webapp.sample import Garden, plant

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


@pytest.fixture
def garden(db) -> Garden:
    return plant()


def as_(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def addresses(garden: Garden) -> list[str]:
    base = f"/t/{garden.team.slug}"
    return [f"{base}/", f"{base}/?view=mine", f"{base}/library/", f"{base}/library/?kind=dataset&q=fash", f"{base}/devices/",
            f"{base}/devices/rp2040", f"{base}/team/",
            *(f"{base}/library/{row.id}" for row in (garden.model, garden.dataset, garden.refused))]


def editing(garden: Garden) -> list[str]:
    base = f"/t/{garden.team.slug}"
    return [f"{base}/jobs/new", f"{base}/jobs/new?model={garden.model.id}&dataset={garden.dataset.id}&device=rp2040",
            f"{base}/jobs/new?from={garden.done.id}", f"{base}/devices/new"]


def test_the_owner_sees_every_page(garden):
    alice = as_(garden.alice)
    for address in addresses(garden) + editing(garden):
        page = alice.get(address)
        assert page.status_code == 200, address
        assert page.content.count(b"<h1") == 1, address


def test_a_viewer_reads_but_gets_no_button_that_does_nothing(garden):
    bob = as_(garden.bob)
    for address in addresses(garden):
        page = bob.get(address).content.decode()
        assert "New job</a>" not in page, address
        assert "asset-delete" not in page, address
        assert "data-choose-files" not in page, address
    for address in editing(garden):
        assert bob.get(address).status_code == 403, address


def test_a_stranger_finds_nothing(garden):
    carol = as_(garden.carol)
    for address in addresses(garden) + editing(garden):
        assert carol.get(address).status_code == 404, address


def test_another_teams_ids_read_like_none(garden):
    """A job form that names somebody else's model says what it says for an id that never was."""
    carol = as_(garden.carol)
    for wanted in (garden.model.id, "00000000-0000-4000-8000-000000000000", "no-id"):
        page = carol.get(f"/t/{garden.empty.slug}/jobs/new?model={wanted}")
        assert page.status_code == 200
        assert "There is no such model in this team." in page.content.decode()
        assert garden.model.name not in page.content.decode()


def test_an_empty_team_gets_the_tree_and_one_click(garden):
    page = as_(garden.carol).get(f"/t/{garden.empty.slug}/").content.decode()
    assert "Nothing planted yet." in page
    assert page.count("/examples/digits/start") == 2
    assert "class=\"tree\"" in page


def test_hostile_names_are_only_text(garden):
    garden.model.name = HOSTILE
    garden.model.card |= {"operators": {HOSTILE: 1}, "problems": [{"severity": "warn", "wrong": HOSTILE, "where": HOSTILE}]}
    garden.model.save()
    garden.dataset.card |= {"classes": [HOSTILE] * 10, "preview": ["data:text/html,<script>alert(3)</script>", f'["{"x"}"]'],
                            "preview_labels": [HOSTILE]}
    garden.dataset.save()
    garden.team.name = HOSTILE[:80]
    garden.team.save()
    alice = as_(garden.alice)
    for address in addresses(garden) + editing(garden):
        page = alice.get(address).content.decode()
        assert "<script>alert" not in page, address
        assert "<img src=x" not in page, address
        assert "data:text/html" not in page, address


def test_the_dashboard_tells_what_ran_and_what_needs_somebody(garden):
    page = as_(garden.alice).get(f"/t/{garden.team.slug}/").content.decode()
    assert "Waiting for a worker" in page               # the queued job
    assert "Fine-tuning after pruning" in page          # the running one's note
    assert "38.2" in page                               # size of the recommended candidate
    assert "[−0.7, −0.1]" in page
    assert "was refused." in page
    assert "none fits" in page


def test_mine_shows_only_mine(garden):
    garden.team.memberships.filter(user=garden.bob).update(role="editor")
    page = as_(garden.bob).get(f"/t/{garden.team.slug}/?view=mine").content.decode()
    assert "Nothing runs." in page
    assert "fit-0209" not in page


def test_what_a_job_uses_is_not_deleted(garden):
    alice = as_(garden.alice)
    page = alice.post(f"/t/{garden.team.slug}/library/{garden.model.id}/delete", follow=True).content.decode()
    assert "was not deleted" in page
    garden.model.refresh_from_db()
    gone = alice.post(f"/t/{garden.team.slug}/library/{garden.refused.id}/delete", follow=True).content.decode()
    assert "was deleted." in gone
    assert not type(garden.refused).objects.filter(pk=garden.refused.pk).exists()


def test_a_table_is_inspected_again_with_another_target(garden):
    from jobs.models import Asset, Job

    data = garden.dataset
    table = Asset.objects.create(team=garden.team, kind="dataset", name="homes", filename="homes.csv", blob=data.blob, state="ready",
                                 created_by=garden.alice, card=data.card | {
                                     "kind": "table", "target": "price",
                                     "columns": [{"name": "rooms", "type": "number"}, {"name": "price", "type": "number"}]})
    alice, address = as_(garden.alice), f"/t/{garden.team.slug}/library/{table.id}/again"
    assert "no column of that name" in alice.post(address, {"target": "nothing"}, follow=True).content.decode()
    assert alice.post(address, {"target": "rooms"}).status_code == 302
    fresh = Asset.objects.get(name="homes")
    assert fresh.options == {"target": "rooms"}
    assert fresh.state == "inspecting"
    assert Job.objects.filter(asset=fresh, kind="inspect").count() == 1


def test_the_columns_of_a_table_are_drawn_and_can_be_corrected(garden):
    from jobs.models import Asset
    from tests.webapp import sample

    table = sample.table(garden)
    alice, address = as_(garden.alice), f"/t/{garden.team.slug}/library/{table.id}"
    page = alice.get(address).content.decode()
    assert page.count('<svg class="spark') == 7             # house and note never repeat
    assert page.count('class="hole"') >= 24
    assert "Remove the dots" in page
    assert '<option value="category" selected>category</option>' in page
    assert "type-0" not in as_(garden.bob).get(address).content.decode()
    form = {"columns": "9", "target": "class", "task": "", "split": "time", "split_by": "moved_in", "validation": "test",
            "strip_labels": "0",
            "type-6": "text", "drop-7": "on"}
    assert alice.post(f"{address}/again", form).status_code == 302
    fresh = Asset.objects.get(name="Heating costs")
    assert fresh.options == {"target": "class", "types": {"note": "text"}, "drop": ["billed_eur"], "split": "time", "split_by": "moved_in"}


def test_one_click_removes_the_dots_and_keeps_what_was_said(garden):
    from jobs.models import Asset
    from tests.webapp import sample

    table = sample.table(garden)
    as_(garden.alice).post(f"/t/{garden.team.slug}/library/{table.id}/again", {"strip_labels": "1"})
    fresh = Asset.objects.get(name="Heating costs")
    assert fresh.options == {"types": {"postcode": "category"}, "strip_labels": True}
    Asset.objects.filter(pk=fresh.pk).update(state="rejected", refusal={"wrong": "No.", "where": "", "mend": "Yes.", "code": "no"})
    page = as_(garden.alice).get(f"/t/{garden.team.slug}/library/{fresh.id}").content.decode()
    assert "Inspect again as it was found" in page
    as_(garden.alice).post(f"/t/{garden.team.slug}/library/{fresh.id}/again", {"reset": "1"})
    assert Asset.objects.get(name="Heating costs").options == {}


def test_a_large_inspection_shows_how_far_it_is(garden):
    from tests.webapp import sample

    row = sample.inspecting(garden)
    page = as_(garden.alice).get(f"/t/{garden.team.slug}/library/{row.id}").content.decode()
    assert '<progress class="inspection" value="0.430"' in page
    assert "8,610,000 rows" in page


def test_the_account_pages_wear_our_clothes(garden):
    for address in ("/accounts/login/", "/accounts/signup/"):
        page = Client().get(address).content.decode()
        assert "css/espalier.css" in page
        assert "<h1>Sign" in page
    page = as_(garden.alice).get("/accounts/password/change/").content.decode()
    assert "Another password" in page
    wrong = Client().post("/accounts/login/", {"login": "alice@example.org", "password": "not it"}).content.decode()
    assert "callout-bad" in wrong


def test_an_error_page_is_in_the_house_look(garden):
    page = as_(garden.alice).get("/t/nobody/")
    assert page.status_code == 404
    assert "css/espalier.css" in page.content.decode()
