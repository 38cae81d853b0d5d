"""The file of ``--split``: every form says the same, and a wrong file is refused with its line."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets.base import Choices, DatasetError
from datasets.coco import Coco, open_coco
from datasets.dlc import open_dlc
from datasets.folder import open_folder
from tests.custom_data import coco, write_coco, write_dlc

COUNT = 12
SIDES = {f"v{row % 3}/{row}.png": "test" if row % 3 == 0 else "regress" for row in range(COUNT)}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A COCO json of 12 images in three folders."""
    document = coco(COUNT)
    for image in document["images"]:
        image["file_name"] = f"v{image['id'] % 3}/{image['id']}.png"
    return write_coco(tmp_path / "birds.json", document)


def opened(data: Path, name: str, text: str, interocular: str | None = None) -> Coco:
    path = data.parent / name
    path.write_text(text)
    dataset = open_coco(str(data))
    dataset.choose(Choices(path, interocular))
    return dataset


FORMS = {
    "a.csv": "image,split\n" + "".join(f"{name},{side}\n" for name, side in SIDES.items()),
    "b.csv": "Split;File_Name\n" + "".join(f"{side.upper()};{name}\n" for name, side in reversed(SIDES.items())),
    "c.csv": "".join(f"{name.rpartition('/')[2]},{side}\n" for name, side in SIDES.items()),
    "d.csv": "path\tsplit\n"
    + "".join(f"C:\\data\\{name}\t{side}\n".replace("/", "\\") for name, side in SIDES.items()),
    "k.csv": "image,split\n" + "".join(f"{name.removesuffix('.png')},{side}\n" for name, side in SIDES.items()),
    "e.csv": "folder,split\nv0,test\nv1,train\nv2,train\n",
    "f.csv": "group,split\n/home/me/v0,test\n./v1/,regress\nv2,regress\n",
    "g.json": json.dumps(SIDES),
    "h.json": json.dumps({side: [name for name in SIDES if SIDES[name] == side] for side in ("regress", "test")}),
    "i.json": json.dumps([{"image": name, "split": side} for name, side in SIDES.items()]),
    "j.json": json.dumps({"train": ["v1", "v2"], "test": ["v0"]}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_splits_and_the_same_digests(data: Path, form: str) -> None:
    dataset, first = opened(data, form, FORMS[form]), opened(data, "a.csv", FORMS["a.csv"])
    assert set(dataset.split("test")) == {name for name in SIDES if SIDES[name] == "test"}
    assert dataset.split("fit") == dataset.split("regress")
    assert set(dataset.split("fit")) == {name for name in SIDES if SIDES[name] == "regress"}
    for split in ("fit", "regress", "test"):
        assert dataset.digest(split) == first.digest(split) != open_coco(str(data)).digest(split)
    assert f"split by {form}: 8 labels to learn from, 4 to test on" in dataset.card.remarks


TESTED = [name for name, side in SIDES.items() if side == "test"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mine.txt", "".join(f"{name}\r\n" for name in TESTED)),
        ("mine.txt", "\ufeff" + "\n\n".join(name.rpartition("/")[2] for name in reversed(TESTED))),
        ("mine.csv", "".join(f"{name}\n" for name in ["image", *TESTED])),
        ("mine.csv", "Path\n" + "".join(f'"/data/{name.removesuffix(".png")}"\n' for name in TESTED)),
        ("mine.txt", "v0\n"),
        ("mine.csv", "folder\nv0/\n"),
        ("mine.json", json.dumps(TESTED)),
    ],
)
def test_a_list_of_names_is_tested_on_and_all_others_are_learned_from(data: Path, name: str, text: str) -> None:
    dataset, first = opened(data, name, text), opened(data, "a.csv", FORMS["a.csv"])
    assert set(dataset.split("test")) == set(TESTED)
    assert set(dataset.split("fit")) == set(dataset.split("regress")) == SIDES.keys() - set(TESTED)
    assert [dataset.digest(split) for split in ("fit", "regress", "test")] == [
        first.digest(split) for split in ("fit", "regress", "test")
    ]
    assert f"split by {name}: 8 labels to learn from, 4 to test on" in dataset.card.remarks
    assert not [remark for remark in dataset.card.remarks if "does not name" in remark]


def in_videos(data: Path, count: int) -> dict[str, str]:
    """Give each image of the json one of ``count`` videos, which are not its folders; returns them by image."""
    document = json.loads(data.read_text())
    for row, image in enumerate(document["images"]):
        image["video_id"] = row // (COUNT // count)
    data.write_text(json.dumps(document))
    return {image["file_name"]: str(image["video_id"]) for image in document["images"]}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("image,split\n" + "".join(f"{name},{side}\n" for name, side in SIDES.items()), "line 2"),
        ("0.png\n1.png\n6.png\n", "line 3"),
    ],
)
def test_a_video_on_both_sides_is_refused(data: Path, text: str, place: str) -> None:
    in_videos(data, 6)
    with pytest.raises(DatasetError, match=rf'{place}: got video "\d" in both splits, expected each video in one'):
        opened(data, "s.csv", text).split("test")


