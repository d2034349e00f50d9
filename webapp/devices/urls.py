from django.urls import path

from webapp.devices import views

urlpatterns = [
    path("t/<slug:team>/devices/", views.devices, name="devices"),
    path("t/<slug:team>/devices/new", views.device_new, name="device-new"),
    path("t/<slug:team>/devices/<slug:name>", views.device, name="device"),
    path("t/<slug:team>/devices/<slug:name>/edit", views.device_edit, name="device-edit"),
    path("t/<slug:team>/devices/<slug:name>/delete", views.device_delete, name="device-delete"),
]
