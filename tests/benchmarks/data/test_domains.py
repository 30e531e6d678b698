"""Classes parted by domain: what a name stands for, and the one way to say a set of labels."""

from itertools import chain, combinations

import pytest

from unlearn_bench.benchmarks.data.dataset.domains import DomainLabels, make_domain_labels, phrase_of
from unlearn_bench.errors import InputError

PAIRS = [("cat", "photo"), ("dog", "photo"), ("fox", "photo"), ("cat", "sketch"), ("dog", "sketch")]


@pytest.fixture
def domain_labels() -> DomainLabels:
    return make_domain_labels(PAIRS, of="animals")


def test_names_and_texts(domain_labels: DomainLabels) -> None:
    assert domain_labels.names == ("cat@photo", "dog@photo", "fox@photo", "cat@sketch", "dog@sketch")
    assert domain_labels.texts("{domain} of a {}.")[1:4] == (
        "a photo of a dog.",
        "a photo of a fox.",
        "a sketch of a cat.",
    )
    assert domain_labels.texts("one {}")[3] == "one cat"
    assert domain_labels.class_list == ("cat", "dog", "fox")
    assert domain_labels.domain_list == ("photo", "sketch")


@pytest.mark.parametrize(
    ("wanted", "labels"),
    [("dog", (1, 4)), ("dog@sketch", (4,)), ("*@sketch", (3, 4)), ("fox", (2,)), ("dog@*", (1, 4))],
)
def test_what_a_name_stands_for(wanted: str, labels: tuple[int, ...], domain_labels: DomainLabels) -> None:
    assert domain_labels.labels(wanted, of="animals") == labels


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("dog@skech", "unknown domain of 'animals' 'skech'; known: photo, sketch; did you mean 'sketch'?"),
        ("dgo@sketch", "unknown class of 'animals' 'dgo'; known: cat, dog, fox; did you mean 'dog'?"),
        ("dgo", "unknown class of 'animals' 'dgo'; known: cat, dog, fox; did you mean 'dog'?"),
        ("fox@sketch", "class 'fox' of 'animals' has no images in domain 'sketch'; it has in photo"),
    ],
)
def test_names_that_stand_for_nothing(wanted: str, message: str, domain_labels: DomainLabels) -> None:
    with pytest.raises(InputError) as caught:
        domain_labels.labels(wanted, of="animals")
    assert str(caught.value) == message


def test_every_set_has_one_name_that_says_it(domain_labels: DomainLabels) -> None:
    sets = chain.from_iterable(combinations(range(5), size) for size in range(1, 6))
    said = {}
    for labels in sets:
        names = domain_labels.canonical(labels)
        assert domain_labels.canonical(tuple(reversed(labels))) == names
        back = {label for name in names for label in domain_labels.labels(name, of="animals")}
        assert back == set(labels)
        said[names] = labels
    assert len(said) == 31


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ((1,), ("dog@photo",)),
        ((1, 4), ("dog",)),
        ((2,), ("fox",)),  # it is in one domain only: the class is the set
        ((3, 4), ("*@sketch",)),
        ((3, 4, 0), ("*@sketch", "cat")),
        ((0, 1, 2, 4), ("*@photo", "dog")),
        ((0, 1, 2, 3, 4), ("*@photo", "*@sketch")),
    ],
)
def test_the_shortest_way_to_say_it(
    labels: tuple[int, ...], names: tuple[str, ...], domain_labels: DomainLabels
) -> None:
    assert domain_labels.canonical(labels) == names


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("cat", "photo"), ("dog", "photo")], "'x' has 1 domains with images"),
        ([("cat", "photo"), ("cat", "sketch")], "'x' has 1 classes with images"),
        ([("cat", "a@b"), ("dog", "c")], "a domain called 'a@b'"),
        ([("cat", "*"), ("dog", "c")], r"a domain called '\*'"),
        ([("c@t", "photo"), ("c", "t")], "a class 'c@t', and a class of a domain that is said so"),
    ],
)
def test_what_can_not_be_parted(pairs: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_domain_labels(pairs, of="x")


def test_a_phrase_of_ones_own() -> None:
    found = make_domain_labels(PAIRS, of="animals", phrases={"sketch": "a pencil drawing"})
    assert found.phrases == {"photo": "a photo", "sketch": "a pencil drawing"}
    with pytest.raises(InputError, match=r"unknown domain of 'animals' 'skech'.*did you mean 'sketch'"):
        make_domain_labels(PAIRS, of="animals", phrases={"skech": "a pencil drawing"})


@pytest.mark.parametrize(
    ("domain", "phrase"),
    [
        ("photo", "a photo"),
        ("real", "a photo"),
        ("Real World", "a photo"),
        ("Product", "a photo"),
        ("Art", "a painting"),
        ("art_painting", "a painting"),
        ("painting", "a painting"),
        ("cartoon", "a cartoon"),
        ("Clipart", "a clipart"),
        ("quickdraw", "a quickdraw drawing"),
        ("infograph", "an infographic"),
        ("sketch", "a sketch"),
        ("embroidery", "an embroidery"),
        ("sticker", "a sticker"),
    ],
)
def test_phrases_of_the_domains_that_the_field_uses(domain: str, phrase: str) -> None:
    assert phrase_of(domain) == phrase
