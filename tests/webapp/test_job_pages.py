"""Pages of jobs through the test client: each state has its page, strangers see none, viewers change nothing, files leave neutralised."""

import csv
import io
import re

import pytest
from django.test import Client
from django.urls import reverse

from jobs.models import Artifact, Candidate, Job
from optimizers.candidate import Candidate as Shown
from tests.webapp.sample import plant

pytestmark = pytest.mark.django_db


@pytest.fixture
def garden():
    return plant()


def as_(user) -> Client:
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def address(garden, name: str, job: Job, *more) -> str:
    return reverse(name, args=[garden.team.slug, job.pk, *more])


def text_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.content[:300]
    return answer.content.decode()


@pytest.mark.parametrize(("job", "words"), [
    ("done", "It fits. 8.2 times smaller, 0.4 points lost."), ("running", "About 11 minutes left. One candidate fits already."),
    ("queued", "Waiting for a worker; next in line."), ("failed", "Resize with mode &quot;cubic&quot; has no integer form."),
    ("broken", "Our fault, not yours."), ("stopped", "Stopped."), ("barren", "Nothing fits.")])
def test_each_state_opens_with_its_sentence(garden, job, words):
    assert words in text_of(as_(garden.bob), address(garden, "job", getattr(garden, job)))


def test_the_result_counts_without_the_original(garden):
    page = text_of(as_(garden.bob), address(garden, "job", garden.done))
    rows = [Shown.model_validate(row.data) for row in garden.done.candidates.all()]
    made, fits = sum(not row.baseline for row in rows), sum(row.fits and not row.baseline for row in rows)
    assert f"Of {made} made from the original, {fits} fit." in page
    assert f"All {made} and the original</button>" in page and f"{made} candidates in " in page


def test_a_stranger_finds_no_page_of_a_job(garden):
    carol = as_(garden.carol)
    artifact = garden.done.artifacts.first()
    paths = [address(garden, name, garden.done) for name in ("job", "job-live", "job-events", "job-log", "job-csv")]
    paths += [address(garden, "job-file", garden.done, artifact.pk), reverse("jobs", args=[garden.team.slug]),
              reverse("job", args=[garden.empty.slug, garden.done.pk])]
    assert {path: carol.get(path).status_code for path in paths} == dict.fromkeys(paths, 404)
    for name in ("job-cancel", "job-replay"):
        assert carol.post(address(garden, name, garden.running)).status_code == 404


def test_a_viewer_may_look_and_not_touch(garden):
    bob = as_(garden.bob)
    page = text_of(bob, address(garden, "job", garden.running))
    assert "Stop and keep" not in page.split("<main")[1].split("id=\"live\"")[0]
    assert bob.post(address(garden, "job-cancel", garden.running)).status_code == 403
    assert bob.post(address(garden, "job-replay", garden.done)).status_code == 403
    garden.running.refresh_from_db()
    assert not garden.running.cancel_requested


def test_a_click_stops_a_job_and_a_get_does_not(garden):
    alice = as_(garden.alice)
    path = address(garden, "job-cancel", garden.running)
    assert alice.get(path).status_code == 405
    assert alice.post(path).status_code == 302
    garden.running.refresh_from_db()
    assert garden.running.cancel_requested
    assert "Stopping. What was found is kept." in text_of(alice, address(garden, "job", garden.running))


def test_a_replay_is_a_new_job_that_says_what_it_repeats(garden):
    answer = as_(garden.alice).post(address(garden, "job-replay", garden.done))
    again = Job.objects.get(replay_of=garden.done)
    assert answer["Location"] == address(garden, "job", again)
    assert again.seed == garden.done.seed
    assert f"replay of <a href=\"{address(garden, 'job', garden.done)}\"" in text_of(as_(garden.alice), answer["Location"])


def test_the_live_part_sends_the_browser_on_when_the_job_is_over(garden):
    client = as_(garden.bob)
    assert "Fine-tuning after pruning" in text_of(client, address(garden, "job-live", garden.running))
    answer = client.get(address(garden, "job-live", garden.done))
    assert answer["HX-Redirect"] == address(garden, "job", garden.done)


def test_a_picked_candidate_is_in_the_address(garden):
    row = garden.done.candidates.get(title="int8")
    page = text_of(as_(garden.bob), address(garden, "job", garden.done) + f"?pick={row.key}")
    assert f'data-pick="{row.key}"' in page
    assert "breaks latency by 31.2 ms" in page
    assert text_of(as_(garden.bob), address(garden, "job", garden.done) + "?pick=%22%3E%3Cscript%3E").count('data-pick="') == 1


