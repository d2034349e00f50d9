"""The catalogue page, one device with its sources, and the team's own boards."""

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from webapp.devices.forms import RATES, RUNTIMES, DeviceForm
from webapp.devices.models import TeamDevice
from webapp.devices.shelf import KINDS, kinds_of, own_names, shelf
from webapp.teams.gate import team_view
from webapp.teams.models import Role


@require_safe
@team_view(Role.VIEWER)
def devices(request, team):
    everything = shelf(team)
    kind = request.GET.get("kind", "")
    shown = [device for device in everything.values() if kind in ("", device.kind)]
    return render(request, "devices/devices.html", {
        "devices": shown, "kinds": kinds_of(everything), "kind": kind, "own": own_names(team), "total": len(everything)})


@require_safe
@team_view(Role.VIEWER)
def device(request, team, name):
    found = shelf(team).get(name)
    if found is None:
        raise Http404
    return render(request, "devices/device.html", {
        "device": found, "facts": facts(found), "own": name in own_names(team), "kind": KINDS[found.kind],
        "runtimes": [RUNTIMES.get(runtime, runtime) for runtime in found.runtimes]})


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(Role.EDITOR)
def device_new(request, team):
    form = DeviceForm(request.POST or None, team=team)
    if request.method == "POST" and form.is_valid():
        TeamDevice.objects.create(team=team, name=form.device.name, data=form.device.model_dump(mode="json"), created_by=request.user)
        messages.info(request, f"{form.device.title} stands in your catalogue.")
        return redirect("device", team=team.slug, name=form.device.name)
    return render(request, "devices/edit.html", {"form": form}, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(Role.EDITOR)
def device_edit(request, team, name):
    row = get_object_or_404(TeamDevice, team=team, name=name)
    form = DeviceForm(request.POST or None, team=team, editing=row)
    if request.method == "POST" and form.is_valid():
        row.data = form.device.model_dump(mode="json")
        row.save(update_fields=["data"])
        messages.info(request, f"{form.device.title} was changed. Jobs keep the device as it was when they were started.")
        return redirect("device", team=team.slug, name=name)
    return render(request, "devices/edit.html", {"form": form, "editing": row.device()}, status=422 if form.errors else 200)


@require_POST
@team_view(Role.EDITOR)
def device_delete(request, team, name):
    row = get_object_or_404(TeamDevice, team=team, name=name)
    title = row.device().title
    row.delete()        # jobs hold their own copy of the device, so none of them loses anything
    messages.info(request, f"{title} was deleted. Jobs that used it keep their copy.")
    return redirect("devices", team=team.slug)


def facts(device) -> list[tuple[str, object]]:
    """(label, Fact) of every figure the device has, in reading order."""
    rows = [("Clock", device.clock_mhz), ("Flash", device.flash_kib), ("RAM", device.ram_kib), ("Power while computing", device.active_mw)]
    rows += [(RATES.get(dtype, f"MACs per cycle, {dtype}"), rate) for dtype, rate in device.macs_per_cycle.items()]
    return [(label, fact) for label, fact in rows if fact is not None]
