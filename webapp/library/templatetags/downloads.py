"""{% load downloads %} ... href="{% artifact_url artifact %}": a signed link for whoever looks at the page."""

from typing import Any

from django import template

from jobs.models import Artifact, Asset
from webapp.library.downloads import artifact_link, asset_link

register = template.Library()


@register.simple_tag(takes_context=True)
def artifact_url(context: dict[str, Any], artifact: Artifact) -> str:
    return artifact_link(artifact, context["request"].user)


@register.simple_tag(takes_context=True)
def asset_url(context: dict[str, Any], asset: Asset) -> str:
    return asset_link(asset, context["request"].user)
