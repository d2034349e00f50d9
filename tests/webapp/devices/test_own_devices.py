"""A team's own board: through the form, into the catalogue, out again; and who may."""

import pytest

from tests.webapp.sample import plant
from tests.webapp.test_team_pages import as_
from webapp.devices.models import TeamDevice
from webapp.devices.shelf import shelf

BOARD = {"title": "Greenhouse Node", "core": "Cortex-M4F", "kind": "microcontroller", "isa": "armv7e-m", "cores": "1",
         "dtypes": ["int8", "float32"], "runtimes": ["c"], "clock_mhz": "80", "clock_mhz_source": "data sheet, page 3",
         "ram_kib": "96", "ram_kib_source": "data sheet, page 3"}


@pytest.fixture
def garden(db):
    return plant()


def test_added_shown_changed_and_deleted(garden):
    alice, base = as_(garden.alice), f"/t/{garden.team.slug}/devices"
    assert alice.post(f"{base}/new", BOARD).status_code == 302
    device = shelf(garden.team)["greenhouse-node"]
    assert (device.clock_mhz.value, device.clock_mhz.source, device.flash_kib) == (80, "data sheet, page 3", None)
    assert b"data sheet, page 3" in alice.get(f"{base}/greenhouse-node").content
    alice.post(f"{base}/greenhouse-node/edit", BOARD | {"clock_mhz": "120"})
    assert shelf(garden.team)["greenhouse-node"].clock_mhz.value == 120
    alice.post(f"{base}/greenhouse-node/delete")
    assert "greenhouse-node" not in shelf(garden.team)


@pytest.mark.parametrize(("change", "said"), [
    ({"clock_mhz_source": ""}, "Say where the figure comes from"),
    ({"title": "rp2040"}, "There is a device named rp2040 already"),
    ({"title": "!!!"}, "at least one letter or digit"),
    ({"clock_mhz": "-1"}, "greater than or equal to"),
    ({"dtypes": []}, "required"),
    ({"kind": "toaster"}, "not one of the available choices"),
])
def test_a_rumour_is_refused(garden, change, said):
    answer = as_(garden.alice).post(f"/t/{garden.team.slug}/devices/new", BOARD | change)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not TeamDevice.objects.exists()


def test_viewers_and_strangers_change_nothing(garden):
    as_(garden.alice).post(f"/t/{garden.team.slug}/devices/new", BOARD)
    for user, status in ((garden.bob, 403), (garden.carol, 404)):
        for path in ("new", "greenhouse-node/edit", "greenhouse-node/delete"):
            assert as_(user).post(f"/t/{garden.team.slug}/devices/{path}", BOARD).status_code == status
    assert as_(garden.carol).get(f"/t/{garden.empty.slug}/devices/greenhouse-node").status_code == 404
    assert TeamDevice.objects.get().device().title == "Greenhouse Node"
