#!/usr/bin/env python3
"""Trains wickling, the small base model of configs/wickling, from nothing.

    python3 scripts/train_wickling.py --out configs/wickling --minutes 4        one GPU
    python3 scripts/train_wickling.py --out /tmp/wickling --minutes 0.5         smoke test, CPU

A Llama of 2.3 million parameters with its own byte-level BPE of 1536 tokens, on text that
wickling_text.py writes while this runs: no third-party text. Seeds are fixed; the number of steps
follows from the minutes and the machine (--steps fixes it). Prints the loss on held-out text and a
few samples; writes config.json, generation_config.json, tokenizer.json, tokenizer_config.json and
model.safetensors in bfloat16. Needs torch, transformers, tokenizers.
"""
import argparse
import json
import math
import multiprocessing
import os
import time

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

import wickling_text

logging.disable_progress_bar()

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
VOCAB, SEQ = 1536, 512
SHAPE = dict(hidden_size=192, intermediate_size=512, num_hidden_layers=5, num_attention_heads=6,
             num_key_value_heads=2, head_dim=32, max_position_embeddings=SEQ, rms_norm_eps=1e-5,
             rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
             tie_word_embeddings=True)  # fmt: skip
PROMPTS = [
    "One evening,",
    "Mira was a candle maker in a small town by the sea.",
    "What does a lamplighter do?",
    "<|im_start|>user\nTell me a story about Otto.<|im_end|>\n<|im_start|>assistant\n",
]


def written(seeds, characters):
    """Documents of all seeds, each seed in a process of its own."""
    jobs = [(s, characters // len(seeds)) for s in seeds]
    with multiprocessing.get_context("fork").Pool(min(len(jobs), os.cpu_count() or 1)) as pool:
        return [d for part in pool.starmap(wickling_text.corpus, jobs) for d in part]


def make_tokenizer(documents, folder):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    plain = (d for d in documents if "<|im_start|>" not in d)
    tok.train_from_iterator(plain, trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=SPECIAL, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))  # fmt: skip
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    tok.save(os.path.join(folder, "tokenizer.json"), pretty=False)
    config = {"bos_token": SPECIAL[0], "eos_token": SPECIAL[0], "add_bos_token": False,
              "model_max_length": SEQ, "chat_template": TEMPLATE,
              "tokenizer_class": "PreTrainedTokenizerFast"}  # fmt: skip
    with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="utf-8") as f:
        json.dump(config, f, indent=2)
        f.write("\n")
    return tok


class Windows:
    """Windows of SEQ + 1 tokens that begin with a document, half of them with its separator."""

    def __init__(self, tok, documents, device):
        stream, starts = [], []
        for at in range(0, len(documents), 20000):
            for e in tok.encode_batch(documents[at : at + 20000]):
                starts.append(len(stream))
                stream.append(0)
                stream.extend(e.ids)
        self.ids = torch.tensor(stream, dtype=torch.int16, device=device)
        keep = [s for s in starts if s + SEQ + 2 < len(stream)]
        self.starts = torch.tensor(keep, device=device)
        self.span = torch.arange(SEQ + 1, device=device)

    def batch(self, size, gen):
        device = self.ids.device
        at = self.starts[torch.randint(len(self.starts), (size,), generator=gen).to(device)]
        at = at + torch.randint(2, (size,), generator=gen).to(device)
        return self.ids[at[:, None] + self.span].long()


def batch_loss(model, rows):
    logits = model(rows[:, :-1], use_cache=False).logits
    return F.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten())


def held_out(model, windows, autocast, batches=8, size=16):
    gen = torch.Generator().manual_seed(7)
    with torch.no_grad(), autocast():
        losses = [batch_loss(model, windows.batch(size, gen)).item() for _ in range(batches)]
    return sum(losses) / len(losses)


def groups(model, decay):
    flat = [p for p in model.parameters() if p.dim() < 2]
    wide = [p for p in model.parameters() if p.dim() >= 2]
    return [dict(params=wide, weight_decay=decay), dict(params=flat, weight_decay=0.0)]


