"""What transformers + PEFT say: the oracle behind the model fixtures and the comparison scripts.

    model = oracle.load("DIR/hf")                       # float64: an oracle must not add rounding
    model = oracle.adapt(model, "DIR/init")             # PEFT around it, adapters trainable
    print(oracle.nll_rows(model, [[1, 5, 9, 2]]))

float64 where transformers lets it: its RMSNorm and rotary tables stay float32, which is 1e-7.
Semantics are those of the program: loss = sum of token losses / number of targets over the whole
accumulation window, rows one by one (no padding), in file order, going round. A rope that depends
on the length (longrope, dynamic) goes by the longest row of a micro-batch, and not by what came
before: transformers keeps a longer row's dynamic frequencies for the rows after it.

Needs torch, transformers >= 5, peft, tokenizers. Nothing that the program itself runs needs this.
"""
import json
import logging
import math
import os
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import torch  # noqa: E402
import transformers  # noqa: E402
from peft import PeftModel  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402
from transformers import AutoModelForCausalLM, DynamicCache, optimization  # noqa: E402

transformers.utils.logging.disable_progress_bar()


def load(folder, dtype=torch.float64):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        capped = json.load(f)["model_type"] == "gemma2"  # soft-caps: the eager way alone
    return AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager" if capped else "sdpa"
    ).eval()


def adapt(model, adapter, trainable=True):
    dtype = next(model.parameters()).dtype
    return PeftModel.from_pretrained(model, adapter, is_trainable=trainable).to(dtype).eval()


def rope_is(model, *kinds):
    return any(getattr(m, "rope_type", None) in kinds for m in model.modules()
               if isinstance(getattr(m, "rope_type", None), str))  # fmt: skip


def rope_minds_length(model):
    return rope_is(model, "longrope", "dynamic")


def forget_lengths(model):
    for m in model.modules():
        if getattr(m, "rope_type", None) == "dynamic":
            m.max_seq_len_cached = m.original_max_seq_len
            m.register_buffer("inv_freq", m.original_inv_freq.clone(), persistent=False)


def logits(model, ids, longest=0):
    """longest: of the micro-batch; tokens after the last change nothing else."""
    filled = ids
    if rope_minds_length(model):
        forget_lengths(model)
        filled = ids + [0] * (longest - len(ids))
    return model(torch.tensor([filled]), use_cache=False).logits[0, : len(ids)]


def row_nll(model, ids, first=1, longest=0):
    """Negative log-likelihoods of ids[first:], each given all before it in ids."""
    lp = torch.log_softmax(logits(model, ids, longest)[first - 1 : -1], -1)
    return -lp.gather(1, torch.tensor(ids[first:])[:, None])[:, 0]


def nll_rows(model, rows):
    with torch.no_grad():
        return [row_nll(model, r).tolist() for r in rows]


def nll_blocks(model, ids, ctx):
    """Windows of ctx inputs at multiples of ctx; each token but the first scored once."""
    out = []
    with torch.no_grad():
        for at in range(0, len(ids) - 1, ctx):
            targets = torch.tensor(ids[at + 1 : at + ctx + 1])[:, None]
            lp = torch.log_softmax(logits(model, ids[at : at + len(targets)]), -1)
            out += (-lp.gather(1, targets)[:, 0]).tolist()
    return out


def nll_stride(model, ids, ctx, stride):
    """The sliding window of the transformers documentation."""
    out, done = [], 1
    with torch.no_grad():
        for at in range(0, len(ids), stride):
            end = min(at + ctx, len(ids))
            if end > done:
                out += row_nll(model, ids[at:end], done - at).tolist()
            done = end
            if end == len(ids):
                break
    return out


def nll_llamacpp(model, ids, ctx, bos):
    """llama-perplexity: whole chunks, the second half scored, BOS (if any) in place of token 0."""
    out = []
    with torch.no_grad():
        for at in range(0, len(ids) // ctx * ctx, ctx):
            chunk = ids[at : at + ctx]
            if bos is not None:
                chunk = [bos] + chunk[1:]
            out += row_nll(model, chunk, ctx // 2 + 1).tolist()
    return out


def next_logits(model, ids, cache):
    """The last row of logits. Dynamic rope: as transformers generates, with keys that keep the
    frequencies of the length that they were made for."""
    if not rope_is(model, "dynamic"):
        return logits(model, ids)[-1]
    seen = cache.get_seq_length()
    return model(torch.tensor([ids[seen:]]), past_key_values=cache).logits[0, -1]


def greedy(model, ids, count, eos):
    """Greedy ids after the prompt, and the smallest gap between the two best logits on the way."""
    ids, new, gap, cache = list(ids), [], math.inf, DynamicCache()
    forget_lengths(model)
    with torch.no_grad():
        while len(new) < count and (not new or new[-1] not in eos):
            top = next_logits(model, ids, cache).topk(2)
            gap = min(gap, float(top.values[0] - top.values[1]))
            new.append(int(top.indices[0]))
            ids.append(new[-1])
    return new, gap


def tokenizer(folder):
    return Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))


def text_row(tok, text, eos, limit):
    ids = tok.encode(text).ids
    if not ids or ids[-1] != eos:
        ids.append(eos)
    return ids[:limit]


def schedule(opt, hp):
    kind, steps = hp["schedule"], hp["iters"]
    if kind == "constant":
        return optimization.get_constant_schedule_with_warmup(opt, hp["warmup"])
    make = getattr(optimization, f"get_{kind}_schedule_with_warmup")
    return make(opt, hp["warmup"], steps)


def lora_params(model):
    """Trainable tensors under the names that PEFT saves them by."""
    named = {n.replace(".default.", "."): p for n, p in model.named_parameters() if p.requires_grad}
    return dict(sorted(named.items()))


def window_loss(model, rows, batch):
    """Backward of sum / number of targets over all rows; returns (loss, targets)."""
    count = sum(len(r) - 1 for r in rows)
    total = 0.0
    for i, r in enumerate(rows):
        micro = rows[i // batch * batch :][:batch]
        loss = row_nll(model, r, longest=max(map(len, micro))).sum() / count
        loss.backward()
        total += loss.item()
    return total, count


def train(model, rows, hp):
    """One run as the program makes it with --shuffle false; returns the lists of each step."""
    params = list(lora_params(model).values())
    opt = torch.optim.AdamW(params, lr=hp["lr"], weight_decay=hp["weight_decay"])
    sched = schedule(opt, hp)
    log = {"losses": [], "grad_norms": [], "lrs": [], "target_tokens": []}
    window = hp["batch"] * hp["accum"]
    for step in range(hp["iters"]):
        part = [rows[(step * window + i) % len(rows)] for i in range(window)]
        opt.zero_grad()
        loss, count = window_loss(model, part, hp["batch"])
        norm = torch.nn.utils.clip_grad_norm_(params, hp["max_grad_norm"])
        log["losses"].append(loss)
        log["grad_norms"].append(float(norm))
        log["lrs"].append(sched.get_last_lr()[0])
        log["target_tokens"].append(count)
        opt.step()
        sched.step()
    return log


def jsonl(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]
