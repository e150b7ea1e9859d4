"""Adapters go both ways between PEFT and the library: test_peft.py LIBRARY
Skipped (77) where torch, transformers or peft is not installed."""
import ctypes
import json
import os
import sys
import tempfile

try:
    import peft
    import torch
    import transformers
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
library = ctypes.CDLL(sys.argv[1])
library.diffulm_error_message.restype = ctypes.c_char_p
COMMON = dict(vocab_size=53, hidden_size=24, num_hidden_layers=3, num_attention_heads=3, intermediate_size=20, max_position_embeddings=40, pad_token_id=1,
              bos_token_id=0, eos_token_id=2)
CASES = [("xlm-roberta", ["query", "value"], {}), ("bert", ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"], {}),
         ("modernbert", ["Wqkv", "Wo", "Wi"], dict(cls_token_id=0, sep_token_id=2, local_attention=6, global_attn_every_n_layers=2)),
         ("xlm-roberta-xl", ["key"], {})]
ROWS = [[0, 5, 9, 12, 33, 2], [0, 7, 7, 41, 2]]


class Batch(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("rows", ctypes.c_size_t), ("offsets", ctypes.POINTER(ctypes.c_size_t)),
                ("tokens", ctypes.POINTER(ctypes.c_int32)), ("positions", ctypes.c_void_p), ("source", ctypes.c_void_p),
                ("attended", ctypes.c_void_p), ("attention", ctypes.c_int32), ("newline_id", ctypes.c_int32)]


class TrainerOptions(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), *[(n, ctypes.c_double) for n in ("lr", "beta1", "beta2", "epsilon", "weight_decay", "clip")],
                ("lr_schedule", ctypes.c_int32), ("warmup", ctypes.c_int64), ("steps", ctypes.c_int64), ("objective", ctypes.c_int32), ("timesteps", ctypes.c_int32),
                ("weight", ctypes.c_int32), ("corruption", ctypes.c_int32), ("mask_ratio", ctypes.c_double), ("label_smoothing", ctypes.c_double),
                ("attention", ctypes.c_int32), ("newline_id", ctypes.c_int32), ("mask_id", ctypes.c_int32), ("mask_on_source", ctypes.c_int32),
                ("dropout", ctypes.c_int32), ("seed", ctypes.c_uint64), ("lora_rank", ctypes.c_int32), ("lora_alpha", ctypes.c_double),
                ("lora_targets", ctypes.c_char_p), ("checkpoint_activations", ctypes.c_int32), ("ema_decay", ctypes.c_double)]


class Rows(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("rows", ctypes.c_size_t), ("offsets", ctypes.POINTER(ctypes.c_size_t)),
                ("tokens", ctypes.POINTER(ctypes.c_int32)), ("source_lengths", ctypes.POINTER(ctypes.c_size_t))]


def call(name, *arguments):
    if getattr(library, name)(*arguments) < 0:
        sys.exit(f"{name}: {library.diffulm_error_message().decode()}")


def packed():
    offsets = [0]
    for row in ROWS:
        offsets.append(offsets[-1] + len(row))
    tokens = [t for row in ROWS for t in row]
    return (ctypes.c_size_t * len(offsets))(*offsets), (ctypes.c_int32 * len(tokens))(*tokens)


def our_logits(model):
    offsets, tokens = packed()
    v = COMMON["vocab_size"]
    out = (ctypes.c_float * (len(tokens) * v))()
    call("diffulm_model_logits", model, ctypes.byref(Batch(ctypes.sizeof(Batch), len(ROWS), offsets, tokens)), None, ctypes.c_size_t(0), out)
    return torch.tensor(list(out)).view(-1, v)


def their_logits(model):
    with torch.inference_mode():
        return torch.cat([model.eval()(input_ids=torch.tensor([row])).logits[0] for row in ROWS])


def same(what, have, want):
    error, size = (have - want).abs().max().item(), want.abs().max().item()
    good = error <= 1e-5 * max(1.0, size)
    print(f"{'ok' if good else 'FAIL'} {what}: logits to {size:.1f} differ by {error:.2g}")
    return good


def from_peft(family, base, folder, model):
    """PEFT's adapter, opened here: attached and merged."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_" in name:
                p.copy_(torch.randn_like(p) * 0.3)
    model.save_pretrained(folder)
    adapter, attached, merged = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    call("diffulm_adapter_open", base, folder.encode(), ctypes.byref(adapter))
    call("diffulm_adapter_attach", adapter, ctypes.byref(attached))
    call("diffulm_adapter_merge", adapter, ctypes.byref(merged))
    want = their_logits(model)
    good = same(f"{family}, PEFT's adapter attached", our_logits(attached), want)
    good &= same(f"{family}, PEFT's adapter merged", our_logits(merged), want)
    for handle in (attached, merged):
        library.diffulm_model_unref(handle)
    library.diffulm_adapter_unref(adapter)
    return good


def to_peft(family, targets, base, folder, plain):
    """An adapter trained here, opened by PEFT."""
    trainer, adapter, attached = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    offsets, tokens = packed()
    options = TrainerOptions(ctypes.sizeof(TrainerOptions), lr=0.05, mask_id=3, lora_rank=4, lora_alpha=6, lora_targets=",".join(targets).encode())
    rows = Rows(ctypes.sizeof(Rows), len(ROWS), offsets, tokens, (ctypes.c_size_t * 2)(2, 2))
    call("diffulm_trainer_create", base, ctypes.byref(options), ctypes.byref(trainer))
    for _ in range(5):
        call("diffulm_trainer_accumulate", trainer, ctypes.byref(rows), None)
        call("diffulm_trainer_apply", trainer, None)
    call("diffulm_trainer_export_adapter", trainer, ctypes.byref(adapter))
    call("diffulm_adapter_save", adapter, folder.encode())
    call("diffulm_adapter_attach", adapter, ctypes.byref(attached))
    with open(os.path.join(folder, "adapter_config.json"), encoding="utf-8") as file:
        assert sorted(json.load(file)["target_modules"]) != []
    theirs = peft.PeftModel.from_pretrained(plain, folder)
    have = our_logits(attached)
    good = same(f"{family}, our adapter in PEFT", have, their_logits(theirs))
    moved = (have - our_logits(base)).abs().max().item()
    if moved < 1e-3:
        print(f"FAIL {family}: training moved the logits by {moved:.2g} only")
        good = False
    library.diffulm_trainer_destroy(trainer)
    library.diffulm_model_unref(attached)
    library.diffulm_adapter_unref(adapter)
    return good


good = True
for family, targets, more in CASES:
    torch.manual_seed(5)
    with tempfile.TemporaryDirectory() as folder:
        plain = transformers.AutoModelForMaskedLM.from_config(transformers.AutoConfig.for_model(family, **COMMON, **more), attn_implementation="eager")
        path = os.path.join(folder, "model")
        plain.save_pretrained(path)
        base = ctypes.c_void_p()
        call("diffulm_model_open", path.encode(), None, ctypes.byref(base))
        config = peft.LoraConfig(r=3, lora_alpha=5, target_modules=targets, use_rslora=family == "bert")
        good &= from_peft(family, base, os.path.join(folder, "theirs"), peft.get_peft_model(plain, config))
        plain = transformers.AutoModelForMaskedLM.from_pretrained(path, attn_implementation="eager")
        good &= to_peft(family, targets, base, os.path.join(folder, "ours"), plain)
        library.diffulm_model_unref(base)
sys.exit(not good)
