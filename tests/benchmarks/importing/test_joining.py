"""Joining rows to images by name and by place, and the refusals of rows that fit neither way."""

import numpy as np
import pytest

from benchmarks.errors import UserError
from benchmarks.importing.joining import join
from benchmarks.importing.order import check_order, check_scale, explained
from methods.adapters.base import Outputs, Split, SplitTruth
from tests.methods.adapters.requests import truth


def split(*ids):
    return SplitTruth(ids, np.zeros((len(ids), 2, 2)), np.ones((len(ids), 2), dtype=bool))


SPLITS: dict[Split, SplitTruth] = {
    "regress": split("train/a.jpg", "train/b.jpg", "train/c.jpg"),
    "test": split("test/a.jpg", "test/b.jpg"),
}
ALL = (*SPLITS["regress"].ids, *SPLITS["test"].ids)


def points(names):
    """One keypoint per name, which depends on the name."""
    return np.array([[[0.01 * sum(map(ord, name)) % 1, len(name) / 100]] for name in names])


def outputs(names, of=None, split=None, source="file"):
    """Rows named ``names`` whose keypoints are those of the images ``of``."""
    return Outputs(source, points(of or names), split, tuple(names))


def refusal(*given, splits=SPLITS):
    with pytest.raises(UserError) as error:
        join(given, splits)
    assert str(error.value).isprintable()
    return str(error.value)


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 2, 0, 3, 1)])
def test_whole_names_in_any_order(order):
    joined = join([outputs([ALL[row] for row in order])], SPLITS)
    assert joined.ids == ALL
    assert joined.splits == ("regress",) * 3 + ("test",) * 2
    np.testing.assert_array_equal(joined.keypoints, points(ALL))


@pytest.mark.parametrize("form", ["data/{}", "{}", "C:\\faces\\{}"])
@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_names_of_files_and_without_their_ending_where_the_split_is_known(form, ending):
    given = []
    for name, found in SPLITS.items():
        names = [form.format(image_id.split("/")[1].replace(".jpg", ending)) for image_id in found.ids]
        given.append(outputs(names, of=found.ids, split=name))
    np.testing.assert_array_equal(join(given, SPLITS).keypoints, points(ALL))


def test_the_split_is_found_where_names_fit_one_best():
    """a and b are files of both splits, but only one split has three images, and only the other has two."""
    train = outputs(["c.jpg", "a.jpg", "b.jpg"], of=["train/c.jpg", "train/a.jpg", "train/b.jpg"], source="one")
    test = outputs(["b.jpg", "a.jpg"], of=["test/b.jpg", "test/a.jpg"], source="two")
    np.testing.assert_array_equal(join([train, test], SPLITS).keypoints, points(ALL))


def test_names_that_fit_both_splits_alike_are_refused():
    splits: dict[Split, SplitTruth] = {
        "regress": split("train/a.jpg", "train/b.jpg"),
        "test": split("test/a.jpg", "test/b.jpg"),
    }
    assert "match both splits equally well; write regress:FILE or test:FILE" in refusal(
        outputs(["a.jpg", "b.jpg"]), splits=splits
    )


def test_a_file_name_that_several_images_have_is_not_guessed():
    splits: dict[Split, SplitTruth] = {"regress": split("x/a.jpg", "y/a.jpg", "z/b.jpg"), "test": split("q/c.jpg")}
    message = refusal(outputs(["a.jpg", "b.jpg", "c.jpg"]), splits=splits)
    assert "no keypoints for 2 of 3 images of split 'regress', first 'x/a.jpg'" in message


def test_an_image_that_the_task_has_is_not_another_of_the_same_file_name():
    """test/a.jpg and test/b.jpg, assigned to the other split, are not its train/a.jpg and train/b.jpg."""
    splits: dict[Split, SplitTruth] = {"regress": split("train/a.jpg", "train/b.jpg"), "test": SPLITS["test"]}
    given = [
        outputs(splits["test"].ids, split="regress", source="one"),
        outputs(splits["regress"].ids, split="test", source="two"),
    ]
    assert "one: 2 rows belong to no image of split 'regress', first 'test/a.jpg'" in refusal(*given, splits=splits)


def test_paths_with_another_ending_tell_apart_what_file_names_do_not():
    joined = join([outputs([name.replace(".jpg", ".png") for name in ALL], of=ALL)], SPLITS)
    np.testing.assert_array_equal(joined.keypoints, points(ALL))


def test_rows_of_other_images_are_left_out_and_noted():
    joined = join([outputs([*ALL, "elsewhere/z.jpg"])], SPLITS)
    assert joined.notes == ("file: 1 rows belong to no image of the task, first 'elsewhere/z.jpg'",)
    assert len(joined.ids) == 5


