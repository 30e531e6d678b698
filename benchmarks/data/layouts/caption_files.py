"""`captions:/path`: images with captions of people, as Flickr30k and files in its layouts have them."""

import csv
import difflib
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl

from PIL import Image

from unlearn_bench.benchmarks.data.dataset.base import Dataset, Index, LeftOut, Split
from unlearn_bench.benchmarks.data.dataset.partition import WHOLE, cut_by_hash
from unlearn_bench.benchmarks.data.dataset.pictures import read_rgb
from unlearn_bench.benchmarks.data.dataset.prefixes import CAPTIONS_PREFIX
from unlearn_bench.benchmarks.data.dataset.templates import DEFAULT_TEMPLATE, check_template
from unlearn_bench.benchmarks.data.layouts.official import BY_HASH
from unlearn_bench.benchmarks.data.layouts.tree import Tree, shown
from unlearn_bench.documents import parse_json
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.shown import visible

USUAL = ("dataset_flickr30k.json", "results_20130124.token", "results.csv", "captions.txt")
REST = "anything else"
"""The label of images that show no topic, so that methods have something to keep."""

_BOTH = " & "
_SPLITS: Mapping[str, Split] = {"train": "train", "restval": "train", "val": "val", "test": "test"}
_TOKEN = re.compile(r"(?P<image>[^\t]+)#\d+\t(?P<caption>.*)")


