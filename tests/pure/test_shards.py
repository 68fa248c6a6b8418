"""A run in shards: any number of processes draw its units, wherever they lie, and one puts them together."""

import io
import json
import pickle
import shutil
import tarfile
from functools import partial

import pytest
import webdataset
from moto.server import ThreadedMotoServer
from PIL import Image
from pyarrow import fs

from adaptive_diffusion.prompts import described
from adaptive_diffusion.scale import collection, packs, sharded, stores
from adaptive_diffusion.scale.shards import Shard, failed_name, packed, shard_name, unpacked
from adaptive_diffusion.standalone import runs
from tests.processes import at_once, every_kill, needs_fork

TOTAL, UNIT = 7, 2
PROMPTS = [f"ö {i}" for i in range(TOTAL)]
LAST = (TOTAL - 1) // UNIT


def about(prompts=PROMPTS, seed: int = 0, **settings) -> dict:
    return {"prompts": described(prompts, seed), "k": 50.0, **settings}


def picture(index: int) -> bytes:
    return runs.png(Image.new("RGB", (4, 4), (index, 0, 0)))


def record(index: int, prompts=PROMPTS) -> dict:
    return {"index": index, "prompt": prompts[index], "verdict": "accepted", "image": runs.image_name(index)}


def draw(place, share=(1, 1), prompts=PROMPTS, most: int = TOTAL, **settings) -> list[int]:
    """Draw so many of the share's units; which ones."""
    run = sharded.opened(stores.open_store(str(place)), about(prompts, **settings), prompts, UNIT)
    units = run.missing(share)[:most]
    for unit in units:
        rows = range(run.units[unit].start, run.units[unit].stop)
        run.put(unit, [record(i, prompts) for i in rows], [*map(picture, rows)])
    return units


def collected(place, folder) -> list[int]:
    return [*collection.into_folder(sharded.existing(stores.open_store(str(place))), folder)]


