"""Every address of the house. Each app lists its own, written whole from the root ("t/<slug:team>/jobs/"), without a namespace."""

from django.urls import include, path

from webapp.api.urls import api_urls

urlpatterns = [
    path("accounts/", include("webapp.teams.account_urls")),
    path("", include("webapp.teams.urls")),
    path("", include("webapp.library.urls")),
    path("", include("webapp.library.download_urls")),
    path("", include("webapp.studio.urls")),
    path("", include("webapp.devices.urls")),
    path("api/v1/", api_urls),
]

handler400 = "webapp.faults.bad_request"
handler403 = "webapp.faults.forbidden"
handler404 = "webapp.faults.not_found"
handler500 = "webapp.faults.broken"
