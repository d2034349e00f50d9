"""Uploads on their way in: what a resumable upload must remember between two PATCH requests."""

import uuid

from django.db import models


class Upload(models.Model):
    """A tus upload. `blob` grows by whole requests; finishing makes `asset` and starts its inspection."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey("teams.Team", models.CASCADE, related_name="uploads")
    kind = models.CharField(max_length=10)          # jobs.Asset.Kind
    name = models.CharField(max_length=120)
    filename = models.CharField(max_length=255)
    size = models.BigIntegerField()
    offset = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)    # what the client expects; checked when the last byte is in
    options = models.JSONField(default=dict)
    blob = models.ForeignKey("jobs.Blob", models.PROTECT)
    asset = models.ForeignKey("jobs.Asset", models.SET_NULL, null=True)
    created_by = models.ForeignKey("teams.User", models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    touched_at = models.DateTimeField(auto_now=True)
