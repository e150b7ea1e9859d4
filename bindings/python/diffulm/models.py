"""Runtimes, models, tokenizers, length heads and adapters: what is opened once, never changes and may be shared by threads."""
import collections
import ctypes
import json

from . import _arrays as arrays
from . import _files
from . import _native as n

lib, check, options, sized = n.lib, n.check, n.options, n.sized


class Runtime(n.Handle):
    """How the library computes: Runtime(threads=2, backend="reference", isa="avx2")."""

    _release = "diffulm_runtime_unref"

    def __init__(self, **values):
        super().__init__(n.make(lib.diffulm_runtime_create, options("diffulm_runtime_options", values)))

    def __str__(self):
        buffer = ctypes.create_string_buffer(256)
        lib.diffulm_runtime_describe(self.address, buffer, 256)
        return buffer.value.decode()


Encoding = collections.namedtuple("Encoding", "ids begins ends sequences types")
SpecialIds = collections.namedtuple("SpecialIds", "bos eos pad unk mask")


class Tokenizer(n.Handle):
    """Text to token ids and back, equal to Hugging Face's tokenizers."""

    _release = "diffulm_tokenizer_unref"

    def __init__(self, path, **values):
        super().__init__(n.make(lib.diffulm_tokenizer_open, str(path).encode(), options("diffulm_tokenizer_options", values)))

    @classmethod
    def from_files(cls, files, **values):
        """files: {"tokenizer.json": bytes, ...}, or a function of a name that returns bytes, or None where there is no such file."""
        return cls._of(_files.opened(files, lib.diffulm_tokenizer_open_files, None, options("diffulm_tokenizer_options", values)))

    def encode(self, text, pair=None, special=True):
        """An Encoding; begins and ends are bytes of the UTF-8 text."""
        data, second = text.encode(), None if pair is None else pair.encode()
        wanted = options("diffulm_encode_options", {"no_special": int(not special)})
        out = sized("diffulm_encoding")
        capacity = len(data) + len(second or b"") + 16
        while True:
            kept = [(ctypes.c_int32 * capacity)(), (ctypes.c_size_t * capacity)(), (ctypes.c_size_t * capacity)(),
                    (ctypes.c_int32 * capacity)(), (ctypes.c_int32 * capacity)()]
            out.capacity = capacity
            out.ids, out.begins, out.ends, out.sequences, out.types = (ctypes.addressof(block) for block in kept)
            rc = check(lib.diffulm_tokenizer_encode(self.address, data, len(data), second, len(second or b""), wanted, out))
            if rc != n.BUFFER_TOO_SMALL:
                return Encoding(*(block[:out.count] for block in kept))
            capacity = out.count

    def decode(self, ids, skip_special=True):
        address, keep, count = arrays.given(ids, ctypes.c_int32)
        text = n.text_of(lambda b, c, l: lib.diffulm_tokenizer_decode(self.address, address, count, int(skip_special), b, c, l),
                         8 * count + 64)
        del keep
        return text

    def piece(self, token):
        """The vocabulary's text of an id, or None."""
        length = ctypes.c_size_t()
        piece = lib.diffulm_tokenizer_piece(self.address, token, ctypes.byref(length))
        return None if piece is None else piece[:length.value].decode("utf-8", "replace")

    def id(self, piece):
        """The id of a piece, or None."""
        data = piece.encode()
        found = lib.diffulm_tokenizer_id(self.address, data, len(data))
        return None if found < 0 else found

    def __len__(self):
        return lib.diffulm_tokenizer_vocabulary(self.address)

    @property
    def special(self):
        """Ids of bos, eos, pad, unk and mask; None where there is none."""
        out = sized("diffulm_special_ids")
        check(lib.diffulm_tokenizer_special_ids(self.address, out))
        return SpecialIds(*(None if value < 0 else value for value in (out.bos, out.eos, out.pad, out.unk, out.mask)))