def content(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def server():
    """An object store on the loopback."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture
def address(server, tmp_path) -> str:
    """A place in a bucket of its own."""
    host, port = server
    options = f"scheme=http&endpoint_override={host}:{port}&region=us-east-1&allow_bucket_creation=true"
    store, bucket = fs.FileSystem.from_uri(f"s3://name:key@{tmp_path.name.lower().replace('_', '-')}?{options}")
    store.create_dir(bucket)
    return f"s3://name:key@{bucket}/run?{options}"


@pytest.fixture(params=["folder", "object store"])
def place(request, tmp_path) -> str:
    return str(tmp_path / "shards") if request.param == "folder" else request.getfixturevalue("address")


def test_two_shares_are_all_of_it_and_collect_to_what_one_run_is(tmp_path, place):
    assert draw(place, (1, 2)) == [0, 2]
    assert draw(place, (2, 2)) == [1, 3]
    assert draw(place) == []
    assert collected(place, tmp_path / "out") == [2, 2, 2, 1]
    with runs.opened(tmp_path / "one", about(), PROMPTS, UNIT) as run:
        for rows in run.units:
            numbers = range(rows.start, rows.stop)
            run.add([*map(picture, numbers)], [*map(record, numbers)])
    assert content(tmp_path / "out") == content(tmp_path / "one")


def test_collecting_goes_on_where_it_was_stopped(tmp_path, place):
    draw(place)
    gather = collection.into_folder(sharded.existing(stores.open_store(place)), tmp_path / "out")
    next(gather)
    gather.close()
    assert collected(place, tmp_path / "out") == [2, 2, 1]


def test_what_lacks_units_is_not_collected(tmp_path, place):
    draw(place, most=2)
    with pytest.raises(
        ValueError, match=r"^3 of the 7 images in .* are not drawn yet \(units 2, 3\); give the command"
    ):
        collected(place, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [({"k": 40}, "k 50.0 instead of 40"), ({"seed": 1}, "prompts"), ({"prompts": PROMPTS[:-1]}, "prompts")],
)
def test_another_run_is_refused_and_nothing_is_changed(place, change, named):
    draw(place, most=1)
    before = {name: stores.open_store(place).read(name) for name in stores.open_store(place).names()}
    with pytest.raises(ValueError, match=f"^the run in .* has {named}.*; choose another folder, or the same settings"):
        draw(place, **change)
    assert {name: stores.open_store(place).read(name) for name in stores.open_store(place).names()} == before


def test_another_unit_is_refused_and_the_same_one_needs_not_be_told(place):
    draw(place, most=1)
    store = stores.open_store(place)
    with pytest.raises(ValueError, match="has unit 2 instead of 3"):
        sharded.opened(store, about(), PROMPTS, 3)
    assert sharded.opened(store, about(), PROMPTS).about["unit"] == UNIT


def test_more_prompts_are_drawn_into_the_same_run(tmp_path, place):
    draw(place)
    assert draw(place, prompts=[*PROMPTS, "a", "b"]) == [3, 4]
    assert collected(place, tmp_path / "out") == [2, 2, 2, 2, 1]
    assert [each["prompt"] for each in runs.read(tmp_path / "out")] == [*PROMPTS, "a", "b"]


def test_a_folder_of_something_else_or_of_a_run_without_shards_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(ValueError, match="holds files of something else; choose another place"):
        draw(tmp_path)
    with runs.opened(tmp_path / "run", about(), PROMPTS, UNIT):
        pass
    with pytest.raises(ValueError, match="holds no shards but another run; choose another place"):
        draw(tmp_path / "run")
    with pytest.raises(ValueError, match="^there is no run in .*; draw one there with generate --shard"):
        collected(tmp_path / "none", tmp_path / "out")


def test_of_two_runs_that_begin_in_one_folder_at_once_one_is_refused(tmp_path):
    for attempt in range(5):
        place = tmp_path / str(attempt)
        ends = at_once(lambda k, place=place: draw(place, k=k), (10,), (90,))
        assert sorted(ends) == [0, 1]
        assert len(collected(place, tmp_path / f"out{attempt}")) == LAST + 1


def test_a_run_whose_place_was_given_to_another_meanwhile_keeps_nothing_there(tmp_path):
    store = stores.open_store(str(tmp_path))
    mine = sharded.opened(store, about(), PROMPTS, UNIT)
    store.remove("run.json")
    other = sharded.opened(store, about(k=1), PROMPTS, UNIT)
    with pytest.raises(ValueError, match="was given to another run meanwhile; draw this one elsewhere"):
        mine.put(0, [record(0), record(1)], [picture(0), picture(1)])
    store.put(shard_name(0), packed(Shard(mine.key, (record(0),), (picture(0),))))
    with pytest.raises(ValueError, match="^'unit-000000000.tar' is of another run; delete it and draw it again"):
        other.read(0)


def test_a_run_that_was_given_more_prompts_meanwhile_says_so(place):
    draw(place, most=1)
    mine = sharded.opened(stores.open_store(place), about(), PROMPTS)
    longer = [*PROMPTS, "more"]
    sharded.opened(stores.open_store(place), about(prompts=longer), longer)
    with pytest.raises(ValueError, match="was given more prompts meanwhile; give the command with all of them$"):
        mine.put(3, [record(6)], [picture(6)])
    assert draw(place, prompts=longer) == [1, 2, 3]


@pytest.mark.parametrize("length", [0, 1, 511, 512, 700, 1024, 1536, 2000])
def test_a_cut_file_is_told_by_name(tmp_path, length):
    draw(tmp_path / "shards")
    path = tmp_path / "shards" / shard_name(1)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match="^'unit-000000001.tar' is no whole file of a unit; delete it and draw it"):
        collected(tmp_path / "shards", tmp_path / "out")
    path.unlink()
    assert draw(tmp_path / "shards") == [1]
    assert sum(collected(tmp_path / "shards", tmp_path / "out")) == TOTAL - UNIT


def test_a_file_under_another_units_name_is_told(tmp_path):
    draw(tmp_path / "shards")
    shutil.copy(tmp_path / "shards" / shard_name(2), tmp_path / "shards" / shard_name(1))
    with pytest.raises(ValueError, match="does not hold the pictures 2 to 3; delete it and draw it again"):
        collected(tmp_path / "shards", tmp_path / "out")


WHOLE = {"format": sharded.FORMAT, "version": 1, "unit": 2, "prompts": {"count": 7, "seed": 0}}
PARTS = {
    "format": [None, "x"],
    "unit": [0, -2, "2", None],
    "prompts": [None, 7, {}, {"count": -1, "seed": 0}, {"count": 7, "seed": "x"}],
}
DAMAGED = [json.dumps(WHOLE | {key: value}).encode() for key, values in PARTS.items() for value in values]


@pytest.mark.parametrize("what", [b"", b"[]", b"{}", b"\xff", *DAMAGED])
def test_damaged_settings_are_one_sentence(tmp_path, what):
    draw(tmp_path / "shards", most=1)
    (tmp_path / "shards" / "run.json").write_bytes(what)
    for use in (draw, partial(collected, folder=tmp_path / "out")):
        with pytest.raises(
            ValueError, match="^(run.json in '.*' is damaged|'.*' holds no shards but another run); choose"
        ):
            use(tmp_path / "shards")


def test_a_run_of_another_version_is_told(tmp_path):
    draw(tmp_path / "shards")
    path = tmp_path / "shards" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 2}))
    with pytest.raises(ValueError, match="has version 2 instead of 1; use the release of this program that drew it"):
        collected(tmp_path / "shards", tmp_path / "out")


def test_a_failed_unit_of_a_longer_run_is_none_of_this_one(tmp_path, place):
    draw(place)
    stores.open_store(place).put(failed_name(99), b"{}")
    assert sharded.existing(stores.open_store(place)).failed() == []
    assert sum(collected(place, tmp_path / "out")) == TOTAL


def test_a_plan_says_what_would_be_drawn_and_writes_nothing(place):
    store = stores.open_store(place)
    assert sharded.planned(store, about(), PROMPTS, UNIT).missing() == [0, 1, 2, 3]
    assert store.names() == set()
    draw(place, most=1)
    before = store.names()
    assert sharded.planned(store, about(prompts=[*PROMPTS, "more"]), [*PROMPTS, "more"]).missing() == [1, 2, 3]
    with pytest.raises(ValueError, match="has k 50.0 instead of 1; choose another folder"):
        sharded.planned(store, about(k=1), PROMPTS)
    assert store.names() == before


@needs_fork
def test_killed_at_every_change_to_the_disk_it_goes_on_and_leaves_nothing_partial(tmp_path):
    draw(tmp_path / "whole")
    for moment in every_kill(draw, lambda moment: (tmp_path / str(moment),)):
        folder = tmp_path / str(moment)
        done = sharded.units_in(stores.Folder(folder).names())
        assert draw(folder) == [unit for unit in range(LAST + 1) if unit not in done]
        assert {name: data for name, data in content(folder).items() if name[0] != "."} == content(tmp_path / "whole")
    assert moment > 10


def test_a_failed_unit_is_passed_over_told_and_left_out_of_data_sets(tmp_path, place):
    draw(place, most=1)
    run = sharded.existing(stores.open_store(place))
    run.fail(2, "its worker died 3 times")
    assert draw(place) == [1, 3]
    assert run.failed() == [2]
    with pytest.raises(ValueError, match="^the units 2 of .* have failed; collect the others with --to, or delete"):
        collected(place, tmp_path / "out")
    assert [*packs.pack(run, stores.open_store(str(tmp_path / "packed")), "webdataset", 4)] == [4, 1]
    stores.open_store(place).remove(failed_name(2))
    assert draw(place) == [2]


def test_webdataset_reads_what_was_packed(tmp_path, place):
    draw(place)
    run = sharded.existing(stores.open_store(place))
    assert [*packs.pack(run, stores.Folder(tmp_path), "webdataset", 3)] == [3, 3, 1]
    files = [str(path) for path in sorted(tmp_path.glob("*.tar"))]
    read = [*webdataset.WebDataset(files, shardshuffle=False, empty_check=False).decode("pil")]
    assert [sample["txt"] for sample in read] == PROMPTS
    assert [sample["json"] for sample in read] == [*map(record, range(TOTAL))]
    assert [sample["png"].convert("RGB").getpixel((0, 0)) for sample in read] == [(i, 0, 0) for i in range(TOTAL)]


def test_a_unit_of_a_run_of_other_prompts_makes_no_whole_run(tmp_path):
    others = [f"other {i}" for i in range(TOTAL)]
    draw(tmp_path / "shards")
    draw(tmp_path / "others", prompts=others)
    shutil.copy(tmp_path / "others" / shard_name(1), tmp_path / "shards" / shard_name(1))
    run = sharded.existing(stores.Folder(tmp_path / "shards"))
    told = "hold other prompts than its run: a file of another run is among them; delete what was put there"
    for _ in range(2):
        with pytest.raises(ValueError, match=told):
            collected(tmp_path / "shards", tmp_path / "out")
    with pytest.raises(ValueError, match=told):
        [*packs.pack(run, stores.Folder(tmp_path / "packed"), "webdataset", 3)]
    assert len(runs.read(tmp_path / "out")) == TOTAL - 1 and len(content(tmp_path / "packed")) == 2


@pytest.mark.parametrize("kind", packs.KINDS)
def test_files_that_would_be_read_along_are_told_and_others_stay(tmp_path, place, kind):
    draw(place)
    run, store = sharded.existing(stores.open_store(place)), stores.Folder(tmp_path / "packed")
    for _ in range(2):
        assert [*packs.pack(run, store, kind, 3)] == [3, 3, 1]
    store.put("README.md", b"")
    before = content(store.folder)
    with pytest.raises(ValueError, match=r"holds other files of this kind \(000002.*\), .*; choose another place$"):
        [*packs.pack(run, store, kind, 4)]
    assert content(store.folder) == before
    assert [*packs.pack(run, store, kind, 1)] == [1] * TOTAL
    assert len(store.names()) == TOTAL + 1


def test_data_sets_do_not_go_between_the_shards(place):
    draw(place)
    store = stores.open_store(place)
    before = store.names()
    with pytest.raises(ValueError, match="holds other files of this kind"):
        [*packs.pack(sharded.existing(store), store, "webdataset", 3)]
    assert store.names() == before


def test_datasets_reads_what_was_packed_as_parquet(tmp_path, place):
    from datasets import load_dataset

    draw(place)
    run = sharded.existing(stores.open_store(place))
    assert [*packs.pack(run, stores.Folder(tmp_path / "packed"), "parquet", 4)] == [4, 3]
    read = load_dataset("parquet", data_files=str(tmp_path / "packed/*.parquet"), cache_dir=str(tmp_path / "cache"))[
        "train"
    ]
    assert read["prompt"][:] == PROMPTS and read["index"][:] == [*range(TOTAL)]
    assert read["score"][0] is None
    assert [image.getpixel((0, 0)) for image in read["image"]] == [(i, 0, 0) for i in range(TOTAL)]


def test_equal_shards_have_equal_bytes_and_hold_what_was_put_in():
    shard = Shard("key", (record(0), record(1)), (picture(0), picture(1)))
    assert packed(shard) == packed(shard)
    assert unpacked(packed(shard), "") == shard
    with tarfile.open(fileobj=io.BytesIO(packed(shard))) as tar:
        assert tar.getnames()[1:4] == ["000000000.png", "000000000.json", "000000000.txt"]


class Failing:
    """A filesystem whose calls fail now and then, some of them although they did what they should."""

    def __init__(self, files, times: int, done: bool):
        self.files, self.times, self.done = files, times, done

    def __getattr__(self, name):
        return partial(self._call, getattr(self.files, name))

    def _call(self, call, *arguments):
        if self.times:
            self.times -= 1
            if self.done:
                with call(*arguments) as file:
                    file.write(b"data")
            raise OSError("When completing multiple part upload: AWS Error NETWORK_CONNECTION\nmore")
        return call(*arguments)


def test_a_place_can_be_given_to_a_worker_in_another_process(place):
    draw(place, (1, 2))
    given = pickle.loads(pickle.dumps(stores.open_store(place)))
    assert given.names() == stores.open_store(place).names() and len(given.names()) == 3


@pytest.fixture
def bucket(address, monkeypatch):
    monkeypatch.setattr(stores, "PAUSE", 0.001)
    return stores.open_store(address)


@pytest.mark.parametrize("done", [False, True])
def test_a_call_that_fails_is_made_again_and_an_ambiguous_answer_is_looked_into(bucket, done):
    calls = bucket._files
    bucket._files = Failing(calls, 1 if done else stores.TRIES - 1, done)
    bucket.put("a", b"data")
    bucket._files = calls
    assert bucket.names() == {"a"} and bucket.read("a") == b"data"


def test_a_store_that_never_answers_is_one_sentence_without_keys(bucket):
    bucket._files = Failing(bucket._files, 100, False)
    for call in (bucket.names, partial(bucket.put, "a", b""), partial(bucket.read, "a")):
        with pytest.raises(
            ValueError, match="^'s3://[^@?]*/run' cannot be .* look at the store and run it again"
        ) as told:
            call()
        assert "name:key" not in str(told.value) and "\n" not in str(told.value)


def test_a_store_that_fails_as_the_settings_are_read_is_not_told_as_damage(bucket):
    run = sharded.opened(bucket, about(), PROMPTS, UNIT)
    bucket._files = Failing(bucket._files, 100, False)
    with pytest.raises(ValueError, match="cannot be read .*; look at the store and run it again$"):
        run.put(0, [record(0), record(1)], [picture(0), picture(1)])


def test_an_address_that_cannot_be_is_one_sentence():
    with pytest.raises(ValueError, match="^'nowhere://a' cannot be opened .*; write s3://bucket/folder"):
        stores.open_store("nowhere://key@a")


def test_an_address_with_a_key_that_cannot_be_read_is_told_without_it():
    with pytest.raises(ValueError, match="^'s3://b/run' cannot be opened .*; write s3://bucket/folder") as told:
        stores.open_store("s3://name:ke/y@b/run")
    assert "name:" not in str(told.value)


def test_an_address_of_this_machine_is_its_folder(tmp_path):
    folder = tmp_path / "new" / "run"
    assert draw(folder.as_uri() + "/") == [0, 1, 2, 3]
    assert isinstance(stores.open_store(folder.as_uri()), stores.Folder)
    assert collected(folder, tmp_path / "out") == [2, 2, 2, 1]


def test_records_are_json_that_any_reader_takes(tmp_path):
    draw(tmp_path)
    with tarfile.open(tmp_path / shard_name(0)) as tar:
        assert json.load(tar.extractfile("000000001.json")) == record(1)