@pytest.mark.parametrize("text", ["0.png\n1.png\n6.png\n7.png\n", "video\n0\n3\n", "video,split\n0,test\n3,test\n{}"])
def test_whole_videos_are_tested_on_and_are_the_groups(data: Path, text: str) -> None:
    videos = in_videos(data, 6)
    dataset = opened(data, "s.csv", text.format("".join(f"{video},train\n" for video in (1, 2, 4, 5))))
    assert {videos[name] for name in dataset.split("test")} == {"0", "3"}
    assert len(dataset.split("test")) == 4 and len(dataset.split("fit")) == 8
    for name, video in videos.items():
        assert dataset.annotation(name).group == video


def test_groups_of_the_file_come_before_videos(data: Path) -> None:
    in_videos(data, 6)
    lines = "".join(f"{name},bird {name},{side}\n" for name, side in SIDES.items())
    dataset = opened(data, "s.csv", f"image,group,split\n{lines}")
    assert set(dataset.split("test")) == set(TESTED)
    assert any(remark.startswith("videos on both sides of the split, in different") for remark in dataset.card.remarks)


@given(st.randoms())
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_split_of_any_rows_in_any_order_is_followed(data: Path, draw: random.Random) -> None:
    said = {name: draw.choice(["regress", "test"]) for name in draw.sample(list(SIDES), draw.randint(2, COUNT))}
    dataset = opened(data, "s.csv", "image,split\n" + "".join(f"{name},{side}\n" for name, side in said.items()))
    if len(set(said.values())) < 2:
        with pytest.raises(DatasetError, match="names no image with usable labels for"):
            dataset.split("test")
        return
    for split in ("regress", "test"):
        assert set(dataset.split(split)) == {name for name in said if said[name] == split}
    absent = COUNT - len(said)
    text = f"left out: labels of images that s.csv does not name: {absent} (first "
    assert [remark.startswith(text) for remark in dataset.card.remarks].count(True) == bool(absent)


def test_groups_alone_are_held_out_whole(data: Path) -> None:
    groups = {name: f"bird {row % 6}" for row, name in enumerate(SIDES)}
    dataset = opened(data, "g.csv", "image,group\n" + "".join(f"{name},{group}\n" for name, group in groups.items()))
    tested, learned = ({groups[name] for name in dataset.split(side)} for side in ("test", "fit"))
    assert len(tested) == 2 and not tested & learned and len(tested | learned) == 6
    assert {dataset.annotation(name).group for name in dataset.split("test")} == tested
    assert "split by g.csv: 8 labels to learn from, 4 to test on, in 4 and 2 groups" in dataset.card.remarks


def test_few_groups_are_said_and_one_is_refused(data: Path) -> None:
    for count, says in ((2, "fewer than 5 groups"), (1, None)):
        lines = [f"{name},{row % count}\n" for row, name in enumerate(SIDES)]
        dataset = opened(data, "g.csv", "image,group\n" + "".join(lines))
        if says:
            assert any(remark.startswith(says) for remark in dataset.card.remarks)
        else:
            with pytest.raises(DatasetError, match="expected 2 .*to learn and to test"):
                dataset.split("test")


