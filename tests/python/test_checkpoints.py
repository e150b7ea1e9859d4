"""Checkpoints as transformers saves them give its logits: test_checkpoints.py LIBRARY [CASES [SEED]]

Families, sizes, activations, biases, ties, dtypes and shards are drawn. Skipped (77) where torch or transformers is
not installed."""
import ctypes
import json
import random
import sys
import tempfile

try:
    import torch
    import transformers
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)

FAMILIES = ["xlm-roberta", "roberta", "camembert", "bert", "xlm-roberta-xl", "modernbert"]
ACTIVATIONS = ["gelu", "relu", "silu", "gelu_new", "gelu_python", "gelu_fast", "gelu_pytorch_tanh", "swish"]
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
library = ctypes.CDLL(sys.argv[1])
library.diffulm_error_message.restype = ctypes.c_char_p


class Batch(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("rows", ctypes.c_size_t), ("offsets", ctypes.POINTER(ctypes.c_size_t)),
                ("tokens", ctypes.POINTER(ctypes.c_int32)), ("positions", ctypes.c_void_p), ("source", ctypes.c_void_p),
                ("attended", ctypes.c_void_p), ("attention", ctypes.c_int32), ("newline_id", ctypes.c_int32)]


def configuration(r):
    family, heads = r.choice(FAMILIES), r.choice([1, 2, 3, 4])
    c = dict(vocab_size=r.choice([17, 50, 97, 301]), hidden_size=heads * r.choice([2, 4, 6, 8, 10, 12, 16, 20]), num_attention_heads=heads,
             num_hidden_layers=r.randrange(1, 6), intermediate_size=r.choice([4, 7, 33, 64]), max_position_embeddings=r.choice([20, 34, 64]),
             pad_token_id=r.choice([0, 1, 3]), bos_token_id=0, eos_token_id=2, tie_word_embeddings=r.random() < 0.7)
    if family != "modernbert":
        c.update(type_vocab_size=r.choice([1, 2, 3]), hidden_act=r.choice(ACTIVATIONS), layer_norm_eps=r.choice([1e-12, 1e-5, 1e-3]))
        return family, c
    c.update({key: r.random() < 0.5 for key in ("norm_bias", "attention_bias", "mlp_bias", "classifier_bias", "decoder_bias")})
    c.update(hidden_activation=r.choice(ACTIVATIONS), classifier_activation=r.choice(ACTIVATIONS), norm_eps=r.choice([1e-5, 1e-3]),
             local_attention=r.choice([2, 4, 6, 8, 9]), global_attn_every_n_layers=r.choice([1, 2, 3]), cls_token_id=0, sep_token_id=2)
    if r.random() < 0.5:
        c.update(global_rope_theta=r.choice([100.0, 160000.0]), local_rope_theta=r.choice([50.0, 10000.0]))
    return family, c


def save(r, seed, family, c, folder):
    torch.manual_seed(seed)
    model = transformers.AutoModelForMaskedLM.from_config(transformers.AutoConfig.for_model(family, **c))
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(0.3 * torch.randn_like(p) + ("norm" in name.lower() and name.endswith("weight")))
    model.to(r.choice([torch.float32, torch.float16, torch.bfloat16])).save_pretrained(folder, max_shard_size=r.choice(["5GB", "20KB"]))


def ours(folder, rows, vocabulary):
    model, offsets = ctypes.c_void_p(), [0]
    for row in rows:
        offsets.append(offsets[-1] + len(row))
    tokens = [t for row in rows for t in row]
    out = (ctypes.c_float * (len(tokens) * vocabulary))()
    batch = Batch(ctypes.sizeof(Batch), len(rows), (ctypes.c_size_t * len(offsets))(*offsets), (ctypes.c_int32 * len(tokens))(*tokens))
    rc = library.diffulm_model_open(folder.encode(), None, ctypes.byref(model))
    if rc == 0:
        rc = library.diffulm_model_logits(model, ctypes.byref(batch), None, ctypes.c_size_t(0), out)
    message = library.diffulm_error_message().decode()
    library.diffulm_model_unref(model)
    return (torch.tensor(list(out)).view(-1, vocabulary), None) if rc == 0 else (None, message)


def compare(seed):
    """None, or what is wrong."""
    r = random.Random(seed)
    family, c = configuration(r)
    v, pad = c["vocab_size"], c["pad_token_id"]
    most = c["max_position_embeddings"] - (0 if family in ("bert", "modernbert") else pad + 1)
    rows = [[r.choice([t for t in range(v) if t != pad]) for _ in range(r.randrange(1, most + 1))] for _ in range(3)]
    with tempfile.TemporaryDirectory() as folder:
        save(r, seed, family, c, folder)
        have, message = ours(folder, rows, v)
        theirs = transformers.AutoModelForMaskedLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
        with torch.inference_mode():
            want = torch.cat([theirs(input_ids=torch.tensor([row])).logits[0] for row in rows])
    if message:
        return f"{family} {json.dumps(c)}: {message}"
    error, size = (have - want).abs().max().item(), want.abs().max().item()
    return None if error <= 1e-4 * max(1.0, size) else f"{family} {json.dumps(c)}: logits to {size:.1f} differ by {error:.2g}"


cases, seed = int(sys.argv[2]) if len(sys.argv) > 2 else 60, int(sys.argv[3]) if len(sys.argv) > 3 else 1
wrong = [w for w in map(compare, range(seed * 100000, seed * 100000 + cases)) if w]
print("\n".join(wrong))
print(f"{cases} checkpoints compared, {len(wrong)} differ")
sys.exit(bool(wrong))
