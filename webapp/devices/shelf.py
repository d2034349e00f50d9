"""Every device a team can choose: the catalogue first, then its own boards."""

from optimizers.device import Device, catalogue
from webapp.devices.models import TeamDevice
from webapp.teams.models import Team


def shelf(team: Team) -> dict[str, Device]:
    """Device by name, in the order of the catalogue file; the team's own follow by name."""
    own = {row.name: row.device() for row in TeamDevice.objects.filter(team=team).order_by("name")}
    return catalogue() | own


def own_names(team: Team) -> set[str]:
    return set(TeamDevice.objects.filter(team=team).values_list("name", flat=True))


KINDS = {  # kind -> (chip, words)
    "microcontroller": "Microcontroller",
    "board": "Board",
    "gpu": "GPU",
    "laptop": "Laptop",
    "cloud": "Cloud",
    "server": "This server",
}


def kinds_of(devices: dict[str, Device]) -> list[tuple[str, str]]:
    """The kinds that occur, in a fixed order, with their words: what the filter chips offer."""
    present = {device.kind for device in devices.values()}
    return [(kind, words) for kind, words in KINDS.items() if kind in present]
