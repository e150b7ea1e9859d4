"""Saved models load in transformers to the same logits: test_transformers.py LIBRARY
Skipped (77) where torch or transformers is not installed."""
import ctypes
import json
import sys
import tempfile

try:
    import torch
    import transformers
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)

COMMON = {"vocab_size": 97, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 80,
          "max_position_embeddings": 64, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
FAMILIES = {
    "xlm-roberta": {"type_vocab_size": 1, "hidden_act": "gelu", "layer_norm_eps": 1e-5},
    "roberta": {"type_vocab_size": 1, "hidden_act": "gelu", "layer_norm_eps": 1e-5},
    "camembert": {"type_vocab_size": 1, "hidden_act": "gelu", "layer_norm_eps": 1e-5},
    "bert": {"type_vocab_size": 2, "hidden_act": "gelu", "pad_token_id": 0, "layer_norm_eps": 1e-12},
    "xlm-roberta-xl": {"type_vocab_size": 1, "hidden_act": "gelu", "layer_norm_eps": 1e-5},
    "modernbert": {"norm_eps": 1e-5, "local_attention": 8, "global_attn_every_n_layers": 2, "global_rope_theta": 160000.0,
                   "local_rope_theta": 10000.0, "attention_bias": False, "mlp_bias": False, "norm_bias": False,
                   "classifier_bias": False, "decoder_bias": True, "hidden_activation": "gelu"},
}


class ModelOptions(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("runtime", ctypes.c_void_p), ("head", ctypes.c_int32), ("seed", ctypes.c_uint64),
                ("init_std", ctypes.c_double)]


class Batch(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("rows", ctypes.c_size_t), ("offsets", ctypes.POINTER(ctypes.c_size_t)),
                ("tokens", ctypes.POINTER(ctypes.c_int32)), ("positions", ctypes.c_void_p), ("source", ctypes.c_void_p),
                ("attended", ctypes.c_void_p), ("attention", ctypes.c_int32), ("newline_id", ctypes.c_int32)]


library = ctypes.CDLL(sys.argv[1])
library.diffulm_error_message.restype = ctypes.c_char_p


def call(name, *arguments):
    if getattr(library, name)(*arguments) < 0:
        sys.exit(f"{name}: {library.diffulm_error_message().decode()}")


def difference(family):
    config = json.dumps({**COMMON, "model_type": family, **FAMILIES[family]}).encode()
    model = ctypes.c_void_p()
    options = ModelOptions(ctypes.sizeof(ModelOptions), None, 0, 7, 0.3)
    call("diffulm_model_create", config, ctypes.c_size_t(len(config)), ctypes.byref(options), ctypes.byref(model))
    ids = [(5 + 11 * i) % 97 for i in range(30)]
    ids = [i if i > 4 else 9 for i in ids]
    logits = (ctypes.c_float * (len(ids) * 97))()
    batch = Batch(ctypes.sizeof(Batch), 1, (ctypes.c_size_t * 2)(0, len(ids)), (ctypes.c_int32 * len(ids))(*ids))
    call("diffulm_model_logits", model, ctypes.byref(batch), None, ctypes.c_size_t(0), logits)
    with tempfile.TemporaryDirectory() as folder:
        call("diffulm_model_save", model, folder.encode(), ctypes.c_int32(0))
        theirs, report = transformers.AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True, attn_implementation="eager")
        missing = [k for k in report["missing_keys"] if "position_ids" not in k]
        assert not missing and not report["unexpected_keys"], (family, report)
        with torch.inference_mode():
            want = theirs.eval()(input_ids=torch.tensor([ids])).logits[0]
    library.diffulm_model_unref(model)
    have = torch.tensor(list(logits)).view(len(ids), 97)
    return (have - want).abs().max().item(), want.abs().max().item()


failed = False
for name in FAMILIES:
    error, size = difference(name)
    good = error <= 1e-4 * max(1.0, size)
    failed |= not good
    print(f"{'ok' if good else 'FAIL'} {name}: logits to {size:.1f}, largest difference {error:.2g}")
sys.exit(failed)
