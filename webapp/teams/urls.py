"""Home, the team page and its buttons, the door for invited people, and the two lamps for whoever watches the server."""

from django.urls import path

from webapp import health
from webapp.teams import views

urlpatterns = [
    path("", views.home, name="home"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("csp-report", health.csp_report, name="csp-report"),
    path("join/<str:token>", views.join, name="join"),
    path("teams/new", views.new_team, name="team-new"),
    path("t/<slug:team>/team/", views.team_page, name="team"),
    path("t/<slug:team>/team/rename", views.rename, name="team-rename"),
    path("t/<slug:team>/team/leave", views.leave, name="team-leave"),
    path("t/<slug:team>/team/invitations", views.invite, name="team-invite"),
    path("t/<slug:team>/team/invitations/<int:invitation>/withdraw", views.withdraw, name="team-withdraw"),
    path("t/<slug:team>/team/members/<int:user>/role", views.change_role, name="team-role"),
    path("t/<slug:team>/team/members/<int:user>/remove", views.remove, name="team-remove"),
    path("t/<slug:team>/team/tokens", views.issue_token, name="token-issue"),
    path("t/<slug:team>/team/tokens/<uuid:token>/revoke", views.revoke_token, name="token-revoke"),
]
