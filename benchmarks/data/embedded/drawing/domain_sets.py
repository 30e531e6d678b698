"""`mini-domains` as data: the shapes with their domains as part of the label, and the rule that chooses what is
forgotten.

The rule looks at names, and at the models' zero-shot accuracy on val before any forgetting, never at what a method
does. A class in a domain is in band where both models name .45 to .95 of its val images, with the domain's own text
among the texts of that domain. With the class names sorted, around the middle of each third (positions n // 6,
n // 2, 5 n // 6) are chosen, each the nearest name that is free, the later of two equally near:

- first a class to be forgotten in all domains, in band in each of them;
- then a class to be forgotten in one domain, in band there: in the first domain for the first third, and so on;
- and one domain is forgotten completely: the one in the middle by accuracy over all classes and both models.

The tuning classes of the shapes are never free, and in two of the remaining domains they are what this dataset is
tuned on: so nothing that was tuned on is reported, but for the share that the complete domain has of them.

Like `concepts`, this module imports neither torch nor NumPy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from unlearn_bench.benchmarks.data.embedded.drawing.concepts import DATASETS, MiniDataset, Split


@dataclass(frozen=True, kw_only=True)
class DomainSets:
    """A rendered dataset whose classes are parted by domain.

    Args:
        name: registered name.
        base: the dataset whose drawings these are: the same images for the same split, class and index.
        out_of_band: for each domain, the classes on which a model's accuracy leaves no room there.
        complete: the domain that is forgotten completely.
        per_domain: images of a class in each domain, by split; `forget_test` for the test images of classes that are
            forgotten in some domain.
        version: raised by hand when the pixels change.
    """

    name: str
    base: MiniDataset
    out_of_band: Mapping[str, tuple[str, ...]]
    complete: str
    per_domain: Mapping[Split, int]
    forget_test: int
    version: str

    @property
    def summary(self) -> str:
        """One line for listings."""
        return f"{len(self.base.classes)} classes in {len(self.base.domains)} domains; drawings like {self.base.name}"

    @property
    def forget_classes(self) -> tuple[str, ...]:
        """`cross` in all domains, `ring@painting` in one, `*@sketch` a domain, by the module's rule."""
        whole, single = self._chosen()
        places = zip(single, self.base.domains, strict=True)
        return (*whole, *(f"{name}@{domain}" for name, domain in places), f"*@{self.complete}")

    @property
    def tuning_classes(self) -> tuple[str, ...]:
        """The base's tuning classes, one in each domain that is not forgotten completely."""
        domains = [domain for domain in self.base.domains if domain != self.complete]
        return tuple(f"{name}@{domain}" for name, domain in zip(self.base.tuning_classes, domains, strict=True))

    def images_in(self, split: Split, name: str) -> int:
        """How many images of class `name` the split holds, all domains together."""
        whole, single = self._chosen()
        each = self.forget_test if split == "test" and name in {*whole, *single} else self.per_domain[split]
        return each * len(self.base.domains)

    def _chosen(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The classes to be forgotten in all domains, and in one each."""
        names = sorted(self.base.class_names)
        middles = (len(names) // 6, len(names) // 2, 5 * len(names) // 6)
        taken = list(self.base.tuning_classes)
        nowhere = {name for out in self.out_of_band.values() for name in out}
        for out in (
            *[nowhere] * len(middles),
            *(set(self.out_of_band.get(domain, ())) for domain in self.base.domains),
        ):
            middle = middles[(len(taken) - len(self.base.tuning_classes)) % len(middles)]
            free = [place for place, name in enumerate(names) if name not in taken and name not in out]
            _, place = min((abs(place - middle), -place) for place in free)
            taken.append(names[-place])
        chosen = tuple(taken[len(self.base.tuning_classes) :])
        return chosen[: len(middles)], chosen[len(middles) :]


MINI_DOMAINS = DomainSets(
    name="mini-domains",
    base=DATASETS["mini-shapes"],
    out_of_band=MappingProxyType(
        {
            "photo": ("crescent", "ring", "teardrop"),
            "sketch": ("star",),
            "painting": ("blue circle", "orange circle", "orange hexagon", "purple circle"),
        }
    ),
    complete="sketch",
    per_domain=MappingProxyType({"pretrain": 60, "train": 10, "val": 30, "test": 20}),
    forget_test=50,
    version="1",
)
