"""Classes parted by domain: what can be forgotten is then one class in one domain, `dog@sketch`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from unlearn_bench.errors import InputError, unknown

SEPARATOR, EVERY = "@", "*"
TEMPLATE = "{domain} of a {}."
"""Evaluation template of a dataset with domains, where nobody gives another."""

PHRASES: Mapping[str, str] = MappingProxyType(
    {
        "photo": "a photo",
        "real": "a photo",
        "real_world": "a photo",
        "product": "a photo",
        "art": "a painting",
        "art_painting": "a painting",
        "painting": "a painting",
        "infograph": "an infographic",
        "quickdraw": "a quickdraw drawing",
    }
)
"""What templates call a domain, where that is not its own name: of PACS, Office-Home and DomainNet."""


@dataclass(frozen=True, kw_only=True)
class DomainLabels:
    """The labels of a dataset with domains, one for each class in each domain where it has pictures.

    Attributes:
        classes, domains: of each label, in the order of the labels.
        phrases: what `{domain}` in a template stands for, for each domain.
    """

    classes: tuple[str, ...]
    domains: tuple[str, ...]
    phrases: Mapping[str, str]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of each label: `dog@sketch`."""
        return tuple(f"{name}{SEPARATOR}{domain}" for name, domain in zip(self.classes, self.domains, strict=True))

    @cached_property
    def class_list(self) -> tuple[str, ...]:
        """Each class once."""
        return tuple(dict.fromkeys(self.classes))

    @cached_property
    def domain_list(self) -> tuple[str, ...]:
        """Each domain once."""
        return tuple(dict.fromkeys(self.domains))

    def texts(self, template: str) -> tuple[str, ...]:
        """The template filled with class and domain of each label; it need not name the domain."""
        pairs = zip(self.classes, self.domains, strict=True)
        return tuple(template.format(name, domain=self.phrases[domain]) for name, domain in pairs)

    def labels(self, wanted: str, *, of: str) -> tuple[int, ...]:
        """The labels that `dog` (in all domains), `dog@sketch` or `*@sketch` (a whole domain) stands for.

        Raises:
            InputError: no such class or domain in the dataset called `of`, or the class has no pictures in the
                domain.
        """
        name, separator, domain = wanted.rpartition(SEPARATOR)
        if not separator or wanted in self.class_list:
            name, domain = wanted, EVERY
        if domain != EVERY and domain not in self.domain_list:
            raise unknown(f"domain of {of!r}", domain, self.domain_list)
        if name != EVERY and name not in self.class_list:
            raise unknown(f"class of {of!r}", name, self.class_list)
        found = tuple(
            label
            for label, (own, place) in enumerate(zip(self.classes, self.domains, strict=True))
            if name in {own, EVERY} and domain in {place, EVERY}
        )
        if not found:
            there = ", ".join(place for own, place in zip(self.classes, self.domains, strict=True) if own == name)
            raise InputError(f"class {name!r} of {of!r} has no images in domain {domain!r}; it has in {there}")
        return found

    def canonical(self, labels: Sequence[int]) -> tuple[str, ...]:
        """The shortest way to say these labels, the same for the same set: whole domains, then whole classes, then
        the rest, each in the dataset's order; what is in a whole domain is not said again.

        >>> cats = DomainLabels(classes=("cat", "dog") * 2, domains=("art", "art", "photo", "photo"), phrases={})
        >>> cats.canonical((0, 1)), cats.canonical((2, 0)), cats.canonical((1, 2, 0))
        (('*@art',), ('cat',), ('*@art', 'cat'))
        """
        left = set(labels)
        of_domain = {name: self._where(self.domains, name) for name in self.domain_list}
        of_class = {name: self._where(self.classes, name) for name in self.class_list}
        whole = [name for name, own in of_domain.items() if own <= left]
        said = {label for name in whole for label in of_domain[name]}
        full = [name for name, own in of_class.items() if own <= left and not own <= said]
        said |= {label for name in full for label in of_class[name]}
        rest = [self.names[label] for label in sorted(left - said)]
        return (*(f"{EVERY}{SEPARATOR}{name}" for name in whole), *full, *rest)

    @staticmethod
    def _where(values: Sequence[str], wanted: str) -> set[int]:
        return {place for place, value in enumerate(values) if value == wanted}


def make_domain_labels(
    pairs: Sequence[tuple[str, str]], *, of: str, phrases: Mapping[str, str] | None = None
) -> DomainLabels:
    """The labels of (class, domain) pairs, one for each label.

    Raises:
        InputError: fewer than two domains or classes, a name that `dog@sketch` could not say, or a phrase of a
            domain that is not there.
    """
    found = DomainLabels(
        classes=tuple(name for name, _ in pairs), domains=tuple(domain for _, domain in pairs), phrases={}
    )
    for what, names in (("domains", found.domain_list), ("classes", found.class_list)):
        if len(names) < 2:
            raise InputError(
                f"{of!r} has {len(names)} {what} with images ({', '.join(names)}); at least two are needed"
            )
    for what, names, bad in (
        ("domain", found.domain_list, SEPARATOR + "/"),
        ("class", found.class_list, ""),
    ):
        for name in names:
            if name == EVERY or any(sign in name for sign in bad):
                raise InputError(f"{of!r} has a {what} called {name!r}; rename it, {EVERY} and {SEPARATOR} are taken")
    both = sorted(set(found.class_list) & set(found.names))
    if both:
        raise InputError(f"{of!r} has a class {both[0]!r}, and a class of a domain that is said so; rename one")
    for domain in phrases or {}:
        if domain not in found.domain_list:
            raise unknown(f"domain of {of!r}", domain, found.domain_list)
    usual = {domain: phrase_of(domain) for domain in found.domain_list}
    return DomainLabels(classes=found.classes, domains=found.domains, phrases={**usual, **(phrases or {})})


def phrase_of(domain: str) -> str:
    """What templates call a domain.

    >>> phrase_of("Real World"), phrase_of("sketch"), phrase_of("oil_print")
    ('a photo', 'a sketch', 'an oil print')
    """
    words = domain.lower().replace("_", " ").strip()
    article = "an" if words[:1] in "aeiou" else "a"
    return PHRASES.get(words.replace(" ", "_"), f"{article} {words}")