def test_leaks_are_said_where_the_file_names_no_groups(data: Path) -> None:
    (data.parent / "v0" / "3.png").write_bytes((data.parent / "v0" / "0.png").read_bytes())
    sides = SIDES | {"v0/3.png": "regress"}
    dataset = opened(data, "s.csv", "image,split\n" + "".join(f"{name},{side}\n" for name, side in sides.items()))
    remarks = " ".join(dataset.card.remarks)
    assert 'folders of images on both sides of the split: 1 (first "v0")' in remarks
    assert "images with a copy on the other side of the split: 1 (first v0/0.png)" in remarks


REFUSED = [
    (
        "s.csv",
        "image,split\nv0/0.png,test\nv9/0.png,regress\n",
        r'line 3: got "v9/0.png", expected an image or a folder',
    ),
    (
        "s.csv",
        "image,split\n0.png,test\n./v0/0.png,test\n",
        'line 3: .* expected each image once: "v0/0.png" is named in',
    ),
    ("s.csv", "folder,split\nv0,test\nv1,regress\nv0,regress\n", "line 4: .* each image once"),
    ("s.csv", "image,split\nv0,test\nv0/0.png,regress\n", "line 3: .* each image once"),
    ("s.csv", "image,split\nv0,test\nv1,val\n", 'line 3, split: got "val", expected regress .* or test'),
    ("s.csv", "image,split\nv0,test\nv1,test\n", "names no image with usable labels for regress"),
    ("s.csv", "image,date\nv0,test\n", "line 1: got .*, expected the headings image and split"),
    ("s.csv", "split\ntest\n", "line 1: got .*, expected the headings"),
    ("s.txt", "0.png\n12.png\n", r'line 2: got "12.png", expected an image or a folder'),
    ("s.txt", "0.png\nv0\n", "line 2: .* each image once"),
    ("s.txt", "0.png\n3.png,test\n", "line 2: got 2 columns, expected 1"),
    ("s.txt", "v0\nv1\nv2\n", "names no image with usable labels for regress"),
    ("s.json", '["v0", {"image": "v1", "split": "test"}]', "entry 1: got other columns"),
    ("s.csv", "image,split\nv0,test,1\n", "line 2: got 3 columns, expected 2"),
    ("s.csv", "image,split\n,test\n", 'line 2, image: got "", expected a name'),
    ("s.csv", "", "names no image"),
    ("s.csv", "image,group,split\nv0/0.png,a,test\nv0/3.png,a,regress\n", 'line 2: got group "a" in both splits'),
    ("s.json", '{"test": ["v0"], "test": ["v1"]}', "'test' stands there twice"),
    ("s.json", '{"test": [0], "regress": ["v1"]}', "'test', image: got 0, expected a name"),
    ("s.json", '{"val": ["v0"], "regress": ["v1"]}', "'val', split: got \"val\", expected regress"),
    ("s.json", '[{"image": "v0"}]', "entry 0: got image alone"),
    ("s.json", '[{"image": "v0", "split": "test"}, {"image": "v1", "group": "x"}]', "entry 1: got other columns"),
    ("s.json", "[" * 5000, "cannot read"),
    ("s.json", "3", "the file: got 3"),
]


@pytest.mark.parametrize(("name", "text", "says"), REFUSED)
def test_a_wrong_file_is_refused_with_its_line(data: Path, name: str, text: str, says: str) -> None:
    with pytest.raises(DatasetError, match=says) as raised:
        opened(data, name, text).split("test")
    assert str(data.parent / name) in str(raised.value) and len(str(raised.value).splitlines()) == 1


def test_names_that_fit_several_images_are_refused_and_images_left_out_are_known(data: Path) -> None:
    document = json.loads(data.read_text())
    document["images"][1]["file_name"] = "v1/0.png"
    document["annotations"][5]["keypoints"] = [0, 0, 0] * 2
    data.write_text(json.dumps(document))
    (data.parent / "v1" / "1.png").rename(data.parent / "v1" / "0.png")
    rest = "".join(f"{row}.png,regress\n" for row in range(2, COUNT))
    with pytest.raises(
        DatasetError, match=r'line 2: got "0.png", expected the name of one: it fits v0/0.png, v1/0.png'
    ):
        opened(data, "s.csv", f"image,split\n0.png,test\n{rest}").split("test")
    dataset = opened(data, "s.csv", f"image,split\nv0/0.png,test\nv1/0.png,test\n{rest}")
    assert dataset.split("test") == ("v0/0.png", "v1/0.png") and len(dataset.split("fit")) == COUNT - 3


