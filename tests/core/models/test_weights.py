"""Published weights: where they are looked for, how they are fetched and verified, what is said when they can't."""

import json
from pathlib import Path

import open_clip
import pytest
from huggingface_hub import constants, hf_hub_download

from tests.core.hub import COMMIT, Server, asset, block_network, place, refusal, sha256
from unlearn_bench.downloads.transfer import Checksum, silent
from unlearn_bench.errors import InputError
from unlearn_bench.models.open_clip_weights import HubWeights, weights_asset

RN50 = "timm/resnet50_clip.openai"
SAFE, PICKLED = "open_clip_model.safetensors", "open_clip_pytorch_model.bin"

pytestmark = pytest.mark.usefixtures("hub")
CARD = b"---\nlicense: mit\ntags:\n- clip\n---\n# Model card\n"


@pytest.mark.parametrize(
    "spec",
    [
        "mini-rn",
        "mini-vit",
        "local-dir:/somewhere",
        "models/own.py:build",
        "RN50-quickgelu:own.pt",
        "RN50-gelu:folder/own",
        "RN50:random",
        "ViT-B-16:random-7",
    ],
)
def test_what_needs_no_weights(spec: str) -> None:
    assert weights_asset(spec) is None


@pytest.mark.parametrize(
    ("spec", "name", "repository"),
    [
        ("RN50", "RN50:openai", RN50),
        ("RN50:openai", "RN50:openai", RN50),
        ("ViT-B-16:openai", "ViT-B-16:openai", "timm/vit_base_patch16_clip_224.openai"),
        ("ViT-B-32", "ViT-B-32:openai", "timm/vit_base_patch32_clip_224.openai"),
        ("ViT-L-14", "ViT-L-14:openai", "timm/vit_large_patch14_clip_224.openai"),
        ("ViT-B-16-SigLIP", "ViT-B-16-SigLIP:webli", "timm/ViT-B-16-SigLIP"),
        ("ViT-B-32:laion2b_s34b_b79k", "ViT-B-32:laion2b_s34b_b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
    ],
)
def test_where_weights_come_from(spec: str, name: str, repository: str) -> None:
    found = asset(spec)
    assert isinstance(found, HubWeights)
    assert (found.name, found.kind, found.repository) == (name, "weights", repository)
    assert found.source == f"https://huggingface.co/{repository}"
    assert found.files == (SAFE, PICKLED)
    assert found.licence == ("MIT" if name.endswith(":openai") else f"see {found.source}")


def test_every_tag_of_open_clip_has_a_supply_or_a_reason() -> None:
    for name, tag in open_clip.list_pretrained():
        if "multimodal_cfg" in open_clip.get_model_config(name):
            with pytest.raises(InputError, match="captioner"):
                weights_asset(f"{name}:{tag}")
        else:
            assert asset(f"{name}:{tag}").name == f"{name}:{tag}"


def test_a_repository_whose_file_has_a_name_of_its_own() -> None:
    found = asset("ViTamin-S:datacomp1b")
    assert isinstance(found, HubWeights)
    assert (found.repository, found.files) == (
        "jienengchen/ViTamin-S",
        ("pytorch_model.safetensors", "pytorch_model.bin"),
    )


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("RN5:openai", "did you mean 'RN50'?"),
        ("RN50:opnai", "did you mean 'openai'?"),
        ("ViT-L-16", "needs a tag"),
        ("RN50-gelu:openai", "RN50:openai"),
        ("", "unknown model ''"),
    ],
)
def test_names_that_are_none(spec: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        weights_asset(spec)
    assert expected in str(caught.value)


def test_missing(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = block_network(monkeypatch)
    availability = asset().availability()
    assert availability.state == "missing"
    assert availability.path == str(hub / "models--timm--resnet50_clip.openai")
    assert availability.bytes is not None
    assert abs(availability.bytes - 408e6) < 1e6, "the hub lists 408 MB"
    assert f"hf download {RN50} {SAFE}" in availability.note
    assert "RN50-quickgelu:FILE" in availability.note
    assert str(hub) in availability.note
    assert tried == []


def test_sizes_of_other_architectures(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = block_network(monkeypatch)
    sizes = {name: asset(name).availability().bytes for name in ("ViT-B-16", "ViT-L-14", "roberta-ViT-B-32")}
    assert round((sizes["ViT-B-16"] or 0) / 1e6) == 598, "149,620,737 parameters"
    assert round((sizes["ViT-L-14"] or 0) / 1e6) == 1710, "427,616,513 parameters"
    assert sizes["roberta-ViT-B-32"] is None, "how RoBERTa is built stands in a file that is not here"
    facts = {"model_type": "roberta", "vocab_size": 50_265, "max_position_embeddings": 514, "type_vocab_size": 1}
    place(hub, "roberta-base", "config.json", json.dumps(facts).encode())
    parameters = 87_849_216 + 124_055_040 + 768 * 640 + 640 * 512 + 1  # ViT, RoBERTa, their projection, the scale
    assert asset("roberta-ViT-B-32").availability().bytes == 4 * parameters
    assert tried == []


def test_present_and_then_damaged(hub: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = block_network(monkeypatch)
    link = place(hub, RN50, SAFE, content)
    found = asset()
    availability = found.availability()
    assert (availability.state, availability.path, availability.bytes, availability.note) == (
        "present",
        str(link),
        len(content),
        "",
    )
    found.fetch(silent)
    link.resolve().write_bytes(content[:-1] + b"!")
    availability = found.availability()
    assert availability.state == "partial"
    assert "its checksum does not fit" in availability.note
    assert tried == []


def test_a_file_is_read_through_once(hub: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    place(hub, RN50, SAFE, content)
    found = asset()
    read: list[Path] = []
    of = Checksum.of

    def counted(checksum: Checksum, path: Path) -> str:
        read.append(path)
        return of(checksum, path)

    monkeypatch.setattr(Checksum, "of", counted)
    found.availability()
    found.fetch(silent)
    found.availability()
    assert len(read) == 1


def test_pickled_weights_count_and_safetensors_come_first(hub: Path, content: bytes) -> None:
    pickled = place(hub, RN50, PICKLED, b"pickled")
    assert asset().file() == pickled
    safe = place(hub, RN50, SAFE, content)
    assert asset().file() == safe


def test_a_copied_cache_without_links_is_taken_as_it_is(hub: Path, content: bytes) -> None:
    link = place(hub, RN50, SAFE, content)
    link.unlink()
    link.write_bytes(content)
    assert asset().availability().state == "present"


def test_a_link_that_points_nowhere_and_a_stopped_download(hub: Path, content: bytes) -> None:
    link = place(hub, RN50, SAFE, content)
    link.resolve().unlink()
    assert asset().availability().state == "missing"
    part = hub / "models--timm--resnet50_clip.openai" / "blobs" / "ab.incomplete"
    part.write_bytes(b"half")
    availability = asset().availability()
    assert (availability.state, availability.path) == ("partial", str(part))


def test_a_fetched_file_lies_where_the_hubs_client_and_open_clip_find_it(
    hub: Path, server: Server, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.add_to_hub(RN50, SAFE, content)
    server.add_to_hub(RN50, PICKLED, b"code, perhaps")
    told: list[tuple[int, int | None]] = []
    found = asset()
    found.fetch(lambda here, total: told.append((here, total)))
    assert told[-1] == (len(content), len(content))
    path = hub / "models--timm--resnet50_clip.openai" / "snapshots" / COMMIT / SAFE
    assert path.read_bytes() == content
    assert path.resolve().name == sha256(content)
    assert found.availability().state == "present"
    asked = len(server.asked)
    assert hf_hub_download(RN50, SAFE, local_files_only=True) == str(path)
    tried = block_network(monkeypatch)
    asset().fetch(silent)
    assert asset().availability().state == "present"
    assert (len(server.asked), tried) == (asked, [])
    facts = open_clip.get_pretrained_cfg("RN50", "openai")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert open_clip.download_pretrained(facts) == str(path)


def test_half_a_file_goes_on(hub: Path, server: Server, content: bytes) -> None:
    server.add_to_hub(RN50, SAFE, content)
    half = len(content) // 2
    server.cuts[f"/{RN50}/resolve/{COMMIT}/{SAFE}"] = [half, 0]
    assert f"stops after {half} of {len(content)} bytes" in refusal()
    assert asset().availability().state == "partial"
    asset().fetch(silent)
    assert server.ranges_of(SAFE) == [None, f"bytes={half}-", f"bytes={half}-"]
    assert asset().availability().state == "present"
    assert list(hub.rglob("*.incomplete")) == []


def test_a_repository_with_pickled_weights_alone(server: Server) -> None:
    server.add_to_hub(RN50, PICKLED, b"pickled" * 100)
    found = asset()
    found.fetch(silent)
    path = found.file()
    assert path is not None
    assert path.name == PICKLED


def test_a_file_of_wrong_content_is_kept_aside(hub: Path, server: Server, content: bytes) -> None:
    server.add_to_hub(RN50, SAFE, b"x" * 500, etag=sha256(content))
    message = refusal()
    aside = hub / "models--timm--resnet50_clip.openai" / "blobs" / f"{sha256(content)}.broken"
    assert "wrong checksum" in message
    assert str(aside) in message
    assert aside.read_bytes() == b"x" * 500
    assert asset().availability().state == "missing"


def test_a_damaged_file_in_the_cache_is_replaced(hub: Path, server: Server, content: bytes) -> None:
    link = place(hub, RN50, SAFE, b"damaged", blob=sha256(content))
    server.add_to_hub(RN50, SAFE, content)
    found = asset()
    assert found.availability().state == "partial"
    found.fetch(silent)
    assert link.read_bytes() == content
    assert link.resolve().with_name(f"{sha256(content)}.broken").read_bytes() == b"damaged"


def test_a_link_that_points_nowhere_is_mended(hub: Path, server: Server, content: bytes) -> None:
    link = place(hub, RN50, SAFE, content)
    link.resolve().unlink()
    server.add_to_hub(RN50, SAFE, content)
    asset().fetch(silent)
    assert link.read_bytes() == content


def test_the_licence_is_read_from_the_card_once_it_is_here(hub: Path, server: Server, content: bytes) -> None:
    spec, repository = "ViT-B-32:laion2b_s34b_b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    server.add_to_hub(repository, SAFE, content)
    server.add_to_hub(repository, "README.md", CARD)
    found = asset(spec)
    assert found.licence == f"see {server.address}/{repository}"
    found.fetch(silent)
    assert found.licence == "mit"
    for card, expected in (
        (b"---\nlicense: other\nlicense_name: apple-ascl\n---\n", "apple-ascl"),
        (b"no metadata", found.source),
        (b"---\n- 3\n---\n", found.source),
        (b"\xff\xfe", found.source),
    ):
        place(hub, repository, "README.md", card)
        assert expected in asset(spec).licence


@pytest.mark.parametrize("gone", ["network", "repository"])
def test_weights_that_can_not_be_fetched(gone: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    if gone == "network":
        block_network(monkeypatch)
    message = refusal()
    assert message.startswith("the weights of 'RN50:openai' can't be fetched (")
    assert message.endswith("go online once and run again, or fetch them elsewhere and give RN50-quickgelu:FILE"), (
        message
    )
