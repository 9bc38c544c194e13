"""Random tiny models of every family, in the form of model_specs.py: spec(seed) is always the same.

What a config.json of the family may switch is drawn: heads and their widths, windows, layer types,
ropes and their scalings, biases, caps, ties, types, and which transformers wrote it; of the adapter
the targets in each of PEFT's spellings, patterns, layers, rank, alpha and rsLoRA. Four steps.
"""
import random

FULL, SLIDE = "full_attention", "sliding_attention"
KINDS = ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "gemma3", "phi3", "smollm3",
         "gpt2"]  # fmt: skip
LEAVES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LEAVES_OF = {"phi3": ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
             "gpt2": ["c_attn", "c_fc", "attn.c_proj", "mlp.c_proj"]}  # fmt: skip
PART = "language_model"  # of gemma3; the vision tower has layers of the same names


def maybe(rng, p=0.5):
    return rng.random() < p


def number(rng, low, high):
    return float(f"{low * (high / low) ** rng.random():.3g}")


def factors(rng, dims):
    return [round(rng.uniform(0.7, 4.0), 3) for _ in range(dims // 2)]


def rope(rng, dims, kinds):
    """One object of rope_parameters for `dims` rotated dimensions."""
    kind = rng.choice(kinds)
    out = {"rope_type": kind, "rope_theta": float(rng.choice([10.0, 100.0, 1e4, 5e5]))}
    if kind in ("linear", "dynamic", "llama3", "yarn"):
        out["factor"] = rng.choice([0.5, 1.0, 2.0, 3.5, 8.0])
    if kind == "dynamic":
        out["factor"] = rng.choice([2.0, 3.5])
    if kind in ("llama3", "yarn", "longrope"):
        out["original_max_position_embeddings"] = rng.choice([8, 17, 24, 33])
    if kind == "llama3":
        out.update(low_freq_factor=number(rng, 0.5, 2), high_freq_factor=number(rng, 2.1, 8))
    if kind == "yarn":
        extra = dict(beta_fast=number(rng, 4, 40), beta_slow=number(rng, 0.3, 3),
                     attention_factor=number(rng, 0.5, 2), truncate=False,
                     mscale=number(rng, 0.3, 2), mscale_all_dim=number(rng, 0.3, 2))  # fmt: skip
        out.update({k: v for k, v in extra.items() if maybe(rng, 0.3)})
    if kind == "longrope":
        out.update(short_factor=factors(rng, dims), long_factor=factors(rng, dims))
        extra = dict(attention_factor=number(rng, 0.5, 2), factor=rng.choice([1.0, 2.0, 4.0]))
        out.update({k: v for k, v in extra.items() if maybe(rng, 0.3)})
    return out


SCALED = ["default", "default", "linear", "dynamic", "llama3", "yarn", "longrope"]


def layer_types(rng, layers):
    return [rng.choice([FULL, SLIDE]) for _ in range(layers)]


def windows(rng, kind, layers, style):
    """Keys that say which layers look how far; none of a list where only version 5 has lists."""
    out, window, listed = {}, rng.choice([2, 5, 8, 15, 30]), style == 5 and maybe(rng)
    if kind in ("mistral", "phi3"):
        out["sliding_window"] = window if maybe(rng, 0.7) else None
    elif kind in ("qwen2", "qwen3"):
        out = dict(sliding_window=window, use_sliding_window=maybe(rng, 0.8),
                   max_window_layers=rng.randint(0, layers))  # fmt: skip
        if listed and out["use_sliding_window"]:
            out["layer_types"] = layer_types(rng, layers)
    elif kind == "gemma2":
        out["sliding_window"] = window
        if listed:
            out["layer_types"] = layer_types(rng, layers)
    elif kind in ("gemma3", "gemma3_text"):
        out["sliding_window"] = window
        if listed:
            out["layer_types"] = layer_types(rng, layers)
        else:
            out["sliding_window_pattern"] = rng.randint(1, 4)
    elif kind == "smollm3":
        out = dict(sliding_window=window, use_sliding_window=maybe(rng))
        if maybe(rng):
            out["no_rope_layers"] = [rng.randint(0, 1) for _ in range(layers)]
        else:
            out["no_rope_layer_interval"] = rng.randint(1, layers + 1)
        if listed and out["use_sliding_window"]:
            out["layer_types"] = layer_types(rng, layers)
    return out


def ropes(rng, kind, head_dim, style):
    if kind in ("gemma3", "gemma3_text"):
        local = "default" if style == 4 else rng.choice(["default", "linear"])
        return dict(rope_parameters={FULL: rope(rng, head_dim, ["default", "linear", "llama3"]),
                                     SLIDE: rope(rng, head_dim, [local])})  # fmt: skip
    if kind != "phi3":
        return dict(rope_parameters=rope(rng, head_dim, SCALED))
    part = rng.choice([p for p in (0.25, 0.5, 0.75, 1.0) if head_dim * p >= 2 and
                       head_dim * p % 2 == 0])  # fmt: skip
    out = dict(rope_parameters=rope(rng, int(head_dim * part), ["default", "longrope"]))
    out["rope_parameters"]["partial_rotary_factor"] = part
    out["original_max_position_embeddings"] = rng.choice([9, 24, 33])
    out["rope_parameters"].pop("original_max_position_embeddings", None)
    return out


def scores(rng, kind):
    """Caps and scales of attention and logits."""
    out = {}
    if kind in ("gemma2", "gemma3", "gemma3_text"):
        out["query_pre_attn_scalar"] = rng.randint(1, 40)
    if kind == "gemma2":
        out["attn_logit_softcapping"] = rng.choice([None, 1.0, 5.0, 50.0])
    if kind in ("gemma2", "gemma3_text"):
        out["final_logit_softcapping"] = rng.choice([None, 2.0, 10.0, 30.0])
    return out


def gpt2(rng, heads, head_dim):
    return dict(hidden_size=heads * head_dim, num_attention_heads=heads, num_hidden_layers=2,
                n_inner=rng.choice([None, 7, 33]), scale_attn_weights=maybe(rng, 0.7),
                layer_norm_epsilon=number(rng, 1e-7, 1e-2), tie_word_embeddings=maybe(rng, 0.7),
                activation_function=rng.choice(["gelu_new", "gelu_pytorch_tanh"]))  # fmt: skip


def config(rng, kind, style):
    layers, kv, group = rng.randint(1, 4), rng.randint(1, 3), rng.choice([1, 1, 2, 3])
    head_dim, heads = 2 * rng.randint(2, 9), kv * group
    if kind == "gpt2":
        return gpt2(rng, heads, head_dim)
    wide = kind in ("phi3", "qwen2") or maybe(rng, 0.3)
    width = heads * (head_dim if wide else rng.randint(4, 9))
    out = dict(hidden_size=width, intermediate_size=rng.randint(5, 40), num_hidden_layers=layers,
               num_attention_heads=heads, num_key_value_heads=kv, head_dim=head_dim,
               rms_norm_eps=number(rng, 1e-7, 1e-2), tie_word_embeddings=maybe(rng),
               max_position_embeddings=rng.choice([40, 96]))  # fmt: skip
    if kind in ("phi3", "qwen2"):
        out.pop("head_dim")
    if kind in ("llama", "qwen3", "gemma2", "gemma3", "gemma3_text", "smollm3"):
        out["attention_bias"] = maybe(rng, 0.3)
    if kind in ("llama", "smollm3"):
        out["mlp_bias"] = maybe(rng, 0.3)
    if kind in ("phi3", "smollm3"):
        out["pad_token_id"] = 0
    out.update(ropes(rng, kind, head_dim, style))
    if out["rope_parameters"].get("rope_type") == "dynamic":
        out["max_position_embeddings"] = 24  # rows of up to 40 go beyond
    out.update(windows(rng, kind, layers, style))
    out.update(scores(rng, kind))
    return out


def lora(rng, kind, layers):
    """Keys of LoraConfig."""
    names = LEAVES_OF.get(kind, LEAVES)
    some = sorted(rng.sample(names, rng.randint(1, len(names))))
    out = {"use_rslora": maybe(rng, 0.3)}
    how = rng.choice(["all", "names", "regex", "exclude", "layers", "patterns"])
    if kind == "gemma3":
        out["target_modules"] = rf".*{PART}.*\.({'|'.join(some)})"
    elif how == "all":
        out["target_modules"] = "all-linear"
    elif how == "regex":
        out["target_modules"] = rf".*\.({'|'.join(some)})"
    else:
        out["target_modules"] = some
    if how == "exclude" and kind != "gemma3" and len(some) > 1:
        out["exclude_modules"] = [some[0]]
    if how == "layers" and kind != "gemma3":
        out["layers_to_transform"] = sorted(rng.sample(range(layers), rng.randint(1, layers)))
    if how == "patterns":
        # None overlap: PEFT saves patterns sorted, and takes the first that fits.
        out["rank_pattern"] = {some[0]: 1}
        out["alpha_pattern"] = {rf".*\.0\..*\.{some[-1]}": 2.5}
    return out


def spec(seed):
    rng = random.Random(seed)
    kind, style = KINDS[seed % len(KINDS)], rng.choice([4, 5])
    made = config(rng, kind, style)
    rank = rng.randint(1, 4)
    hp = dict(iters=4, warmup=rng.randint(0, 2), rank=rank, alpha=rng.randint(1, 2 * rank + 1),
              batch=rng.randint(1, 3), accum=rng.randint(1, 3),
              schedule=rng.choice(["constant", "linear", "cosine"]),
              max_grad_norm=rng.choice([0.3, 1.0, 100.0]))  # fmt: skip
    adapter = lora(rng, kind, made["num_hidden_layers"])
    return dict(seed=seed, type=kind, style=style, pad=rng.choice([0, 0, 3]), hp=hp, lora=adapter,
                dtype=rng.choice(["float32", "bfloat16", "float16"]), config=made, small=True,
                tokenizer=rng.choice(["spm", "llama3", "qwen", "gpt2"]),
                short=maybe(rng))  # fmt: skip
