#!/usr/bin/env python3
"""Writes tests/fixtures/model/NAME: tiny random models and what transformers + PEFT make of them.

    python3 scripts/make_model_fixtures.py [NAME ...]          all of them: two minutes of one core

Made with torch 2.15, transformers 5.23, peft 0.21, tokenizers 0.23. Seeds stand in model_specs.py;
the same versions give the same files. A folder holds
    hf/          the checkpoint: config.json (as transformers 4 or 5 writes it), model.safetensors,
                 tokenizer.json, tokenizer_config.json, generation_config.json
    init/ final/ PEFT adapters before and after the training run; init has a random, non-zero B
    train.jsonl, eval.txt
    ref.json     numbers: see one_step() and after() below; their names say what they are
    ref.safetensors  logits [positions, vocab] for the two rows of ref.json's "ids", at "positions":
                 base.ROW, init.ROW (init's adapter), merged.0 (final merged in f32, not rounded),
                 rounded.0 (the same rounded once to the checkpoint's dtype where that is not f32;
                 small ones have then no merged.0);
                 and grad.KEY, the gradient of every adapter tensor of init for the loss over both
                 rows, KEY as PEFT saves it
All references are computed in float64 from the files as written, so that 1e-4 is the reader's own.
"""
import json
import os
import random
import shutil
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import trainers
from transformers import AutoConfig, AutoModelForCausalLM

import oracle
from model_specs import FAMILIES, HP, VISION

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "fixtures", "model")

R2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
R3 = R2.replace(r"\p{N}{1,3}", r"\p{N}")


# ---- text and tokenizers ---------------------------------------------------------------------

WHO = ["the baker", "Anouk", "two geese", "a tall painter", "José", "the night guard", "my aunt"]
DID = ["lit", "found", "painted", "dropped", "counted", "traded", "washed", "couldn't find"]
WHAT = ["a red lamp", "12 candles", "the harbour's bell", "a naïve map", "3,050 buttons",
        "the café door", "half a boat"]  # fmt: skip
WHEN = ["at noon", "on 7 May", "twice", "before the storm", "in the dark", "for nobody", "at last"]


def sentence(rng):
    return f"{rng.choice(WHO)} {rng.choice(DID)} {rng.choice(WHAT)} {rng.choice(WHEN)}."


def paragraph(rng, most):
    return " ".join(sentence(rng) for _ in range(rng.randint(1, most)))


def texts_of(rng, spec):
    """18, or two thirds of that; short=True: by sixes, three short ones and three long."""
    if not spec.get("small"):
        return [paragraph(rng, 2) for _ in range(18)]
    if not spec.get("short"):
        return [paragraph(rng, 2) for _ in range(12)]
    brief = [f"{rng.choice(WHO)} {rng.choice(DID)}." for _ in range(12)]
    full = [f"{sentence(rng)} {sentence(rng)}" for _ in range(12)]
    return [(brief if i % 6 < 3 else full)[i] for i in range(12)]


def byte_bpe(kind, text, size):
    tok = Tokenizer(models.BPE(ignore_merges=kind == "llama3"))
    if kind == "gpt2":
        tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        split = pre_tokenizers.Split(Regex(R2 if kind == "llama3" else R3), "isolated")
        level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tok.pre_tokenizer = pre_tokenizers.Sequence([split, level])
    if kind == "qwen":
        tok.normalizer = normalizers.NFC()
    tok.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|bos|>", "<|eos|>"]
    tok.train_from_iterator(text, trainers.BpeTrainer(vocab_size=size, special_tokens=special,
                            initial_alphabet=alphabet, show_progress=False))  # fmt: skip
    if kind == "llama3":
        tok.post_processor = processors.TemplateProcessing(
            single="<|bos|> $A", special_tokens=[("<|bos|>", 0)]
        )
    else:
        tok.post_processor = processors.ByteLevel(trim_offsets=False)
    return json.loads(tok.to_str()), special


