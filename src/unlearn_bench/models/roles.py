"""What the tensors of a model that nobody described are there for: by kind, shape, name and use."""

import re
from collections.abc import Collection, Mapping, Sequence

from torch import Tensor, nn

from unlearn_bench.clip import Clip, Role, Tower
from unlearn_bench.models.last_map import find_last_map
from unlearn_bench.models.probing import Call, Probe

_KINDS: tuple[tuple[tuple[type[nn.Module], ...], Role], ...] = (
    ((nn.modules.batchnorm._BatchNorm,), "batch_norm"),
    ((nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.modules.instancenorm._InstanceNorm), "norm"),
    ((nn.MultiheadAttention,), "attention"),
)

_ATTENTION_PART = re.compile(r"(\w*_)?(attn|attention|mha|msa|attnpool|attn_pool|attention_pool)\d*")
_ATTENTION_CLASS = re.compile(r"\w*(Attention|Attn|MHA)(Pool\w*)?(\dd)?")
_AFFIXES = {"proj", "projection", "to", "w", "lin", "linear", "fc", "layer", "weight", "bias"}
_FUSED = {"qkv", "wqkv", "kv", "wkv"}
_ASKING = ({"q", "wq", "query", "queries"}, {"k", "wk", "key", "keys"}, {"v", "wv", "value", "values"})
_INTO = _FUSED.union(*_ASKING)
_OUT_OF = {"", "out", "o", "wo", "c", "dense", "output", "unifyheads", "merge"}
_MLP_PART = re.compile(r"(\w*_)?(mlp|ffn|ff|feed_?forward)\d*")


def tell_roles(clip: Clip, prefixes: Mapping[Tower, str]) -> dict[str, Role]:
    """The role of every tensor of the state that lies in a tower.

    A tensor has the role of the module that holds it where the module's kind settles it (norms, convolutions,
    embeddings); a convolution of RGB pixels whose steps do not overlap embeds patches. Linear layers and bare
    matrices belong to `attention` where a module around them is called so, or holds layers called query, key and
    value (or qkv) and they are those or what follows them; or where in use three layers of one module, or one three
    times as wide, take the same input. Other linear layers are `mlp`. Bare parameters called positions or class
    token are those. The last linear map of a tower is its `projection`, as `find_last_map` says. What is left is
    `other`.

    Args:
        prefixes: the name of each tower's module in the state.
    """
    roles: dict[str, Role] = {}
    for tower, prefix in prefixes.items():
        used = _attention_by_use(_calls(clip, tower))
        for name in clip.module.state_dict():
            if name.startswith(f"{prefix}."):
                roles[name] = _role(clip, name, tower=tower, depth=prefix.count(".") + 1, used=used)
        last = find_last_map(clip, tower)
        for name in () if last is None else last.names:
            if name in roles:
                roles[name] = "projection"
    return roles


def _calls(clip: Clip, tower: Tower) -> tuple[Call, ...]:
    try:
        return Probe(clip, tower).calls()
    except Exception:  # a tower that can't be run on our inputs: names and kinds have to do
        return ()


def _role(clip: Clip, name: str, *, tower: Tower, depth: int, used: Collection[str]) -> Role:
    """Of one tensor; the first `depth` parts of its name lead to the tower."""
    parts = name.split(".")
    path, leaf = ".".join(parts[:-1]), parts[-1]
    holder = clip.module.get_submodule(path)
    value = getattr(holder, leaf)
    inner = parts[depth:]
    settled = _role_by_kind(holder, inner, value, tower)
    if settled is not None:
        return settled
    linear = isinstance(holder, nn.Linear) or (value.ndim == 2 and "linear" in type(holder).__name__.lower())
    bare = None if linear else _bare_role(leaf.lower(), value)
    if bare is not None:
        return bare
    if (linear or value.ndim >= 2) and (path in used or _is_attention(clip, parts, depth)):
        return "attention"
    if linear and tower == "image" and any("patch" in part.lower() for part in inner):
        return "patch_embedding"
    return "mlp" if linear else "other"