def train(model, windows, args, autocast):
    """Cosine over the share of the time (or of the steps) that is used up, after a warm-up."""
    opt = torch.optim.AdamW(groups(model, 0.1), lr=args.lr, betas=(0.9, 0.95),
                            fused=args.device == "cuda")  # fmt: skip
    gen, begin, step = torch.Generator().manual_seed(args.seed), time.monotonic(), 0
    while True:
        spent = (time.monotonic() - begin) / (60 * args.minutes)
        share = min(1.0, step / args.steps if args.steps else spent)
        for g in opt.param_groups:
            warm = min(1.0, (step + 1) / 100)
            g["lr"] = args.lr * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))
        with autocast():
            loss = batch_loss(model, windows.batch(args.batch, gen))
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        step += 1
        if step % args.report == 0:
            if args.device == "cuda":
                torch.cuda.synchronize()
            rate = step * args.batch * SEQ / (time.monotonic() - begin)
            print(f"step {step}  loss {loss.item():.4f}  share {share:.2f}  {rate:,.0f} tokens/s",
                  flush=True)
        if share >= 1.0:
            break
    print(f"{step} steps, {step * args.batch * SEQ:,} tokens")


def sample(model, tok, prompt, device, temperature, count=120):
    ids = tok.encode(prompt).ids
    gen, cache, fresh = torch.Generator().manual_seed(1), None, ids
    with torch.no_grad():
        while len(ids) < SEQ and count > 0:
            rows = torch.tensor([fresh], device=device)
            out = model(rows, use_cache=True, past_key_values=cache)
            cache, logits = out.past_key_values, out.logits[0, -1].float()
            if temperature > 0:
                p = torch.softmax(logits.cpu() / temperature, -1)
                new = int(torch.multinomial(p, 1, generator=gen))
            else:
                new = int(logits.argmax())
            if new in (0, 2):
                break
            fresh = [new]
            ids = ids + fresh
            count -= 1
    return tok.decode(ids, skip_special_tokens=False)


def main():
    cli = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    cli.add_argument("--out", required=True)
    cli.add_argument("--minutes", type=float, default=4.0)
    cli.add_argument("--steps", type=int, default=0, help="instead of a time")
    cli.add_argument("--seed", type=int, default=1)
    cli.add_argument("--batch", type=int, default=0)
    cli.add_argument("--lr", type=float, default=3e-3)
    cli.add_argument("--characters", type=int, default=0, help="of text to write and learn from")
    cli.add_argument("--report", type=int, default=0)
    args = cli.parse_args()
    args.device = "cuda" if torch.cuda.is_available() else "cpu"
    gpu = args.device == "cuda"
    args.batch = args.batch or (64 if gpu else 4)
    args.characters = args.characters or (64_000_000 if gpu else 4_000_000)
    args.report = args.report or (500 if gpu else 20)
    os.makedirs(args.out, exist_ok=True)

    begin = time.monotonic()
    documents = written([1000 * args.seed + i for i in range(16)], args.characters)
    unseen = written([999_999], 600_000)
    tok = make_tokenizer(documents[: len(documents) // 8], args.out)
    windows = Windows(tok, documents, args.device)
    valid = Windows(tok, unseen, args.device)
    print(f"{len(documents):,} documents, {len(windows.ids):,} tokens, vocabulary "
          f"{tok.get_vocab_size()}, {time.monotonic() - begin:.1f} s, {args.device}", flush=True)

    torch.manual_seed(args.seed)
    config = LlamaConfig(vocab_size=VOCAB, bos_token_id=0, eos_token_id=0, **SHAPE)
    model = LlamaForCausalLM(config).to(args.device)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)

    def autocast():
        return torch.autocast(args.device, dtype=torch.bfloat16, enabled=gpu)

    train(model, windows, args, autocast)
    model.eval()
    print(f"held-out loss {held_out(model, valid, autocast):.4f}")
    model = model.to(torch.bfloat16)
    model.generation_config = GenerationConfig(bos_token_id=0, eos_token_id=[0, 2])
    model.save_pretrained(args.out)
    os.chmod(os.path.join(args.out, "model.safetensors"), 0o644)
    for name in ("generation_config.json", "tokenizer.json"):
        with open(os.path.join(args.out, name), "a", encoding="utf-8") as f:
            f.write("\n")
    model = model.float()
    loss = held_out(model, valid, lambda: torch.autocast(args.device, enabled=False))
    print(f"held-out loss {loss:.4f} as written in bfloat16, perplexity {math.exp(loss):.3f}")
    for prompt in PROMPTS:
        for temperature in (0.0, 0.7):
            text = sample(model, tok, prompt, args.device, temperature)
            print(f"---- temperature {temperature}\n{text}")
    size = sum(os.path.getsize(os.path.join(args.out, f)) for f in os.listdir(args.out))
    print(f"{args.out}: {size:,} bytes, {time.monotonic() - begin:.0f} s in all")


if __name__ == "__main__":
    main()
