"""Small random models of transformers, and CLIP's own tokenizer under its names; no network, no files but ours."""

from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch

transformers = pytest.importorskip("transformers", reason="the extra [transformers] is not installed")

VOCABULARY = 49_408


def tokenizer(length: int = 16) -> Any:
    own = open_clip.SimpleTokenizer(context_length=length)
    merges = sorted(own.bpe_ranks, key=own.bpe_ranks.__getitem__)
    theirs = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {theirs.get(word, word): number for word, number in own.encoder.items()}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=list(merges), model_max_length=length)


def clip_model(seed: int = 0, *, act: str = "quick_gelu", eos: int = VOCABULARY - 1) -> Any:
    """A `CLIPModel` of two narrow blocks in each tower."""
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"bos_token_id": VOCABULARY - 2, "eos_token_id": eos, "pad_token_id": VOCABULARY - 1}
    text = {**tower, "vocab_size": VOCABULARY, "max_position_embeddings": 16, "hidden_act": act, **ends}
    vision = {**tower, "image_size": 32, "patch_size": 16, "hidden_act": act}
    torch.manual_seed(seed)
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
    return spread(transformers.CLIPModel(config))


def siglip_model(seed: int = 0) -> Any:
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**tower, "vocab_size": VOCABULARY, "max_position_embeddings": 16, "projection_size": 32}
    torch.manual_seed(seed)
    config = transformers.SiglipConfig(text_config=text, vision_config={**tower, "image_size": 32, "patch_size": 16})
    return spread(transformers.SiglipModel(config))


def spread(model: Any) -> Any:
    """Larger weights than those of a start: the embeddings of two inputs shall differ."""
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim > 1:
                value.mul_(3)
            elif value.ndim == 1:
                value.add_(0.1 * torch.randn_like(value))
    return model.eval()


def processor(kind: str = "CLIP", side: int = 32) -> Any:
    square = {"height": side, "width": side}
    if kind == "CLIP":
        return transformers.CLIPImageProcessor(size={"shortest_edge": side}, crop_size=square)
    return transformers.SiglipImageProcessor(size=square)


def write(model: Any, folder: Path) -> Path:
    """The folder that `save_pretrained` of model, tokenizer and processor makes."""
    kind = "Siglip" if type(model).__name__.startswith("Siglip") else "CLIP"
    for part in (model, tokenizer(), processor(kind)):
        part.save_pretrained(str(folder))
    return folder