def _role_by_kind(holder: nn.Module, inner: Sequence[str], value: Tensor, tower: Tower) -> Role | None:
    """Of a tensor whose module is of a kind that does one thing; `inner`: its name within the tower."""
    if isinstance(holder, nn.modules.conv._ConvNd):
        patches = holder.in_channels == 3 and holder.kernel_size == holder.stride and max(holder.stride) > 1
        return "patch_embedding" if patches and tower == "image" else "convolution"
    if isinstance(holder, nn.Embedding | nn.EmbeddingBag):
        return "position_embedding" if _says_position(inner) else "token_embedding"
    kind = type(holder).__name__.lower()
    if "norm" in kind and len(inner) > 1 and value.ndim <= 1:  # somebody's own
        return "batch_norm" if "batch" in kind else "norm"
    return next((role for kinds, role in _KINDS if isinstance(holder, kinds)), None)


def _bare_role(leaf: str, value: Tensor) -> Role | None:
    """Of a parameter that a module of somebody's own holds, by its name and shape."""
    if value.ndim >= 2 and _says_position([leaf]):
        return "position_embedding"
    if re.search("cls|class", leaf) and value.ndim and value.numel() == value.shape[-1]:
        return "class_embedding"
    if value.ndim == 2 and re.search(r"tok(en)?s?_?emb|word_?emb|vocab", leaf):
        return "token_embedding"
    return None


def _says_position(parts: Sequence[str]) -> bool:
    return any(re.search(r"(^|_)pos(ition|itional|itions)?(_|$|emb)|wpe$", part.lower()) for part in parts)


def _is_attention(clip: Clip, parts: Sequence[str], depth: int) -> bool:
    """Whether a module around the tensor is an attention, or holds queries and the tensor is one of its layers."""
    for index in range(depth, len(parts)):
        holder = clip.module.get_submodule(".".join(parts[:index]))
        inner = parts[index:]
        named = index > depth and _ATTENTION_PART.fullmatch(parts[index - 1].lower())
        if (named or _ATTENTION_CLASS.fullmatch(type(holder).__name__)) and not any(
            _MLP_PART.fullmatch(part.lower()) for part in inner
        ):
            return True
        members = {_base(name) for name, _ in (*holder.named_children(), *holder.named_parameters(recurse=False))}
        asks = members & _FUSED or sum(bool(members & names) for names in _ASKING) >= 2
        if asks and _base(inner[0]) in _INTO | _OUT_OF:
            return True
    return False


def _base(name: str) -> str:
    """`q` for q_proj, to_q and w_q; `out` for out_proj and to_out.

    >>> [_base(name) for name in ("q_proj", "to_kv", "Wqkv", "in_proj", "out_proj", "proj")]
    ['q', 'kv', 'wqkv', 'qkv', 'out', '']
    """
    lowered = name.lower()
    if lowered.startswith(("in_proj", "c_attn")):
        return "qkv"
    return "".join(part for part in lowered.split("_") if part not in _AFFIXES)


def _attention_by_use(calls: Sequence[Call]) -> set[str]:
    """Names of linear layers that are called as attention calls them.

    Three or more layers of one module on the very same input are queries, keys and values; so is one layer three
    times as wide as its input. The module's next layer, back to that width, ends the attention. Two layers on one
    input are left alone: a gated perceptron does that too.
    """
    found: set[str] = set()
    parents = dict.fromkeys(call.name.rpartition(".")[0] for call in calls)
    for parent in parents:
        own = [call for call in calls if call.name.startswith(f"{parent}.")]
        for place, call in enumerate(own):
            asking = [other for other in own[place:] if other.given is call.given and _parent(other) == parent]
            width, given_on = call.module.in_features, call.module.out_features
            fused = given_on == 3 * width
            if _parent(call) != parent or not (fused or len({other.name for other in asking}) >= 3):
                continue
            following = next((other.module for other in own[place:] if other not in asking), None)
            shape = (width if fused else given_on, width)  # a perceptron three times as wide comes back from there
            if following is not None and (following.in_features, following.out_features) == shape:
                names = {other.name: other.module for other in own}
                found |= {name for name, module in names.items() if module is following}
                found |= {other.name for other in asking}
    return found


def _parent(call: Call) -> str:
    return call.name.rpartition(".")[0]
