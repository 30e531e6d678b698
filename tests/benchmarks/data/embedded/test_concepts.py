"""The datasets as data: counts, names, and the rule that chooses what is forgotten."""

import subprocess
import sys

import pytest

from unlearn_bench.benchmarks.data.embedded.drawing.concepts import (
    CONTROL,
    DATASETS,
    DOMAINS,
    SUITE,
    MiniClass,
    MiniDataset,
)


def test_the_suite_has_four_datasets_and_a_control_set() -> None:
    assert set(DATASETS) == {*SUITE, CONTROL}
    assert sum(len(DATASETS[name].classes) for name in SUITE) == 64
    assert all(10 <= len(dataset.classes) <= 20 for dataset in DATASETS.values())


def test_no_class_name_is_shared() -> None:
    names = [name for dataset in DATASETS.values() for name in dataset.class_names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_labels_follow_the_sorted_names(dataset: MiniDataset) -> None:
    assert list(dataset.class_names) == sorted(dataset.class_names)


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_forget_and_tuning_classes_never_meet(dataset: MiniDataset) -> None:
    assert len({*dataset.forget_classes, *dataset.tuning_classes}) == 5
    assert {*dataset.forget_classes, *dataset.tuning_classes} <= set(dataset.class_names)


def test_the_rule_sees_names_only() -> None:
    classes = tuple(MiniClass(name=letter) for letter in "fedcbalkjihg")
    dataset = MiniDataset(
        name="any", classes=classes, template="{}", facts={}, licence="MIT", source="none", version="1"
    )
    assert dataset.forget_classes == ("c", "g", "k")  # positions 2, 6 and 10 of a .. l
    assert dataset.tuning_classes == ("e", "i")  # positions 4 and 8


def test_the_rule_passes_over_what_leaves_no_room() -> None:
    classes = tuple(MiniClass(name=letter) for letter in "abcdefghijkl")
    dataset = MiniDataset(
        name="any",
        classes=classes,
        template="{}",
        facts={},
        out_of_band=("c", "e", "k", "l"),
        licence="MIT",
        source="none",
        version="1",
    )
    assert dataset.forget_classes == ("d", "g", "j")  # the later neighbour of c; j, as k and l are out
    assert dataset.tuning_classes == ("f", "i")  # f, the later neighbour of e; i is free


def test_the_chosen_classes_stay_what_they_are() -> None:
    chosen = {name: DATASETS[name].forget_classes for name in SUITE}
    assert chosen == {
        "mini-digits": ("digit five", "digit seven", "digit two"),
        "mini-shapes": ("blue hexagon", "purple ellipse", "star"),
        "mini-letters": ("letter d", "letter m", "letter u"),
        "mini-textures": ("cracks", "polka dots", "waves"),
    }


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_templates_have_one_place_for_the_name(dataset: MiniDataset) -> None:
    assert dataset.template.count("{}") == 1
    assert dataset.licence
    assert dataset.source
    assert dataset.version


def test_composed_names_are_colour_and_form() -> None:
    shapes = DATASETS["mini-shapes"]
    assert [each.name for each in shapes.classes if each.composed] == [
        name for name in shapes.class_names if " " in name
    ]
    assert not any(each.composed for name in SUITE if name != "mini-shapes" for each in DATASETS[name].classes)


def test_shapes_and_letters_come_in_three_domains() -> None:
    with_domains = {name for name, dataset in DATASETS.items() if dataset.domains == DOMAINS}
    assert with_domains == {"mini-shapes", "mini-letters"}
    assert all(not dataset.domains for name, dataset in DATASETS.items() if name not in with_domains)


def test_split_sizes() -> None:
    for dataset in DATASETS.values():
        for name in dataset.class_names:
            assert dataset.images_in("train", name) == 20
            assert 20 <= dataset.images_in("val", name) <= 25
            expected = 25
            if name in dataset.forget_classes:
                expected = {"mini-digits": 50, "mini-icons": 25}.get(dataset.name, 100)
            assert dataset.images_in("test", name) == expected


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys, unlearn_bench.benchmarks.data.embedded.drawing.concepts;"
        "sys.exit(bool({'torch', 'numpy', 'PIL', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
