"""What `forget` leaves: formats, the README, a folder that is whole or not there, and the way to the hub."""

import base64
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants

from tests.benchmarks.support import Call, is_one_error, write_method, write_suite
from tests.core.tiny import RESNET, TRANSFORMER, clip_of
from unlearn_bench.benchmarks.forgetting.written import write_out
from unlearn_bench.cache import beside
from unlearn_bench.errors import InputError
from unlearn_bench.models.exchange.card import base_of, readme
from unlearn_bench.models.sources import open_model, save_model

CARD: dict[str, Any] = {
    "what": {"dataset": "folder:x", "forgotten": ["a *cat*", "b\n<b>c</b>"]},
    "how": {"model": "tiny", "fingerprint": "0", "method": "lip", "preset": "tuned", "seed": 0},
    "measured": [
        {"metric": "accuracy", "dataset": "folder:x", "group": "target", "before": 0.9, "after": None, "n": 3}
    ],
}


LAST_NORM = """
weights = dict(clip.module.named_parameters())
(name,) = {"ln_final.bias", "text_model.final_layer_norm.bias"} & weights.keys()
weights[name].data += 0.1
return clip
"""
"""The body of a method: it changes what open_clip and transformers call otherwise."""


@pytest.fixture
def model(tmp_path: Path) -> str:
    clip = clip_of(TRANSFORMER, scale=20.0)
    save_model(clip, tmp_path / "original", {})
    return f"local-dir:{tmp_path / 'original'}"


@pytest.fixture
def given(model: str, tmp_path: Path) -> list[object]:
    spec = write_method(tmp_path, LAST_NORM)
    usual = ["forget", "--suite", write_suite(tmp_path), "--model", model, "--method", spec]
    return [*usual, "--device", "cpu", "--classes", "red"]


