"""A device by its name: the team's own first, then the catalogue."""

from optimizers.device import Device, catalogue
from optimizers.errors import OptimizerError
from webapp.teams.gate import devices
from webapp.teams.models import Team


def find(team: Team, name: str) -> Device:
    """Raises OptimizerError when the team has no such device and the catalogue neither."""
    own = devices(team).filter(name=name).first() if len(name) <= 60 and name.isprintable() else None
    found = own.device() if own else catalogue().get(name)
    if found is None:
        raise OptimizerError(f"There is no device {name[:60]!r}.", "device", "GET /devices lists what there is.", "unknown-device")
    return found


def every(team: Team) -> list[Device]:
    """The team's own devices, then the catalogue without those the team has its own of."""
    own = [row.device() for row in devices(team).order_by("name")]
    names = {device.name for device in own}
    return own + [device for name, device in catalogue().items() if name not in names]