class CaptionFiles(Dataset):
    """Images with one or several captions each; what is forgotten is what captions speak of.

    A topic is a word or a phrase. An image belongs to it if any of its captions has the topic, as whole words and
    whatever the case ("dog" is not in "dogs"), and all pairs of the image go with it: what is kept then never names
    what is forgotten. An image of several topics has a label of its own ("dog & beach") and belongs to each of them;
    an image of none has the label "anything else". These labels say what is forgotten; they are no classes to choose
    between, so zero-shot accuracy is not measured here.

    Captions come from `image.jpg#0<tab>caption` lines, from a table with the columns `image,caption` or
    `image_name| comment_number| comment`, or from Karpathy's JSON, whose splits are used; otherwise images are
    ordered by a hash of their names and cut 50 : 20 : 30. Images that no line names are left out. The version is a
    hash of the captions, the sizes of the images, the split and the topics. A line about a link to nothing counts as
    none; `left_out` names it, each picture without a line, and all else that is there.

    Args:
        path: the folder of the images. captions: the file. topics: words or phrases.
        template: of the topics' texts.

    Raises:
        InputError: no such folder, file or topic; a file in another layout; a line without a caption, or one that
            names an image that is not there.
    """

    licence = "as the owner of the images says"
    path: Path
    threadsafe = True
    classified = False

    def __init__(
        self, path: Path, captions: Path, *, topics: Sequence[str], template: str = DEFAULT_TEMPLATE
    ) -> None:
        if not path.is_dir():
            raise InputError(f"no folder at {str(path)!r}; give captions:/path/to/images?captions=FILE")
        self.path, self.name = path.resolve(), f"{CAPTIONS_PREFIX}{visible(path.resolve().name)}"
        self.template, self.source = template, f"images of the user's with {visible(captions.name)}"
        self._topics = tuple(dict.fromkeys(topic.strip() for topic in topics if topic.strip()))
        if not self._topics:
            raise InputError(f"{self.name!r} names no topic; add ?topic=WORD, or --classes WORD")
        self._captions, splits = read_captions(captions)
        self._check_images(captions)
        self.left_out = self._leave_out(captions)
        self.split_name = "karpathy" if splits else BY_HASH
        how = "the splits of the captions' file" if splits else "cut by a hash of the names"
        lines = sum(map(len, self._captions.values()))
        self.layout = f"images with {lines} captions from {shown(captions.name)!r}; {how}"
        self._images: Mapping[str, Sequence[str]] = _split(list(self._captions), splits)
        self._shown = {image: self._topics_of(texts) for image, texts in self._captions.items()}
        self._check_topics()
        used = dict.fromkeys([*((topic,) for topic in self._topics), *sorted(filter(None, self._shown.values()))])
        self._sets = (*used, *([()] if () in self._shown.values() else []))
        self.class_names = tuple(_BOTH.join(topics) or REST for topics in self._sets)
        self.forget_classes = self._topics

    @cached_property
    def pictures(self) -> str:  # type: ignore[override]
        """A hash of the captions, the images' sizes and the split."""
        rows = [
            [split, image, (self.path / image).stat().st_size, self._captions[image]]
            for split, images in sorted(self._images.items())
            for image in images
        ]
        return f"{self.split_name}-{hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]}"

    @cached_property
    def version(self) -> str:  # type: ignore[override]
        """The hash of the pictures and captions, and one of the topics."""
        return f"{self.pictures}-{hashlib.sha256(json.dumps(self.class_names).encode()).hexdigest()[:6]}"

    @property
    def choices(self) -> tuple[str, ...]:
        """The topics."""
        return self._topics

    def labels(self, names: Sequence[str]) -> tuple[int, ...]:
        """The labels of all images that show one of the topics."""
        for name in names:
            if name not in self._topics:
                raise unknown(f"topic of {self.name!r}", name, self._topics)
        return tuple(label for label, topics in enumerate(self._sets) if set(names) & set(topics))

    def index(self, split: Split) -> Index:
        """Labels, file names and captions."""
        images = self._images.get(split, ())
        return Index(
            labels=tuple(self._sets.index(self._shown[image]) for image in images),
            names=tuple(images),
            captions=tuple(self._captions[image] for image in images),
        )

    def picture(self, split: Split, row: int) -> Image.Image:
        """The file's first frame, as RGB."""
        path = self.path / self._images[split][row]
        return read_rgb(path, name=str(path))

    def _topics_of(self, texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(topic for topic in self._topics if any(names_topic(text, topic) for text in texts))

    def _check_images(self, captions: Path) -> None:
        there = {path.name for path in self.path.iterdir()}
        missing = [image for image in self._captions if image not in there]
        if missing:
            raise InputError(
                f"{str(captions)!r} names {len(missing)} images that are not in {str(self.path)!r}, {missing[0]!r} "
                "first; complete the images, or take their lines out"
            )

    def _leave_out(self, captions: Path) -> tuple[LeftOut, ...]:
        """Take out what is no file, and say what else in the folder is not used."""
        tree = Tree(self.path)
        for path in tree.pictures(self.path):
            if path.name not in self._captions:
                tree.leave(path, f"no line of {shown(captions.name)!r} names it")
        for leaf in tree.leaves(self.path):
            tree.leave(self.path.joinpath(*leaf.parts), "below the folder of the images", count=len(leaf.files))
        used = {image for image in self._captions if (self.path / image).is_file()}
        if not used:
            raise InputError(
                f"{str(captions)!r} names {len(self._captions)} images, and none of them is a file in "
                f"{str(self.path)!r}; complete the images"
            )
        self._captions = {image: texts for image, texts in self._captions.items() if image in used}
        own = {captions.name} if captions.resolve().parent == self.path else set()
        return tuple(item for item in tree.left_out if item.name not in used | own)

    def _check_topics(self) -> None:
        for topic in self._topics:
            if not any(topic in shown for shown in self._shown.values()):
                words = {word for texts in self._captions.values() for text in texts for word in _words(text)}
                near = difflib.get_close_matches(topic.lower(), sorted(words), n=3)
                hint = f"; near it are {', '.join(near)}" if near else ""
                raise InputError(f"no caption of {self.name!r} has the words {topic!r}{hint}; name another topic")


def open_captions(spec: str) -> CaptionFiles:
    """The dataset of `captions:/images?captions=FILE&topic=dog&topic=a guitar&template=..`.

    FILE is a path, or a name in the folder of the images or the one above; without it, a file called as Flickr30k
    calls its own is looked for there.

    Raises:
        InputError: an unknown option, no such file, or a template without `{}`; and what `CaptionFiles` raises.
    """
    folder, _, rest = spec.removeprefix(CAPTIONS_PREFIX).partition("?")
    options: dict[str, list[str]] = {"captions": [], "topic": [], "template": []}
    for option, value in parse_qsl(rest, keep_blank_values=True):
        if option not in options:
            raise unknown(f"option of {CAPTIONS_PREFIX}{folder}", option, options)
        options[option].append(value)
    template = (options["template"] or [DEFAULT_TEMPLATE])[-1]
    check_template(template, of=spec)
    path = Path(folder).expanduser()
    names = options["captions"] or USUAL
    found = [place for name in names for place in (Path(name).expanduser(), path / name, path.parent / name)]
    captions = next((place for place in found if place.is_file()), None)
    if captions is None:
        raise InputError(f"no captions ({', '.join(names)}) beside {str(path)!r}; give ?captions=FILE")
    return CaptionFiles(path, captions, topics=options["topic"], template=template)


def names_topic(caption: str, topic: str) -> bool:
    """Whether the caption has the topic's words, next to each other, as whole words in any case.

    >>> names_topic("A Dog runs.", "dog"), names_topic("two dogs", "dog"), names_topic("a red  car", "red car")
    (True, False, True)
    """
    words = r"\s+".join(re.escape(word) for word in topic.split())
    return re.search(rf"(?<!\w){words}(?!\w)", caption, re.IGNORECASE) is not None


def read_captions(path: Path) -> tuple[dict[str, tuple[str, ...]], dict[str, Split]]:
    """Captions by image in the order of the file, and the split of each image where the file has splits.

    Raises:
        InputError: not readable, in no known layout, or an entry without image or caption.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        entries = list(_from_json(parse_json(text), path) if path.suffix == ".json" else _from_lines(text, path))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"captions file {str(path)!r} can't be read ({error}); get it again") from error
    captions: dict[str, list[str]] = {}
    splits: dict[str, Split] = {}
    for where, image, caption, split in entries:
        if not image or not caption or not caption.strip():
            raise InputError(f"captions file {str(path)!r}, {where}: no {'caption' if image else 'image'}; mend it")
        captions.setdefault(image, []).append(caption.strip())
        if split is not None:
            splits[image] = split
    if not captions:
        raise InputError(f"captions file {str(path)!r} holds no captions; get it again")
    return {image: tuple(texts) for image, texts in captions.items()}, splits


_Entry = tuple[str, str | None, str | None, Split | None]
"""Where it stands, the image's file name, a caption, the split."""


def _from_lines(text: str, path: Path) -> Iterator[_Entry]:
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    first = lines[0][1] if lines else ""
    if re.match(r".+#\d+\s", first):
        for number, line in lines:
            match = _TOKEN.fullmatch(line)
            yield f"line {number}", *((match["image"], match["caption"]) if match else (line[:40], None)), None
        return
    separator = "|" if "|" in first else ","
    header = [name.strip().lower() for name in first.split(separator)]
    image = next((name for name in ("image", "image_name", "filename") if name in header), None)
    caption = next((name for name in ("caption", "comment") if name in header), None)
    if image is None or caption is None:
        raise InputError(
            f"captions file {str(path)!r} begins with {first[:60]!r}; expected the columns image,caption or "
            "image_name| comment_number| comment, lines image.jpg#0<tab>caption, or JSON"
        )
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if separator == "," else csv.QUOTE_NONE
    rows = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True, quoting=quoting)
    places = header.index(image), header.index(caption)
    for row in rows:
        if rows.line_num == lines[0][0] or not any(row):
            continue
        # A comma in a caption that nobody put into quotes: the caption is the last column, and takes the rest.
        last = separator.join(row[places[1] :]) if places[1] == len(header) - 1 else "".join(row[places[1] :][:1])
        yield f"line {rows.line_num}", (row[places[0]].strip() if len(row) > places[0] else None), last, None


def _from_json(data: Any, path: Path) -> Iterator[_Entry]:  # noqa: ANN401  (what a file holds)
    images = data.get("images") if isinstance(data, dict) else None
    if not isinstance(images, list):
        raise InputError(f"captions file {str(path)!r} has no list 'images'; expected Karpathy's JSON")
    for place, item in enumerate(images):
        where, known = f"images[{place}]", isinstance(item, dict)
        sentences = item.get("sentences") if known else None
        split = _SPLITS.get(str(item.get("split"))) if known else None
        if not known or not isinstance(sentences, list) or not sentences or split is None:
            raise InputError(f"captions file {str(path)!r}, {where}: expected filename, split and sentences; mend it")
        for sentence in sentences:
            raw = sentence.get("raw") if isinstance(sentence, dict) else None
            yield where, str(item.get("filename") or ""), None if raw is None else str(raw), split


def _split(images: Sequence[str], splits: Mapping[str, Split]) -> dict[str, list[str]]:
    if splits:
        return {
            split: sorted(image for image in images if splits[image] == split) for split in ("train", "val", "test")
        }
    cut = cut_by_hash(images, WHOLE, group=lambda _: "", name=lambda image: image)
    return {split: sorted(chosen) for split, chosen in cut.items()}


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