def test_numbers_carry_their_origin(garden):
    page = text_of(as_(garden.bob), address(garden, "job", garden.done))
    for word in ("origin-measured", "origin-modelled", "MACs / (MACs per cycle x clock); off by 12 % on published results"):
        assert word in page


def test_a_file_leaves_by_a_fresh_signed_link(garden):
    artifact = Artifact.objects.get(candidate__job=garden.done, candidate__title="int8", role="model")
    client = as_(garden.bob)
    answer = client.get(address(garden, "job-file", garden.done, artifact.pk))
    assert answer["Location"].startswith("/d/")
    got = client.get(answer["Location"])
    assert b"".join(got.streaming_content).startswith(b"int8 model.onnx ")
    other = garden.failed
    assert client.get(address(garden, "job-file", other, artifact.pk)).status_code == 404, "another job's file has no address here"


def test_a_hostile_title_cannot_become_a_formula_or_a_script(garden):
    row = garden.done.candidates.get(title="fp16")
    hostile = '=HYPERLINK("http://x")<script>alert(1)</script>'
    row.data["title"] = row.title = hostile
    row.save()
    client = as_(garden.bob)
    page = text_of(client, address(garden, "job", garden.done))
    assert "<script>alert" not in page
    table = list(csv.DictReader(io.StringIO(client.get(address(garden, "job-csv", garden.done)).content.decode())))
    assert len(table) == Candidate.objects.filter(job=garden.done).count()
    titles = {line["title"] for line in table}
    assert "'" + hostile in titles
    assert hostile not in titles
    pruned = next(line for line in table if line["title"].startswith("prune 50"))
    assert (pruned["change_points"], pruned["size_kib"], pruned["size_kib_origin"]) == ("-0.4", "38.2", "measured")


def test_the_log_is_text_to_save(garden):
    answer = as_(garden.bob).get(address(garden, "job-log", garden.done))
    assert answer["Content-Type"].startswith("text/plain")
    assert "attachment" in answer["Content-Disposition"]
    assert "b2.skip keeps 20 of 32 channels" in answer.content.decode()


def test_our_own_fault_shows_an_id_and_no_trace(garden):
    garden.broken.error |= {"id": "7f3a21b0", "trace": "Traceback: secret"}
    garden.broken.save()
    page = text_of(as_(garden.bob), address(garden, "job", garden.broken))
    assert "7f3a21b0" in page
    assert "Traceback" not in page


def test_the_list_is_filtered_by_state_person_and_words(garden):
    alice, path = as_(garden.alice), reverse("jobs", args=[garden.team.slug])

    def numbers(query: str) -> set[str]:
        page = text_of(alice, path + query)
        return {f"fit-{job.number:04d}" for job in Job.objects.filter(team=garden.team) if f"fit-{job.number:04d}" in page}

    assert numbers("?state=failed") == {f"fit-{garden.failed.number:04d}", f"fit-{garden.broken.number:04d}"}
    assert numbers("?q=sharpen") == {f"fit-{garden.failed.number:04d}"}
    assert numbers(f"?q=fit-{garden.done.number:04d}") == {f"fit-{garden.done.number:04d}"}
    assert numbers("?mine=1") == numbers("")
    assert "No job is like that." in text_of(alice, path + "?q=zzz")
    assert text_of(alice, path + "?state=nonsense&before=x&q=%00")


def test_older_jobs_are_a_page_away(garden):
    Job.objects.bulk_create(Job(team=garden.team, number=1000 + n, kind=Job.Kind.FIT, title=f"many {n}", state=Job.State.SUCCEEDED)
                            for n in range(60))
    alice, path = as_(garden.alice), reverse("jobs", args=[garden.team.slug])
    first = text_of(alice, path)
    assert "many 59" in first
    assert "many 5<" not in first
    assert "before=1020" in first
    assert "many 5<" in text_of(alice, path + "?before=1020")


def test_pages_hold_no_inline_style_or_handler(garden):
    client = as_(garden.alice)
    for job in (garden.done, garden.running, garden.failed, garden.queued):
        page = text_of(client, address(garden, "job", job))
        assert not re.search(r"<[^>]+\sstyle=", page)
        assert not re.search(r"<[^>]+\son[a-z]+=", page)
        assert not re.search(r"<script(?![^>]*(?:src=|application/json))", page)