def test_missing_images_and_foreign_names_are_refused():
    assert "no keypoints for 1 of 2 images of split 'test', first 'test/b.jpg'" in refusal(outputs(ALL[:4]))
    assert "names no image of the task; it has 'p.png', the task 'train/a.jpg'" in refusal(outputs(["p.png", "q.png"]))


def test_an_image_said_twice_must_say_the_same():
    assert len(join([outputs([*ALL, ALL[0]])], SPLITS).ids) == 5
    message = refusal(outputs([*ALL, ALL[0]], of=[*ALL, ALL[1]]))
    assert "image 'train/a.jpg' has other keypoints than in an earlier row" in message
    assert "than in one" in refusal(outputs(ALL, source="one"), outputs(ALL[:1], of=ALL[1:2], source="two"))


def test_rows_without_names_stand_in_the_splits_order_where_the_counts_agree():
    given = [Outputs("one", points(ALL[:3])), Outputs("two", points(ALL[3:]))]
    joined = join(given, SPLITS)
    np.testing.assert_array_equal(joined.keypoints, points(ALL))
    assert "one: names no images; its 3 rows are taken in the order of split 'regress'" in joined.notes


def test_rows_without_names_are_refused_where_the_counts_do_not_tell():
    assert "has 4 rows; expected a row per image of split 'regress' (3, from 'train/a.jpg'" in refusal(
        Outputs("one", points("abcd"))
    )
    assert "of split 'test' (2, from 'test/a.jpg' to 'test/b.jpg')" in refusal(Outputs("one", points("abc"), "test"))
    twins: dict[Split, SplitTruth] = {"regress": split("a", "b"), "test": split("c", "d")}
    assert "both splits have 2; write regress:FILE or test:FILE" in refusal(Outputs("one", points("ab")), splits=twins)


def test_an_image_of_both_splits_is_kept_once():
    splits: dict[Split, SplitTruth] = {"regress": split("a", "b"), "test": split("b", "c")}
    joined = join([outputs(["c", "b", "a"])], splits)
    assert (joined.ids, joined.splits) == (("a", "b", "c"), ("regress", "regress", "test"))
    np.testing.assert_array_equal(joined.of(("b", "c")), points(["b", "c"]))


def keypoints_near(found, noise, seed=0):
    rng = np.random.default_rng(seed)
    return found.landmarks[:, :3] + rng.normal(0, noise, (len(found.ids), 3, 2))


def test_keypoints_that_follow_landmarks_are_in_order_and_exchanged_are_not():
    found = truth("regress", 60, 5)
    points = keypoints_near(found, 0.005)
    assert check_order(points, found) == (False, "")
    swapped, text = check_order(points[..., ::-1], found)
    assert swapped and text.startswith("read as (y, x) they explain 9")


def test_a_little_evidence_against_the_order_is_noted():
    found = truth("regress", 400, 5)
    swapped, text = check_order(keypoints_near(found, 0.25)[..., ::-1], found)
    assert not swapped
    assert text.startswith("the order of x and y is in doubt: read as (y, x) they explain 1")


def test_shuffled_and_constant_keypoints_say_nothing():
    found = truth("regress", 200, 5)
    shuffled = keypoints_near(found, 0.005)[np.random.default_rng(1).permutation(200)]
    for points in (shuffled, np.full((200, 3, 2), 0.5)):
        swapped, text = check_order(points, found)
        assert not swapped
        assert "do not predict where landmarks are" in text


def test_keypoints_in_one_quarter_are_noted_unless_landmarks_are_there_too():
    found = truth("regress", 60, 5)
    points = keypoints_near(found, 0.005)
    assert check_scale(points, found) == ""
    assert "the keypoints may be pixels of a smaller image" in check_scale(points / 2, found)
    small = SplitTruth(found.ids, found.landmarks / 2, found.visible)
    assert check_scale(points / 2, small) == ""


def test_too_few_images_tell_nothing():
    found = truth("regress", 15, 5)
    assert check_order(keypoints_near(found, 0.005)[..., ::-1], found) == (False, "")


def test_what_is_explained_is_one_less_the_error_of_held_out_images():
    """Landmark = keypoint + noise of a quarter of its variance: 80 % of what is left is explained, but for chance."""
    rng = np.random.default_rng(5)
    points = rng.normal(0, 1, (4000, 1, 2))
    landmarks = points + rng.normal(0, 0.5, (4000, 1, 2))
    assert explained(points, landmarks, np.ones((4000, 1), dtype=bool)) == pytest.approx(0.8, abs=0.02)
    assert explained(points[..., ::-1], landmarks, np.ones((4000, 1), dtype=bool)) < 0.01


@pytest.mark.parametrize("odd", ["/", ".", "..", "//", "\\", "./"])
def test_a_name_that_names_no_file_is_refused_as_unknown(odd):
    assert "no keypoints for" in refusal(outputs([odd, *ALL[1:]]))
