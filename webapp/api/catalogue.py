"""/devices, /techniques and /plans: what there is to choose from, and what would come of a choice."""

from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest
from ninja import Router, Status

from jobs.submit import fed
from optimizers.catalogue import TECHNIQUES
from optimizers.chains import CHAINS
from optimizers.device import Device
from optimizers.search.dry_run import DryRun, dry_run
from webapp.api import wishes
from webapp.api.auth import READ, RUN
from webapp.api.declared import refusals
from webapp.api.once import once
from webapp.api.problems import Fault
from webapp.api.schemas import ChainOut, DeviceOut, TechniqueOut, Wish
from webapp.devices.lookup import every
from webapp.devices.models import TeamDevice
from webapp.teams import gate

router = Router(tags=["catalogue"])


@router.get("/devices", response={200: list[DeviceOut]} | refusals(), auth=READ)
def devices(request: HttpRequest) -> Any:
    """The team's own devices, then the catalogue; each figure with its unit and source."""
    own = set(gate.devices(request.team).values_list("name", flat=True))
    return [shown(device, device.name in own) for device in every(request.team)]


@router.post("/devices", response={201: DeviceOut} | refusals(409, 413), auth=RUN)
@once
def create_device(request: HttpRequest, device: Device) -> Any:
    """Describe a device of your own. `here` is for this server alone and is not taken."""
    if device.here:
        raise Fault(422, "Only the catalogue's own entry stands for this server.", where="body.here", hint="Leave it out.")
    if not device.name.replace("-", "").replace("_", "").isalnum() or not device.name.isascii() or len(device.name) > 60:
        raise Fault(422, "A device's name is made of up to 60 letters, digits, - and _.", where="body.name",
                    hint="Put the rest into title.")
    try:
        with transaction.atomic():
            TeamDevice.objects.create(team=request.team, name=device.name, data=device.model_dump(mode="json"), created_by=request.user)
    except IntegrityError:
        raise Fault(409, f"The team has a device '{device.name}' already.", where="body.name", hint="Choose another name.") from None
    return Status(201, shown(device, True))


@router.get("/techniques", response={200: list[TechniqueOut]} | refusals(), auth=READ)
def techniques(request: HttpRequest) -> Any:
    """Everything a recipe can be made of."""
    return [TechniqueOut(name=one.name, title=one.title, family=one.family, takes=list(one.takes), gives=one.gives, needs=list(one.needs),
                         paper=one.paper, version=one.version, parameters=one.parameters()) for one in TECHNIQUES.values()]


@router.get("/chains", response={200: list[ChainOut]} | refusals(), auth=READ)
def chains(request: HttpRequest) -> Any:
    """Recipes that are known to work, by name; send one as `recipe` of a job as it is, or changed."""
    return [ChainOut(name=name, title=chain.title, why=chain.why, recipe=chain.recipe().dump()) for name, chain in CHAINS.items()]


@router.post("/plans", response={200: DryRun} | refusals(404, 409, 413), auth=READ)
def plan(request: HttpRequest, wish: Wish) -> Any:
    """A dry run: what would be tried, what cannot work and why, how long it would take. Nothing is stored."""
    asked = wishes.resolve(request.team, wish)
    return dry_run(asked.model_card, asked.dataset_card, asked.device, asked.goal, wish.budget, recipe=asked.recipe, seed=wish.seed,
                   preprocessing=fed(asked.model, asked.preprocessing))


def shown(device: Device, own: bool) -> DeviceOut:
    return DeviceOut(**device.model_dump(), own=own)