ModelInfo = collections.namedtuple("ModelInfo", "family vocabulary hidden layers heads ffn positions parameters longest_row dtype "
                                   "tied has_head pad_id bos_id eos_id mask_id first_position tensors_skipped")


class Model(n.Handle):
    """A pretrained masked language model, frozen: Model("folder"), or Model.create(config) with fresh weights."""

    _release = "diffulm_model_unref"

    def __init__(self, folder, runtime=None, **values):
        super().__init__(n.make(lib.diffulm_model_open, str(folder).encode(), self._options(runtime, values)))

    @classmethod
    def from_files(cls, files, runtime=None, **values):
        """files: {"config.json": bytes, "model.safetensors": bytes}, or a function of a name that returns bytes, or None where there is no
        such file. F32 weights are used inside the bytes, which live as long as anything that uses the model."""
        return cls._of(_files.opened(files, lib.diffulm_model_open_files, None, cls._options(runtime, values)))

    @staticmethod
    def _options(runtime, values):
        out = options("diffulm_model_options", values)
        out.runtime = runtime.address if runtime else None
        return out

    @classmethod
    def create(cls, config, runtime=None, **values):
        """Fresh weights by `seed`; config: a dict, or the text of a config.json."""
        text = (config if isinstance(config, str) else json.dumps(config)).encode()
        return cls._of(n.make(lib.diffulm_model_create, text, len(text), cls._options(runtime, values)))

    @property
    def info(self):
        out = sized("diffulm_model_info")
        check(lib.diffulm_model_get_info(self.address, out))
        values = {name: getattr(out, name) for name in ModelInfo._fields}
        values["family"] = out.family.decode()
        values["tied"], values["has_head"] = bool(out.tied), bool(out.has_head)
        for name in ("pad_id", "bos_id", "eos_id", "mask_id"):
            values[name] = None if values[name] < 0 else values[name]
        return ModelInfo(**values)

    def parameters(self):
        """Yields (name, shape)."""
        shape = (ctypes.c_int64 * 2)()
        index = 0
        while True:
            name = lib.diffulm_model_parameter(self.address, index, shape)
            if name is None:
                return
            yield name.decode(), tuple(shape) if shape[1] != 1 else (shape[0],)
            index += 1

    def _batch(self, rows, sources, attention, newline_id):
        packed = arrays.Packed(rows)
        batch = sized("diffulm_batch", rows=packed.rows, offsets=packed.offset_address(), tokens=packed.token_address(),
                      attention=n.choice("DIFFULM_ATTENTION_", attention, "attention"), newline_id=newline_id)
        source = None
        if sources is not None:
            source = (ctypes.c_uint8 * max(1, packed.count))()
            for row, length in enumerate(sources):
                source[packed.offsets[row]:packed.offsets[row] + length] = [1] * length
            batch.source = ctypes.addressof(source)
        return packed, batch, source

    def logits(self, rows, wanted=None, sources=None, attention="full", newline_id=-1):
        """[positions, vocabulary] of rows of token ids, of all positions or of the packed ones in `wanted`. sources: how many leading
        tokens of each row are source (prefix_lm, blockwise)."""
        packed, batch, keep = self._batch(rows, sources, attention, newline_id)
        address, keep_wanted, count = arrays.given(wanted, ctypes.c_size_t)
        count = packed.count if wanted is None else count
        vocabulary = self.info.vocabulary
        out, array = arrays.fresh(ctypes.c_float, count, vocabulary)
        check(lib.diffulm_model_logits(self.address, batch, address, count, out))
        del keep, keep_wanted
        return arrays.shaped(array, count, vocabulary)

    def hidden(self, rows, sources=None, attention="full", newline_id=-1):
        """The encoder's last states [tokens, hidden]."""
        packed, batch, keep = self._batch(rows, sources, attention, newline_id)
        out, array = arrays.fresh(ctypes.c_float, packed.count, self.info.hidden)
        check(lib.diffulm_model_hidden(self.address, batch, out))
        del keep
        return arrays.shaped(array, packed.count, self.info.hidden)

    def save(self, folder, dtype="f32"):
        check(lib.diffulm_model_save(self.address, str(folder).encode(), n.choice("DIFFULM_DTYPE_", dtype, "dtype")))

    def likelihood(self, rows, pseudo=False, first_row=0, **values):
        """log p(target | source) of each row (tokens, source_length): a list of (log_probability, standard_error, tokens)."""
        if "mask_id" not in values:
            values["mask_id"] = -1 if self.info.mask_id is None else self.info.mask_id
        packed = arrays.Packed(tokens for tokens, _ in rows)
        sources = (ctypes.c_size_t * max(1, packed.rows))(*(length for _, length in rows))
        given = sized("diffulm_rows", rows=packed.rows, offsets=packed.offset_address(), tokens=packed.token_address(),
                      source_lengths=ctypes.addressof(sources))
        out = (n.structs["diffulm_likelihood"] * max(1, packed.rows))()
        out[0].struct_size = ctypes.sizeof(out[0])
        wanted = options("diffulm_likelihood_options", values)
        if pseudo:
            check(lib.diffulm_likelihood_pseudo(self.address, given, wanted, out))
        else:
            check(lib.diffulm_likelihood_bound(self.address, given, first_row, wanted, out))
        return [(one.log_probability, one.standard_error, one.tokens) for one in out[:packed.rows]]


