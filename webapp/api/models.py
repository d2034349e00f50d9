"""What a POST with an Idempotency-Key was answered, so that the same key gets the same answer and no second row."""

from django.db import models


class Answer(models.Model):
    """status is null while the first request is still at work."""

    team = models.ForeignKey("teams.Team", models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64)       # of method, path and body: the key must not be used for something else
    status = models.IntegerField(null=True)
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "key"], name="one_answer_per_key")]
        indexes = [models.Index(fields=["created_at"])]

    def __str__(self) -> str:
        return f"{self.key}: {self.status or 'at work'}"
