"""The tiny models of tests/fixtures/model, for make_model_fixtures.py: shapes, seeds, runs."""

HP = dict(rank=3, alpha=6, batch=2, accum=2, iters=50, lr=4e-3, warmup=3, schedule="cosine",
          weight_decay=0.01, max_grad_norm=1.0, max_seq_length=40)  # fmt: skip
WARM = dict(warmup=5)
ROPE = {"rope_type": "default", "rope_theta": 10000.0}
ROPE3 = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
         "high_freq_factor": 4.0, "original_max_position_embeddings": 16}  # fmt: skip
YARN = dict(ROPE, rope_type="yarn", factor=4.0, original_max_position_embeddings=24)
LONGROPE = dict(ROPE, rope_type="longrope", partial_rotary_factor=0.75,
                short_factor=[1.0, 1.1, 1.3], long_factor=[1.0, 2.0, 4.5])  # fmt: skip
VISION = dict(model_type="siglip_vision_model", hidden_size=8, intermediate_size=9,
              num_hidden_layers=1, num_attention_heads=2, image_size=4, patch_size=2)  # fmt: skip
TEXT_PART = r".*language_model.*\.(q|k|v|o|gate|up|down)_proj"

# style: which transformers wrote config.json. pad: rows of the embedding that no token uses.
# small: fewer tokens, texts and numbers. short: half of the texts very short, where the rope asks
# how long a row is. Rows of up to 40 tokens go beyond every window and every original context here.
FAMILIES = {
    "llama2": dict(
        seed=11, type="llama", style=4, dtype="float32", tokenizer="spm", pad=0, hp={},
        config=dict(hidden_size=24, intermediate_size=37, num_attention_heads=4,
                    num_key_value_heads=4, rms_norm_eps=1e-5, rope_parameters=ROPE)),
    "llama3": dict(
        seed=12, type="llama", style=4, dtype="float32", tokenizer="llama3", pad=0,
        hp=dict(rank=3, alpha=9, schedule="linear"),
        config=dict(hidden_size=36, intermediate_size=41, num_attention_heads=6, eos_list=True,
                    num_key_value_heads=2, tie_word_embeddings=True, rope_parameters=ROPE3)),
    "llama_linear": dict(
        seed=13, type="llama", style=5, dtype="bfloat16", tokenizer="gpt2", pad=3,
        hp=dict(rank=4, alpha=8, lr=1e-3, max_grad_norm=50.0), lora=dict(use_rslora=True),
        config=dict(hidden_size=33, intermediate_size=43, num_attention_heads=3, head_dim=10,
                    num_key_value_heads=3, tie_word_embeddings=True,
                    rope_parameters=dict(ROPE, rope_type="linear", factor=4.0))),
    "llama_linear4": dict(
        seed=18, type="llama", style=4, dtype="float16", tokenizer="gpt2", pad=0,
        hp=dict(rank=2, alpha=3, schedule="constant", accum=1, batch=3),
        lora=dict(target_modules=["k_proj", "up_proj"]),
        config=dict(hidden_size=24, intermediate_size=30, num_attention_heads=2, head_dim=14,
                    num_key_value_heads=1, num_hidden_layers=3,
                    rope_parameters=dict(ROPE, rope_type="linear", factor=2.0))),
    "llama_bias": dict(
        seed=14, type="llama", style=5, dtype="float16", tokenizer="llama3", pad=1,
        hp=dict(rank=3, alpha=4, lr=3e-3),
        config=dict(hidden_size=36, intermediate_size=39, num_attention_heads=4, head_dim=8,
                    num_key_value_heads=2, attention_bias=True, mlp_bias=True,
                    rope_parameters=ROPE)),
    "mistral": dict(
        seed=15, type="mistral", style=5, dtype="bfloat16", tokenizer="spm", pad=0,
        hp=dict(weight_decay=0.1, alpha=7),
        config=dict(hidden_size=32, intermediate_size=38, num_attention_heads=4, head_dim=12,
                    num_key_value_heads=2, sliding_window=8, rope_parameters=ROPE)),
    "qwen2": dict(
        seed=16, type="qwen2", style=4, dtype="bfloat16", tokenizer="qwen", pad=13,
        hp=dict(rank=3, alpha=10, lr=2e-3),
        config=dict(hidden_size=40, intermediate_size=45, num_attention_heads=4,
                    num_key_value_heads=2, tie_word_embeddings=True,
                    rope_parameters=dict(ROPE, rope_theta=1e6))),
    "qwen3": dict(
        seed=17, type="qwen3", style=5, dtype="float32", tokenizer="qwen", pad=2,
        hp=dict(rank=6, alpha=16), lora=dict(target_modules=["q_proj", "v_proj", "down_proj"]),
        config=dict(hidden_size=32, intermediate_size=35, num_attention_heads=3, head_dim=16,
                    num_key_value_heads=1, tie_word_embeddings=True,
                    rope_parameters=dict(ROPE, rope_theta=1e6))),
    "qwen3_untied": dict(
        seed=19, type="qwen3", style=4, dtype="float16", tokenizer="qwen", pad=0,
        hp=dict(rank=3, alpha=5), lora=dict(use_rslora=True),
        config=dict(hidden_size=28, intermediate_size=33, num_attention_heads=4, head_dim=8,
                    num_key_value_heads=4, rope_parameters=dict(ROPE, rope_theta=1e6))),
    "qwen2_window": dict(
        seed=20, type="qwen2", style=5, dtype="float16", tokenizer="qwen", pad=0,
        small=True, hp=dict(WARM, rank=2, alpha=4), lora=dict(target_modules=["q_proj", "o_proj"]),
        config=dict(hidden_size=20, intermediate_size=23, num_attention_heads=2,
                    num_key_value_heads=1, num_hidden_layers=3, use_sliding_window=True,
                    sliding_window=7, max_window_layers=1, rope_parameters=YARN)),
    "qwen3_window": dict(
        seed=26, type="qwen3", style=5, dtype="bfloat16", tokenizer="qwen", pad=0,
        small=True, hp=dict(WARM, rank=2, alpha=5), lora=dict(target_modules=["k_proj", "v_proj"]),
        config=dict(hidden_size=20, intermediate_size=21, num_attention_heads=2, head_dim=8,
                    num_key_value_heads=1, num_hidden_layers=3, use_sliding_window=True,
                    sliding_window=9, tie_word_embeddings=True, rope_parameters=ROPE,
                    layer_types=["sliding_attention", "full_attention", "sliding_attention"])),
    "llama_yarn": dict(
        seed=27, type="llama", style=4, dtype="float16", tokenizer="gpt2", pad=0,
        small=True, hp=dict(WARM, rank=2, alpha=4), lora=dict(target_modules=["q_proj", "k_proj"]),
        config=dict(hidden_size=20, intermediate_size=21, num_attention_heads=2, head_dim=16,
                    num_key_value_heads=1, tie_word_embeddings=True,
                    rope_parameters=dict(YARN, beta_fast=8.0, beta_slow=0.5))),
    "llama_dynamic": dict(
        seed=28, type="llama", style=4, dtype="bfloat16", tokenizer="gpt2", pad=0, short=True,
        small=True, hp=dict(WARM, rank=2, alpha=4), lora=dict(target_modules=["q_proj", "k_proj"]),
        config=dict(hidden_size=20, intermediate_size=21, num_attention_heads=2, head_dim=12,
                    num_key_value_heads=2, tie_word_embeddings=True, max_position_embeddings=24,
                    rope_parameters=dict(ROPE, rope_type="dynamic", factor=2.0))),
    "gemma2": dict(
        seed=21, type="gemma2", style=4, dtype="bfloat16", tokenizer="spm", pad=0,
        small=True, hp=dict(WARM, rank=2, alpha=4),
        config=dict(hidden_size=20, intermediate_size=23, num_attention_heads=4, head_dim=6,
                    num_key_value_heads=2, num_hidden_layers=2, sliding_window=8,
                    query_pre_attn_scalar=20, attn_logit_softcapping=3.0,
                    final_logit_softcapping=6.0, tie_word_embeddings=True, rope_parameters=ROPE)),
    "gemma3": dict(
        seed=22, type="gemma3_text", style=5, dtype="float32", tokenizer="spm", pad=0,
        small=True, hp=dict(WARM, rank=2, alpha=4),
        lora=dict(target_modules=["v_proj", "gate_proj"]),
        config=dict(hidden_size=16, intermediate_size=19, num_attention_heads=2, head_dim=8,
                    num_key_value_heads=1, num_hidden_layers=7, sliding_window=8,
                    query_pre_attn_scalar=20, tie_word_embeddings=True,
                    rope_parameters={"full_attention": dict(ROPE, rope_type="linear", factor=8.0,
                                                            rope_theta=1e6),
                                     "sliding_attention": ROPE})),
    "gemma3_parts": dict(  # with a vision tower; its config.json leaves out what is the default
        seed=29, type="gemma3", style=4, dtype="bfloat16", tokenizer="spm", pad=0,
        small=True, hp=dict(WARM, rank=2, alpha=4), lora=dict(target_modules=TEXT_PART),
        config=dict(hidden_size=16, intermediate_size=19, num_attention_heads=8, head_dim=4,
                    num_key_value_heads=4, num_hidden_layers=2, sliding_window=8,
                    sliding_window_pattern=2, query_pre_attn_scalar=20,
                    rope_parameters={"full_attention": dict(ROPE, rope_type="linear", factor=8.0,
                                                            rope_theta=1e6),
                                     "sliding_attention": ROPE})),
    "phi3": dict(
        seed=23, type="phi3", style=4, dtype="bfloat16", tokenizer="spm", pad=0,
        small=True, hp=dict(WARM, rank=2, alpha=5),
        config=dict(hidden_size=20, intermediate_size=23, num_attention_heads=2,
                    num_key_value_heads=1, sliding_window=10, pad_token_id=0,
                    rope_parameters=ROPE)),
    "phi4": dict(  # as Phi-4-mini
        seed=30, type="phi3", style=4, dtype="bfloat16", tokenizer="gpt2", pad=2, short=True,
        small=True, hp=dict(WARM, rank=2, alpha=4),
        config=dict(hidden_size=16, intermediate_size=19, num_attention_heads=2,
                    num_key_value_heads=1, sliding_window=30, pad_token_id=0,
                    tie_word_embeddings=True, original_max_position_embeddings=24,
                    rope_parameters=LONGROPE)),
    "smollm3": dict(
        seed=24, type="smollm3", style=5, dtype="bfloat16", tokenizer="llama3", pad=0,
        small=True, hp=dict(WARM, rank=2, alpha=4), lora=dict(target_modules=["q_proj", "up_proj"]),
        config=dict(hidden_size=20, intermediate_size=23, num_attention_heads=2, pad_token_id=0,
                    num_key_value_heads=1, num_hidden_layers=4, no_rope_layer_interval=2,
                    use_sliding_window=True, sliding_window=9, tie_word_embeddings=True,
                    layer_types=["full_attention", "sliding_attention", "sliding_attention",
                                 "full_attention"],
                    rope_parameters=dict(ROPE, rope_theta=5e6))),
    "gpt2": dict(
        seed=25, type="gpt2", style=5, dtype="float32", tokenizer="gpt2", pad=1,
        small=True, hp=dict(WARM, rank=2, alpha=6),
        config=dict(hidden_size=20, num_attention_heads=2, n_inner=33, tie_word_embeddings=True)),
}  # fmt: skip