class Adapter(n.Handle):
    """A LoRA adapter in PEFT's format, for one model."""

    _release = "diffulm_adapter_unref"

    def __init__(self, model, folder):
        super().__init__(n.make(lib.diffulm_adapter_open, model.address, str(folder).encode()))

    @classmethod
    def from_files(cls, model, files):
        """files as of Model.from_files: "adapter_config.json" and "adapter_model.safetensors"."""
        return cls._of(_files.opened(files, lib.diffulm_adapter_open_files, model.address, None))

    def save(self, folder):
        check(lib.diffulm_adapter_save(self.address, str(folder).encode()))

    def attach(self):
        """A model that scores with the adapter over shared weights."""
        return Model._of(n.make(lib.diffulm_adapter_attach, self.address))

    def merge(self):
        """A model with weights of its own."""
        return Model._of(n.make(lib.diffulm_adapter_merge, self.address))


class LengthHead(n.Handle):
    """Predicts how many tokens an answer has: LengthHead(model, "folder"), or LengthHead.create(model, seed)."""

    _release = "diffulm_length_head_unref"

    def __init__(self, model, folder):
        super().__init__(n.make(lib.diffulm_length_head_open, model.address, str(folder).encode()))

    @classmethod
    def create(cls, model, seed=0):
        return cls._of(n.make(lib.diffulm_length_head_create, model.address, seed))

    @classmethod
    def from_files(cls, model, files):
        """files as of Model.from_files: "length_head.safetensors"."""
        return cls._of(_files.opened(files, lib.diffulm_length_head_open_files, model.address, None))

    @property
    def classes(self):
        return lib.diffulm_length_head_classes(self.address)

    def logits(self, sources):
        """[rows, classes] of sources of token ids: [bos] source."""
        packed = arrays.Packed(sources)
        out, array = arrays.fresh(ctypes.c_float, packed.rows, self.classes)
        check(lib.diffulm_length_head_logits(self.address, packed.rows, packed.offsets, packed.tokens, out))
        return arrays.shaped(array, packed.rows, self.classes)

    def candidates(self, source, beam=1, unique=True):
        """The best `beam` lengths of one source, best first."""
        address, keep, _ = arrays.given(self.logits([source])[0], ctypes.c_float)
        out, count = (ctypes.c_size_t * beam)(), ctypes.c_size_t()
        check(lib.diffulm_length_candidates(address, self.classes, beam, self.classes, len(source), int(unique), out,
                                            ctypes.byref(count)))
        del keep
        return list(out[:count.value])

    def save(self, folder, dtype="f32"):
        check(lib.diffulm_length_head_save(self.address, str(folder).encode(), n.choice("DIFFULM_DTYPE_", dtype, "dtype")))
