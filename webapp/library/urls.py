"""Addresses, written whole from the root: path("t/<slug:team>/...", view, name=...)."""

from django.urls import path

from webapp.library import views

urlpatterns = [
    path("t/<slug:team>/library/", views.library, name="library"),
    path("t/<slug:team>/library/<uuid:asset>", views.asset, name="asset"),
    path("t/<slug:team>/library/<uuid:asset>/delete", views.asset_delete, name="asset-delete"),
    path("t/<slug:team>/library/<uuid:asset>/again", views.asset_again, name="asset-again"),
]
