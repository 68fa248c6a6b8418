"""A run's units on Ray, on this machine."""

import functools
import socketserver
import threading
import time
import warnings
from functools import partial

import psutil
import pytest
import ray  # before anything is connected: where it listens must not depend on that

from adaptive_diffusion.commands import sharing
from adaptive_diffusion.prompts import described
from adaptive_diffusion.scale import cluster, drawing, halves, sharded, split, stores
from adaptive_diffusion.scale.answering import may_be_ray
from tests.pure import tiny
from tests.pure.drawers import DyingHalf, drawer, halves_of, short_drawer, teacher_half
from tests.pure.dying import POISON, Plain, no_model

PROMPTS = tiny.PROMPTS * 3
UNIT = 4
UNITS = 4


def run_in(folder, prompts=PROMPTS) -> sharded.ShardedRun:
    return sharded.opened(stores.open_store(str(folder)), {"prompts": described(prompts, 0)}, prompts, UNIT)


def draw(run, made=drawer, prompts=PROMPTS, units=None, watch=lambda: None) -> list[drawing.Progress]:
    told = []
    with cluster.connected(cluster.LOCAL, 2) as workers:
        for progress in cluster.draw(cluster.Work(run, made), units or run.missing(), prompts, workers):
            watch()
            told.append(progress)
    return told


def family() -> list[psutil.Process]:
    """This process and all that it started, and what they did."""
    me = psutil.Process()
    return [me, *me.children(recursive=True)]


def listening() -> set[str]:
    """Where this process and all that it started listen."""
    found = set()
    for process in family():
        try:
            found |= {each.laddr.ip for each in process.net_connections() if each.status == psutil.CONN_LISTEN}
        except psutil.Error:
            continue
    return found


@functools.cache
def shards_of_one_process(folder) -> dict[str, bytes]:
    run, made = run_in(folder), drawer()
    for unit in run.missing():
        drawing.draw_unit(made, run, unit, PROMPTS[run.units[unit]])
    return pictures(run)


def pictures(run) -> list[tuple[bytes, ...]]:
    return [run.read(unit).pictures for unit in range(len(run.units))]


def test_two_workers_draw_what_one_process_draws_and_listen_on_the_loopback_alone(tmp_path):
    seen: set[str] = set()
    run = run_in(tmp_path / "ray")
    told = draw(run, watch=lambda: seen.update(listening()))
    assert sorted(progress.unit for progress in told) == [0, 1, 2, 3]
    assert sum(progress.images for progress in told) == sum(progress.rejected for progress in told) == len(PROMPTS)
    assert pictures(run) == shards_of_one_process(tmp_path / "one")
    assert seen and seen <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert run.missing() == []
    deadline = time.monotonic() + 20
    while (left := family()[1:]) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert [process.name() for process in left] == []


def test_a_unit_that_kills_its_workers_is_recorded_as_failed_and_the_others_are_drawn(tmp_path):
    prompts = [*tiny.PROMPTS[:4], POISON, *tiny.PROMPTS[:3], *tiny.PROMPTS[:2]]
    run = run_in(tmp_path, prompts)
    told = draw(run, partial(Plain, False), prompts)
    assert sorted(progress.unit for progress in told) == [0, 2]
    assert (run.failed(), run.missing()) == ([1], [])
    assert b"its worker died 3 times" in run.store.read("unit-000000001.failed.json")


def test_what_only_fails_is_told_with_its_reason_and_may_be_drawn_again(tmp_path):
    prompts = [*tiny.PROMPTS[:4], POISON]
    run = run_in(tmp_path, prompts)
    told = draw(run, partial(Plain, True), prompts)
    assert (run.failed(), run.missing()) == ([], [1])
    with pytest.raises(ValueError, match="^a worker cannot begin: there is no model in 'x'; name one$"):
        draw(run, no_model, prompts)
    with pytest.raises(ValueError, match=r"^1 images were not drawn \(units 1\): \[Errno 28\] No space left on device"):
        drawing.check(told, run)
    drawing.check(draw(run, partial(Plain, True), [*prompts[:4], "another"]), run)
    assert run.missing() == []


def draw_split(run, of, prompts=PROMPTS, workers: int = 2) -> list[drawing.Progress]:
    with cluster.connected(cluster.LOCAL, workers):
        return [*split.Split(run, of, workers, (0.0, 1.0)).draw(run.missing(), prompts)]


def test_split_models_draw_what_both_in_one_process_draw(tmp_path):
    run = run_in(tmp_path / "split")
    told = draw_split(run, halves_of())
    assert pictures(run) == shards_of_one_process(tmp_path / "one")
    records = [record for unit in range(UNITS) for record in run.read(unit).records]
    expected = [record for unit in range(UNITS) for record in run_in(tmp_path / "one").read(unit).records]
    unlike = {"seconds"}
    assert [{key: one[key] for key in one if key not in unlike} for one in records] == [
        {key: one[key] for key in one if key not in unlike} for one in expected
    ]
    assert sum(each.images for each in told) == sum(each.rejected for each in told) == len(PROMPTS)


def test_a_unit_at_which_split_workers_die_is_recorded_and_one_that_cannot_begin_is_told(tmp_path):
    prompts = [*tiny.PROMPTS[:4], POISON, *tiny.PROMPTS[:3], *tiny.PROMPTS[:2]]
    run = run_in(tmp_path / "dying", prompts)
    told = draw_split(run, halves_of(DyingHalf), prompts)
    assert sorted(progress.unit for progress in told) == [0, 2]
    assert (run.failed(), run.missing()) == ([1], [])
    with pytest.raises(ValueError, match="^a worker cannot begin: there is no model in 'x'; name one$"):
        draw_split(run_in(tmp_path / "none"), halves.Halves(no_model, teacher_half))
    with pytest.raises(ValueError, match="^--split needs two workers, one for each model, but there is 1; give --work"):
        split.Split(run, halves_of(), 1, (0.0, 1.0))


def test_which_prompts_workers_cut_is_told_once_for_all_of_them(tmp_path):
    run = run_in(tmp_path)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        sharing.finish(run, run.missing(), (each for each in draw(run, short_drawer)))
    told = [str(each.message) for each in heard if "reads the first" in str(each.message)]
    assert [sentence for sentence in told if "student" in sentence] == [
        "the student reads the first 1 of 2 tokens of 'red circle...', and cuts 4 more"
    ]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "here", "127.0.0.1:99999", "", "a b:c"])
def test_a_cluster_that_does_not_answer_is_one_sentence(address):
    with (
        pytest.raises(ValueError, match=f"^no Ray cluster answers at '{address}'; name it as host:port, or give --cl"),
        cluster.connected(address, 1),
    ):
        pass


class Other(socketserver.BaseRequestHandler):
    """A server of another kind: it says what it is told to."""

    says = b""

    def handle(self) -> None:
        self.request.recv(99)
        self.request.sendall(self.says)
        time.sleep(0 if self.says else 1)


@pytest.mark.parametrize("says", [b"HTTP/1.1 400 Bad Request\r\n", b"SSH-2.0-OpenSSH_9\r\n", b""])
def test_what_answers_as_no_ray_is_one_sentence_at_once(monkeypatch, says):
    monkeypatch.setattr(cluster, "SECONDS", 0.3)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), type("Says", (Other,), {"says": says})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            test_a_cluster_that_does_not_answer_is_one_sentence(f"127.0.0.1:{server.server_address[1]}")
        finally:
            server.shutdown()


def test_a_ray_is_told_from_other_servers():
    with cluster.connected(cluster.LOCAL, 1):
        host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
        assert may_be_ray(host, int(port), 10)
