"""BLEU, chrF, ROUGE, matches and numbers, equal to sacrebleu, rouge_score and the SQuAD script."""
import collections
import ctypes

from . import _native as n

lib, check, options, sized = n.lib, n.check, n.options, n.sized

Rouge = collections.namedtuple("Rouge", "precision recall f1")


def _string(text):
    data = text.encode()
    return n.structs["diffulm_string"](data, len(data))


def _references(reference):
    texts = [reference] if isinstance(reference, str) else list(reference)
    return (n.structs["diffulm_string"] * len(texts))(*(_string(t) for t in texts)), len(texts)


def _corpus(hypotheses, references, wanted, statistics, add):
    hypotheses, references = list(hypotheses), list(references)
    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses but {len(references)} references")
    total = sized(statistics)
    for hypothesis, reference in zip(hypotheses, references):
        listed, count = _references(reference)
        check(add(wanted, _string(hypothesis), listed, count, total))
    return total


def bleu(hypotheses, references, tokenize="13a", **values):
    """Corpus BLEU in percent; a reference is a text or a list of them. tokenize: 13a, intl, char or none."""
    wanted = options("diffulm_bleu_options", {**values, "tokenizer": tokenize}, tokenizer="DIFFULM_BLEU_", smoothing="DIFFULM_BLEU_SMOOTH_")
    total = _corpus(hypotheses, references, wanted, "diffulm_bleu_statistics", lib.diffulm_bleu_add)
    out = sized("diffulm_bleu")
    check(lib.diffulm_bleu_score(wanted, total, out))
    return out.score


def chrf(hypotheses, references, **values):
    """Corpus chrF in percent; word_order=2: chrF++."""
    wanted = options("diffulm_chrf_options", values)
    total = _corpus(hypotheses, references, wanted, "diffulm_chrf_statistics", lib.diffulm_chrf_add)
    score = ctypes.c_double()
    check(lib.diffulm_chrf_score(wanted, total, ctypes.byref(score)))
    return score.value


def rouge(hypothesis, reference, kind="l", stem=False):
    """ROUGE of one text: kind 1, 2, l, lsum or l_white_space."""
    out = sized("diffulm_rouge")
    check(lib.diffulm_rouge_score(n.choice("DIFFULM_ROUGE_", kind if isinstance(kind, str) else str(kind), "kind"), int(stem),
                                  _string(hypothesis), _string(reference), out))
    return Rouge(out.precision, out.recall, out.f1)


def match(a, b, kind="exact"):
    """Whether two answers are equal; kind: exact or squad."""
    equal = ctypes.c_int32()
    check(lib.diffulm_match(n.choice("DIFFULM_MATCH_", kind, "kind"), _string(a), _string(b), ctypes.byref(equal)))
    return bool(equal.value)


def last_number(text, kind="number"):
    """The last number of a text in a canonical form, or None; kind: number or integer."""
    wanted = n.choice("DIFFULM_LAST_", kind, "kind")
    return n.text_of(lambda b, c, l: lib.diffulm_last_number(wanted, _string(text), b, c, l)) or None