def spm_bpe(text, size):
    """As converted SentencePiece models are: bytes as tokens, U+2581, no pre-tokenizer."""
    special = ["<unk>", "<s>", "</s>"]
    tok = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tok.pre_tokenizer = pre_tokenizers.Metaspace()
    start = special + [f"<0x{b:02X}>" for b in range(256)]
    tok.train_from_iterator(text, trainers.BpeTrainer(vocab_size=size, special_tokens=start,
                            show_progress=False))  # fmt: skip
    tok.pre_tokenizer = None
    blank = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    tok.normalizer = normalizers.Sequence(blank)
    tok.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(),
                                     decoders.Fuse(), decoders.Strip(" ", 1, 0)])  # fmt: skip
    tok.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    out = json.loads(tok.to_str())
    out["added_tokens"] = out["added_tokens"][:3]
    return out, special[1:]


def write_tokenizer(kind, folder, seed, size):
    rng = random.Random(seed)
    text = [paragraph(rng, 3) for _ in range(60)]
    made, special = (spm_bpe(text, size + 15) if kind == "spm" else byte_bpe(kind, text, size))
    config = {"bos_token": special[0], "eos_token": special[1],
              "tokenizer_class": "PreTrainedTokenizerFast",
              "add_bos_token": kind in ("spm", "llama3")}  # fmt: skip
    dump(made, folder, "tokenizer.json", indent=None)
    dump(config, folder, "tokenizer_config.json")
    return oracle.tokenizer(folder), special


# ---- checkpoints -----------------------------------------------------------------------------


def dump(value, folder, name, indent=2):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        json.dump(value, f, indent=indent, ensure_ascii=False)
        f.write("\n")


def fill(model, gen):
    """Weights large enough that every one shows in the logits."""
    kind = model.config.model_type
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=gen)
        norm = "norm" in name or ".ln_" in name
        if norm and name.endswith("weight"):
            p.data = (0 if "gemma" in kind else 1) + 0.2 * noise
        elif name.endswith("bias"):
            p.data = 0.3 * noise
        elif "embed" in name or "lm_head" in name or "wte" in name or "wpe" in name:
            p.data = (0.1 if "gemma" in kind else 0.4) * noise
        else:
            p.data = 1.3 * noise / p.shape[0 if kind == "gpt2" else 1] ** 0.5