def test_objects_of_one_image_stay_on_one_side(data: Path) -> None:
    document = json.loads(data.read_text())
    document["annotations"].append(document["annotations"][0] | {"id": 999, "bbox": [9, 5, 30, 20]})
    data.write_text(json.dumps(document))
    text = "v0/0.png#100,test\nv0/0.png#999,regress\nv1,regress\nv2,regress\n"
    with pytest.raises(DatasetError, match="expected all objects of an image on one side"):
        opened(data, "s.csv", text).split("test")
    text = "v0/0.png#100,test\nv0/0.png#999,test\nv1,regress\n"
    assert opened(data, "s.csv", text).split("test") == ("v0/0.png#100", "v0/0.png#999")


def write_list(folder: Path, text: str) -> Path:
    path = folder / "list.txt"
    path.write_text(text)
    return path


def test_frames_of_deeplabcut_are_named_alike_and_images_alone_have_no_test(data: Path, tmp_path: Path) -> None:
    for video in ("a", "b"):
        write_dlc(tmp_path / "p" / "labeled-data" / video, {f"{row}.png": f"{row},3,4,5" for row in range(4)})
    dataset = open_dlc(str(tmp_path / "p"))
    split = tmp_path / "s.csv"
    split.write_text("video,split\na,test\nlabeled-data/b,regress\n")
    dataset.choose(Choices(split))
    assert dataset.split("test") == tuple(f"a/{row}.png" for row in range(4))
    dataset = open_dlc(str(tmp_path / "p"))
    dataset.choose(Choices(write_list(tmp_path, "a/0.png\n")))
    with pytest.raises(DatasetError, match='line 1: got video "a" in both splits'):
        dataset.split("test")
    photos = open_folder(str(tmp_path / "p"))
    photos.choose(Choices(split))
    with pytest.raises(DatasetError, match="images without landmarks are not tested; leave out --split"):
        photos.split("test")


def test_eyes_that_no_test_image_shows_apart_are_refused_before_anything_is_learned(data: Path) -> None:
    document = json.loads(data.read_text())
    document["annotations"][0]["keypoints"] = [20, 10, 2, 20, 10, 2]
    data.write_text(json.dumps(document))
    with pytest.raises(DatasetError, match="annotation 100: got both eyes at one point"):
        opened(data, "a.csv", FORMS["a.csv"], "left_eye,right_eye").split("test")
    for row, annotation in enumerate(document["annotations"]):
        annotation["keypoints"][5] = row % 3
    data.write_text(json.dumps(document))
    with pytest.raises(DatasetError, match="no test image shows both eyes, so nothing scales an error"):
        opened(data, "a.csv", FORMS["a.csv"], "left_eye,right_eye").split("test")


def test_the_eyes_belong_to_the_measured_splits(data: Path) -> None:
    plain = opened(data, "a.csv", FORMS["a.csv"])
    eyed, other = (opened(data, "a.csv", FORMS["a.csv"], text) for text in ("left_eye,right_eye", "right_eye,left_eye"))
    assert eyed.digest("fit") == plain.digest("fit")
    assert eyed.digest("test") == other.digest("test") != plain.digest("test")
    assert eyed.card.interocular == (0, 1) and plain.card.interocular is None
    assert eyed.card.protocols[0] == "strict/interocular" and "faces" in eyed.card.protocols
    document = json.loads(data.read_text())
    document["annotations"][0]["keypoints"][2] = 0
    data.write_text(json.dumps(document))
    hidden = opened(data, "a.csv", FORMS["a.csv"], "left_eye,right_eye")
    assert hidden.card.protocols == ("strict/interocular", "strict/interocular_bias", "general")