def test_transformers_and_diffusers(call: Call, given: list[object], tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra [transformers] is not installed")
    for fmt in ("transformers", "diffusers"):
        said = call(*given, "--format", fmt, "--out", fmt)
        assert said.code == 0, said
        assert f"wrote {fmt}; load it with transformers." in said.out
        assert f"library_name: {fmt}" in (tmp_path / fmt / "README.md").read_text()
    loaded = transformers.CLIPModel.from_pretrained(tmp_path / "transformers")
    encoder = transformers.CLIPTextModel.from_pretrained(tmp_path / "diffusers" / "text_encoder")
    own = open_model(str(given[4])).state()["ln_final.bias"] + 0.1
    assert torch.allclose(loaded.text_model.final_layer_norm.bias, own)
    assert any(torch.allclose(value, own) for name, value in encoder.state_dict().items() if "final_layer" in name)
    again = call(*given[:3], "--model", "hf:transformers", *given[5:], "--format", "open_clip", "--out", "back")
    assert again.code == 0, again
    assert torch.allclose(open_model(f"local-dir:{tmp_path / 'back'}").state()["ln_final.bias"], own + 0.1)


def test_what_a_pipeline_would_not_hear_is_not_written(call: Call, given: list[object], tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the extra [transformers] is not installed")
    spec = write_method(tmp_path, "clip.module.text_projection.data.neg_()\nreturn clip", name="other")
    said = call(*given, "--method", spec, "--format", "diffusers", "--out", "gone")
    assert said.code == 1
    assert "would draw as before; nothing is written" in said.err
    assert not (tmp_path / "gone").exists()


def test_formats_are_refused_first(call: Call, given: list[object], tmp_path: Path) -> None:
    is_one_error(call(*given, "--format", "onnx", "--out", "a"), "unknown format of models 'onnx'")
    save_model(clip_of(RESNET), tmp_path / "resnet", {})
    resnet = ["--model", f"local-dir:{tmp_path / 'resnet'}", "--format", "transformers", "--out", "a"]
    is_one_error(call(*given, *resnet), "no such towers (a ResNet)")


def test_a_folder_is_whole_or_not_there(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was killed while it was written can begin again."""
    clip, out = open_model(model), tmp_path / "out"
    half = beside(out)
    half.mkdir()
    (half / "half").write_text("x")
    os.utime(half, (0, 0))
    with monkeypatch.context() as patched:
        patched.setattr("unlearn_bench.benchmarks.forgetting.written.readme", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_out(clip, out, CARD, spec=model, fmt="")
    assert not out.exists()
    out.mkdir()
    how = write_out(clip, out, CARD, spec=model, fmt="")
    assert how == f"open_clip.create_model_and_transforms('local-dir:{out}')"
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "card.json",
        "open_clip_config.json",
        "open_clip_model.safetensors",
    ]
    assert not half.exists()


def test_the_readme() -> None:
    text = readme({**CARD, "not_measured": ["x"]}, spec="RN50:openai", library="open_clip", how="load(`it`)")
    head, body = text.split("---\n")[1:3]
    assert "library_name: open_clip" in head
    assert "license: mit" in head
    assert "machine-unlearning" in head
    assert "a \\*cat\\*, b \\<b\\>c\\</b\\>" in body
    assert "| accuracy | folder:x | target  | 0.900" in body
    assert "load it with `load('it')`" in body
    assert base_of("hf:openai/clip-vit-base-patch32")[0] == "openai/clip-vit-base-patch32"
    assert base_of("mini-rn") == base_of("mine.py:build") == base_of("nonsense") == ("", "")


@contextmanager
def hub() -> Iterator[tuple[str, dict[str, bytes], list[str]]]:
    """A stand-in for the hub: it takes a repository and a commit of small files."""
    files: dict[str, bytes] = {}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
            pass

        def answer(self, table: object, code: int = 200) -> None:
            body = json.dumps(table).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            asked.append(self.path)
            self.answer({"id": "me/gone", "sha": "0" * 40, "siblings": [], "tags": [], "private": False})

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            asked.append(self.path)
            if "/commit/" in self.path:
                for line in body.splitlines():
                    item = json.loads(line)
                    if item["key"] == "file":
                        files[item["value"]["path"]] = base64.b64decode(item["value"]["content"])
                self.answer({"success": True, "commitOid": "0" * 40, "commitUrl": f"{address()}/me/gone/commit/0"})
            elif "/preupload/" in self.path:
                paths = [item["path"] for item in json.loads(body)["files"]]
                self.answer({"files": [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in paths]})
            else:
                self.answer({"url": f"{address()}/me/gone", "name": "me/gone", "id": "me/gone"})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def address() -> str:
        return f"http://127.0.0.1:{server.server_port}"

    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", files, asked
    finally:
        server.shutdown()
        server.server_close()


def test_push(call: Call, given: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unlearn_bench.models.exchange.pushing.get_token", lambda: None)
    is_one_error(call(*given, "--push", "me/gone", "--out", "a"), "nobody is logged in", "hf auth login")
    is_one_error(call(*given, "--push", "gone", "--out", "a"), "'gone' is no repository of the hub")
    assert not (tmp_path / "a").exists()
    monkeypatch.setattr("unlearn_bench.models.exchange.pushing.get_token", lambda: "secret")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with hub() as (address, files, asked):
        monkeypatch.setattr(constants, "ENDPOINT", address)
        said = call(*given, "--push", "me/gone", "--out", "gone")
        assert said.code == 0, (said, asked)
        assert f"pushed to {address}/me/gone" in said.out
    assert {"README.md", "card.json", "open_clip_config.json", "open_clip_model.safetensors"} <= files.keys()
    assert files["open_clip_model.safetensors"] == (tmp_path / "gone" / "open_clip_model.safetensors").read_bytes()
    refused = call(*given, "--push", "me/gone", "--out", "kept")  # the hub is away
    is_one_error(refused, "'kept' is written, and can't be pushed to 'me/gone'", "hf upload me/gone kept")
    assert (tmp_path / "kept" / "card.json").is_file()


def test_push_needs_a_name() -> None:
    from unlearn_bench.models.exchange.pushing import check_push

    with pytest.raises(InputError, match="give --push owner/name"):
        check_push("../gone")