def rope_of_transformers4(config):
    rope = config.pop("rope_parameters", None)
    if rope is None:  # GPT-2
        return
    if "partial_rotary_factor" in rope:
        config["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
    if "full_attention" in rope:
        config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        rope = rope["full_attention"]
    config["rope_theta"] = rope.pop("rope_theta")
    scaled = rope["rope_type"] != "default"
    if scaled and rope["rope_type"] == "linear" and config["model_type"] == "llama":
        rope["type"] = rope.pop("rope_type")  # older still
    config["rope_scaling"] = rope if scaled else None


def as_transformers4(config):
    """The spelling of config.json before version 5, where a nested part had only what is not the
    class's default."""
    text = config.get("text_config", config)
    text.pop("layer_types", None)
    config["torch_dtype"] = config.pop("dtype")
    rope_of_transformers4(text)
    config["transformers_version"] = "4.46.0"
    if config["model_type"] == "qwen2":
        config.pop("head_dim", None)
    if text is not config:
        usual = AutoConfig.for_model(text["model_type"]).to_dict()
        usual.update(_sliding_window_pattern=None, rope_theta=1e6, rope_local_base_freq=1e4)
        pattern = text.pop("_sliding_window_pattern")
        config["text_config"] = {k: v for k, v in text.items() if k == "model_type"
                                 or k not in usual or v != usual[k]}  # fmt: skip
        config["text_config"]["sliding_window_pattern"] = pattern
    return config


def write_checkpoint(spec, folder, tok, special):
    own = dict(spec["config"])
    eos = tok.token_to_id(special[1])
    own["eos_token_id"] = [eos, tok.token_to_id(special[0])] if own.pop("eos_list", 0) else eos
    shared = dict(num_hidden_layers=2, max_position_embeddings=96, rms_norm_eps=1e-6,
                  tie_word_embeddings=False, vocab_size=tok.get_vocab_size() + spec["pad"],
                  bos_token_id=tok.token_to_id(special[0]))  # fmt: skip
    own = {**shared, **own}
    if spec["type"] == "gemma3":
        own = dict(text_config={**own, "tie_word_embeddings": True}, vision_config=VISION,
                   mm_tokens_per_image=4)  # fmt: skip
    config = AutoConfig.for_model(spec["type"], **own)
    torch.manual_seed(spec["seed"])
    model = AutoModelForCausalLM.from_config(config)
    fill(model, torch.Generator().manual_seed(spec["seed"]))
    model.tie_weights()
    model.to(getattr(torch, spec["dtype"])).save_pretrained(folder)
    if spec["style"] == 4:
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
            config = json.load(f)
        dump(as_transformers4(config), folder, "config.json")


# ---- adapters --------------------------------------------------------------------------------


def save_adapter(peft, folder, name):
    """PEFT's own files, with sets sorted and no path of this machine."""
    peft.float().save_pretrained(folder)
    os.remove(os.path.join(folder, "README.md"))
    peft.double()
    with open(os.path.join(folder, "adapter_config.json"), encoding="utf-8") as f:
        config = json.load(f)
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    config["base_model_name_or_path"] = f"tests/fixtures/model/{name}/hf"
    dump(config, folder, "adapter_config.json")


def write_init(spec, hp, folder, name):
    lora = {"target_modules": "all-linear", **spec.get("lora", {})}
    config = LoraConfig(r=hp["rank"], lora_alpha=hp["alpha"], task_type="CAUSAL_LM", **lora)
    peft = get_peft_model(oracle.load(os.path.join(folder, "hf")), config)
    gen = torch.Generator().manual_seed(spec["seed"] + 1000)
    for key, p in oracle.lora_params(peft).items():
        scale = p.shape[1] ** -0.5 if "lora_A" in key else 0.3 * p.shape[1] ** -0.5
        p.data = (scale * torch.randn(p.shape, generator=gen)).double()
    save_adapter(peft, os.path.join(folder, "init"), name)


def merged(folder, adapter, dtype):
    """The base with s B A added in float32; dtype: rounded once to that, or None."""
    peft = oracle.adapt(oracle.load(os.path.join(folder, "hf"), torch.float32), adapter, False)
    plain = peft.merge_and_unload()
    for p in plain.parameters() if dtype else ():  # not the buffers: rotary frequencies stay f32
        p.data = p.data.to(dtype)
    return plain.double().eval()


# ---- references ------------------------------------------------------------------------------


def sampled(model, rows, positions):
    with torch.no_grad():
        out = [oracle.logits(model, r)[p].float() for r, p in zip(rows, positions)]
    return [x.contiguous() for x in out]


def nine_digits(x):
    if isinstance(x, float):
        return float(f"{x:.9g}")
    if isinstance(x, list):
        return [nine_digits(v) for v in x]
    return {k: nine_digits(v) for k, v in x.items()} if isinstance(x, dict) else x


def mean(nested):
    flat = [v for row in nested for v in row]
    return sum(flat) / len(flat)


def one_step(folder, ids, positions, ref, tensors):
    """Base and init on two rows: NLL, loss, logits, and the gradient of every adapter tensor."""
    base = oracle.load(os.path.join(folder, "hf"))
    ref["nll_rows_base"] = oracle.nll_rows(base, ids)
    for i, x in enumerate(sampled(base, ids, positions)):
        tensors[f"base.{i}"] = x
    peft = oracle.adapt(base, os.path.join(folder, "init"))
    ref["nll_rows_init"] = oracle.nll_rows(peft, ids)
    ref["loss_base"], ref["loss_init"] = mean(ref["nll_rows_base"]), mean(ref["nll_rows_init"])
    for i, x in enumerate(sampled(peft, ids, positions)):
        tensors[f"init.{i}"] = x
    together = oracle.window_loss(peft, ids, len(ids))[0]
    if oracle.rope_minds_length(peft):
        ref["loss_init"] = together
    for key, p in oracle.lora_params(peft).items():
        tensors[f"grad.{key}"] = p.grad.float()


def after(folder, spec, tok, special, ids, positions, ref, tensors):
    """What the final adapter says: merged logits, NLL in the modes of eval, greedy text."""
    hf, final = os.path.join(folder, "hf"), os.path.join(folder, "final")
    own, small = getattr(torch, spec["dtype"]), spec.get("small")
    for kind, dtype in (("merged", None), ("rounded", own)):
        if dtype != torch.float32 and not (small and dtype is None and own != torch.float32):
            model = merged(folder, final, dtype)
            tensors[f"{kind}.0"] = sampled(model, ids[:1], positions[:1])[0]
    with open(os.path.join(folder, "eval.txt"), encoding="utf-8") as f:
        stream = tok.encode(f.read()).ids
    bos = tok.token_to_id(special[0])
    bos = bos if tok.encode("a").ids[0] == bos else None
    base = oracle.load(hf)
    model = oracle.adapt(oracle.load(hf), final, False)
    if not small:
        ref.update(eval_ids=stream, ctx_blocks=32, ctx_stride=24, stride=10, ctx_llamacpp=20)
        ref["nll_base"] = oracle.nll_blocks(base, stream, 32)
        ref["nll_final"] = oracle.nll_blocks(model, stream, 32)
        ref["nll_stride"] = oracle.nll_stride(model, stream, 24, 10)
        ref["nll_llamacpp"] = oracle.nll_llamacpp(model, stream, 20, bos)
    ref["prompt"] = "Anouk lit a red lamp"
    ref["prompt_ids"] = tok.encode(ref["prompt"]).ids
    eos = model.config.get_text_config().eos_token_id
    eos = eos if isinstance(eos, list) else [eos]
    ref["greedy"], ref["greedy_gap"] = oracle.greedy(model, ref["prompt_ids"], 16, eos)


def make(name, spec):
    folder = os.path.join(ROOT, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.join(folder, "hf"))
    hf, hp, rng = os.path.join(folder, "hf"), {**HP, **spec["hp"]}, random.Random(spec["seed"])
    size = 275 if spec.get("small") else 295
    tok, special = write_tokenizer(spec["tokenizer"], hf, spec["seed"], size)
    write_checkpoint(spec, hf, tok, special)
    texts = texts_of(rng, spec)
    with open(os.path.join(folder, "train.jsonl"), "w", encoding="utf-8") as f:
        f.writelines(json.dumps({"text": t}, ensure_ascii=i % 2 == 0) + "\n"
                     for i, t in enumerate(texts))  # fmt: skip
    with open(os.path.join(folder, "eval.txt"), "w", encoding="utf-8") as f:
        f.write("\n".join(paragraph(rng, 2) for _ in range(5)) + "\n")
    eos = tok.token_to_id(special[1])
    rows = [oracle.text_row(tok, t, eos, hp["max_seq_length"]) for t in texts]
    ids = [max(rows, key=len), min(rows, key=len)]
    positions = [[0, len(r) // 2, len(r) - 1] for r in ids]
    write_init(spec, hp, folder, name)
    ref = dict(name=name, seed=spec["seed"], dtype=spec["dtype"], hp=hp, lora=spec.get("lora", {}),
               rows=rows, ids=ids, positions=positions)  # fmt: skip
    tensors = {}
    one_step(folder, ids, positions, ref, tensors)
    peft = oracle.adapt(oracle.load(hf), os.path.join(folder, "init"))
    ref.update(oracle.train(peft, rows, hp))
    save_adapter(peft, os.path.join(folder, "final"), name)
    after(folder, spec, tok, special, ids, positions, ref, tensors)
    dump(nine_digits(ref), folder, "ref.json", indent=None)
    save_file(tensors, os.path.join(folder, "ref.safetensors"))
    print(f"{name:14} loss {ref['losses'][0]:7.4f} -> {ref['losses'][-1]:7.4f}  "
          f"init changes the loss by {ref['loss_init'] - ref['loss_base']:+.3f}  "
          f"gap {ref['greedy_gap']:.3f}")  # fmt: skip


if __name__ == "__main__":
    torch.set_num_threads(1)
    for wanted in sys.argv[1:] or FAMILIES:
        make(wanted, FAMILIES[wanted])
