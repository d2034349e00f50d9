"""Devices that a team described itself, beside the catalogue."""

from django.db import models

from optimizers.device import Device


class TeamDevice(models.Model):
    team = models.ForeignKey("teams.Team", models.CASCADE, related_name="devices")
    name = models.SlugField(max_length=60)
    data = models.JSONField()       # an optimizers.device.Device, dumped
    created_by = models.ForeignKey("teams.User", models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="one_device_per_name")]

    def device(self) -> Device:
        return Device.model_validate(self.data)
