"""A small bilingual (English/German) grammar: lexicon, inflection, one abstract sentence -> two surface forms.

A sentence is a plain dict ("spec"); `english(spec)` and `german(spec)` realise it. Editing tasks change one feature of the
spec (tense, negation, question, subject ...) and realise again, so agreement, word order and case follow by construction.
"""
import zlib

# ---------------------------------------------------------------- nouns: en[/plural] de gender plural [w = weak noun]
_N = {
 "P": """man/men Mann m Männer; woman/women Frau f Frauen; child/children Kind n Kinder;
 boy Junge m Jungen w; girl Mädchen n Mädchen; teacher Lehrer m Lehrer;
 doctor Arzt m Ärzte; friend Freund m Freunde; brother Bruder m Brüder;
 sister Schwester f Schwestern; mother Mutter f Mütter; father Vater m Väter""",
 "A": """dog Hund m Hunde; cat Katze f Katzen; horse Pferd n Pferde; cow Kuh f Kühe;
 bird Vogel m Vögel; mouse/mice Maus f Mäuse; bear Bär m Bären w; lion Löwe m Löwen w;
 wolf/wolves Wolf m Wölfe""",
 "F": """apple Apfel m Äpfel; bread Brot n Brote; cake Kuchen m Kuchen; egg Ei n Eier;
 pear Birne f Birnen; tomato/tomatoes Tomate f Tomaten""",
 "T": """ball Ball m Bälle; table Tisch m Tische; chair Stuhl m Stühle; lamp Lampe f Lampen;
 key Schlüssel m Schlüssel; cup Tasse f Tassen; glass/glasses Glas n Gläser;
 knife/knives Messer n Messer; spoon Löffel m Löffel""",
 "C": """shirt Hemd n Hemden; coat Mantel m Mäntel; hat Hut m Hüte; dress/dresses Kleid n Kleider""",
 "R": """book Buch n Bücher; letter Brief m Briefe; newspaper Zeitung f Zeitungen;
 story/stories Geschichte f Geschichten""",
 "V": """car Auto n Autos; bicycle Fahrrad n Fahrräder; train Zug m Züge; bus/buses Bus m Busse""",
 "in": """garden Garten m Gärten; house Haus n Häuser; kitchen Küche f Küchen;
 school Schule f Schulen; forest Wald m Wälder; city/cities Stadt f Städte;
 village Dorf n Dörfer""",
 "on": """roof Dach n Dächer; street Straße f Straßen; mountain Berg m Berge; field Feld n Felder""",
 "at": """station Bahnhof m Bahnhöfe; river Fluss m Flüsse; lake See m Seen""",
}
NOUNS, BY_CAT = {}, {}
for _c, _t in _N.items():
    for _e in _t.replace("\n", " ").split(";"):
        f = _e.split()
        en = f[0].split("/")
        NOUNS[en[0]] = dict(en=en[0], enpl=en[1] if len(en) > 1 else en[0] + "s", de=f[1], g=f[2], depl=f[3], weak=len(f) > 4, cat=_c)
        BY_CAT.setdefault(_c, []).append(en[0])

# ---------------------------------------------------------------- adjectives: en de[/stem][/comparative] kind (p person, z animal, a both, t thing, f food, v vehicle)
_A = """old alt//älter atfv; young jung//jünger a; small klein atfv; big groß//größer atfv; new neu tv;
 beautiful schön atv; happy glücklich a; sad traurig a; tired müde/müd a; red rot tfv;
 green grün tfv; strong stark//stärker a; fast schnell av; slow langsam av; clever klug//klüger a;
 sick krank//kränker a; friendly freundlich a; expensive teuer/teur tv; heavy schwer tv;
 warm warm//wärmer f; fresh frisch f"""
ADJ, ADJ_BY = {}, {"p": [], "z": [], "t": [], "f": [], "v": []}
for _e in _A.replace("\n", " ").split(";"):
    en, de, kind = _e.split()
    d = (de.split("/") + ["", ""])[:3]
    stem = d[1] or d[0]
    ADJ[en] = dict(en=en, de=d[0], stem=stem, comp=d[2] or stem + "er")
    for k in kind.replace("a", "pz"):
        ADJ_BY[k].append(en)
KIND = dict(P="p", A="z", F="f", T="t", C="t", R="t", V="v")
ER = {"old": "older", "young": "younger", "small": "smaller", "big": "bigger", "happy": "happier", "sad": "sadder", "strong": "stronger",
      "weak": "weaker", "fast": "faster", "slow": "slower", "rich": "richer", "poor": "poorer", "lazy": "lazier", "brave": "braver",
      "cheap": "cheaper", "heavy": "heavier", "long": "longer", "short": "shorter", "loud": "louder", "clever": "cleverer"}

# ---------------------------------------------------------------- verbs: en[/past] de-infinitive[/du,er] participle [s = aux sein] : kind : subject cats : object cats
_V = """sleep/slept schlafen/schläfst,schläft geschlafen :i:PA; laugh lachen gelacht :i:P;
 cry/cried weinen geweint :i:P; work arbeiten gearbeitet :i:P; dance tanzen getanzt :i:P;
 sing/sang singen gesungen :i:P; swim/swam schwimmen geschwommen s :i:PA;
 run/ran laufen/läufst,läuft gelaufen s :i:PA; wait warten gewartet :i:PA;
 see/saw sehen/siehst,sieht gesehen :t:PA:PAFTCRV; love lieben geliebt :t:PA:PA;
 find/found finden gefunden :t:PA:PAFTCRV; look_for/looked_for suchen gesucht :t:PA:PAFTCRV;
 buy/bought kaufen gekauft :t:P:FTCRV; sell/sold verkaufen verkauft :t:P:FTCRV;
 carry/carried tragen/trägst,trägt getragen :t:P:FTCR; eat/ate essen/isst,isst gegessen :t:PA:F;
 cut/cut schneiden geschnitten :t:P:F; read/read lesen/liest,liest gelesen :t:P:R;
 write/wrote schreiben geschrieben :t:P:R; hear/heard hören gehört :t:PA:PA;
 visit besuchen besucht :t:P:P; know/knew kennen gekannt :t:P:PR; ask fragen gefragt :t:P:P;
 greet grüßen gegrüßt :t:P:P; paint malen gemalt :t:P:PATV; repair reparieren repariert :t:P:TV;
 help helfen/hilfst,hilft geholfen :d:PA:PA; follow folgen gefolgt s :d:PA:PA;
 give/gave geben/gibst,gibt gegeben :2:P:FTCR; show/showed zeigen gezeigt :2:P:ATCRV;
 send/sent schicken geschickt :2:P:TCR"""
VERBS, V_BY = {}, {"i": [], "t": [], "d": [], "2": []}
for _e in _V.replace("\n", " ").split(";"):
    head, kind, *cats = [x.strip() for x in _e.split(":")]
    f = head.split()
    en = f[0].replace("_", " ").split("/")
    base = en[0]
    past = en[1] if len(en) > 1 else (base + "d" if base.endswith("e") else base + "ed")
    inf, _, irr = f[1].partition("/")
    pre, inf = inf.split("|") if "|" in inf else ("", inf)
    VERBS[base] = dict(en=base, past=past, inf=inf, pre=pre, irr=irr.split(",") if irr else None, part=f[2], aux="sein" if len(f) > 3 else "haben",
                       kind=kind, subj=cats[0], obj=cats[1] if len(cats) > 1 else "")
    V_BY[kind].append(base)
MODALS = {"can": ("kann", "kannst", "kann", "können"), "must": ("muss", "musst", "muss", "müssen"),
          "want to": ("will", "willst", "will", "wollen"), "should": ("soll", "sollst", "soll", "sollen"),
          "may": ("darf", "darfst", "darf", "dürfen")}
PRON = {"I": ("ich", 1), "you": ("du", 2), "he": ("er", 3), "she": ("sie", 3), "we": ("wir", 4), "they": ("sie", 4)}
OBJ = {"me": ("mich", "mir"), "you": ("dich", "dir"), "him": ("ihn", "ihm"), "us": ("uns", "uns")}
# determiners: en de kind
POSS = {"my": "mein", "your": "dein", "his": "sein", "her": "ihr", "our": "unser"}
TIME = {"present": {"today": "heute", "every day": "jeden Tag", "often": "oft", "now": "jetzt", "in the morning": "am Morgen",
                    "in the evening": "am Abend", "on Monday": "am Montag", "on Sunday": "am Sonntag", "at night": "in der Nacht",
                    "in summer": "im Sommer", "in winter": "im Winter", "again": "wieder"},
        "past": {"yesterday": "gestern", "today": "heute", "last week": "letzte Woche", "on Friday": "am Freitag", "two days ago": "vor zwei Tagen",
                 "in the morning": "am Morgen", "again": "wieder", "last year": "letztes Jahr", "on Tuesday": "am Dienstag"},
        "future": {"tomorrow": "morgen", "soon": "bald", "next week": "nächste Woche", "today": "heute", "on Saturday": "am Samstag",
                   "tonight": "heute Abend", "next year": "nächstes Jahr", "on Thursday": "am Donnerstag"}}
TIME["modal"] = {**TIME["future"], "now": "jetzt", "every day": "jeden Tag"}
PREP_DAT = {"in": "in", "on": "auf", "at": "an"}

# ---------------------------------------------------------------- German inflection
DEF = {"n": dict(m="der", f="die", n="das", p="die"), "a": dict(m="den", f="die", n="das", p="die"), "d": dict(m="dem", f="der", n="dem", p="den")}
DIES = {"n": dict(m="er", f="e", n="es", p="e"), "a": dict(m="en", f="e", n="es", p="e"), "d": dict(m="em", f="er", n="em", p="en")}
EIN = {"n": dict(m="", f="e", n="", p="e"), "a": dict(m="en", f="e", n="", p="e"), "d": dict(m="em", f="er", n="em", p="en")}


def adj_end(det, case, g):
    if g == "p":
        return ("e" if case != "d" else "en") if det == "none" else "en"
    if case == "d" or (case == "a" and g == "m"):
        return "en"
    if det in ("def", "dies"):
        return "e"
    return dict(m="er", f="e", n="es")[g]


def de_noun(n, case, pl):
    if pl:
        w = n["depl"]
        return w + "n" if case == "d" and w[-1] not in "ns" else w
    if n["weak"] and case != "n":
        return n["depl"] if not n["depl"].endswith("nn") else n["de"]
    return n["de"]


def de_np(np, case):
    if "pron" in np:
        return PRON[np["pron"]][0]
    if "obj" in np:
        return OBJ[np["obj"]][0 if case == "a" else 1]
    n, pl, det = NOUNS[np["n"]], np["pl"], np["det"]
    g = "p" if pl else n["g"]
    if det == "the":
        d, kind = DEF[case][g], "def"
    elif det in ("this", "every"):
        d, kind = {"this": "dies", "every": "jed"}[det] + DIES[case][g], "dies"
    elif det == "a":
        d, kind = ("", "none") if pl else ("ein" + EIN[case][g], "ein")
    elif det == "no":
        d, kind = "kein" + EIN[case][g], "ein"
    else:
        d, kind = POSS[det] + EIN[case][g], "ein"
        d = d.replace("unsere", "unsere")
    out = [d] if d else []
    if np.get("adj"):
        out.append(ADJ[np["adj"]]["stem"] + adj_end(kind, case, g))
    out.append(de_noun(n, case, pl))
    return " ".join(out)


def en_np(np):
    if "pron" in np:
        return np["pron"]
    if "obj" in np:
        return np["obj"]
    n, pl, det = NOUNS[np["n"]], np["pl"], np["det"]
    words = ([np["adj"]] if np.get("adj") else []) + [n["enpl"] if pl else n["en"]]
    if det == "a":
        det = "" if pl else ("an" if words[0][0] in "aeiou" and words[0] != "unique" else "a")
    if det == "this" and pl:
        det = "these"
    return " ".join(([det] if det else []) + words)


def person(np):
    if "pron" in np:
        return PRON[np["pron"]][1]
    return 4 if np["pl"] else 3


def de_fin(v, p):
    inf, stem = v["inf"], v["inf"][:-2]
    if p == 4:
        return inf
    if p == 1:
        return stem + "e"
    if v["irr"]:
        return v["irr"][p - 2]
    e = "e" if stem[-1] in "td" or stem[-2:] in ("fn", "hn") and stem != "wohn" or stem.endswith("chn") else ""
    if p == 2:
        return stem + ("t" if stem[-1] in "sßz" else e + "st")
    return stem + e + "t"


HABEN, SEIN, WERDEN = ("habe", "hast", "hat", "haben"), ("bin", "bist", "ist", "sind"), ("werde", "wirst", "wird", "werden")


def de_pp(pl):
    prep, d = PREP_DAT[NOUNS[pl["n"]]["cat"]], de_np(pl, "d")
    if pl["det"] == "the" and d.startswith("dem ") and prep in ("in", "an"):
        return {"in": "im", "an": "am"}[prep] + d[3:]
    return prep + " " + d


def cap(s):
    return s[0].upper() + s[1:]


def german(s, final=False, bare=False):
    """final: verb-final clause (after dass/weil)."""
    if s["kind"] == "copula":
        p = person(s["subj"])
        a = ADJ[s["pred"]]
        be, subj = SEIN[p - 1], de_np(s["subj"], "n")
        pred = (("nicht " if s["neg"] else "") + (a["comp"] + " als " + de_np(s["than"], "n") if s.get("than") else a["de"]))
        words = [subj, pred, be] if final else ([be, subj, pred] if s["q"] else [subj, be, pred])
        t = " ".join(words)
    else:
        v = VERBS[s["verb"]]
        p = person(s["subj"])
        subj = de_np(s["subj"], "n")
        obj = [de_np(s["iobj"], "d")] if s.get("iobj") else []
        do = s.get("obj")
        defobj = do and ("obj" in do or do["det"] not in ("a", "no"))
        dob = de_np(do, "d" if v["kind"] == "d" else "a") if do else ""
        time = [TIME[s["tense"]][s["time"]]] if s.get("time") and not (s["front"] and not final) else []
        if s.get("wh") == "when":
            time = []
        mid = (obj + [dob] + time if defobj else obj + time + [dob]) if do else obj + time
        if s["neg"]:
            mid.append("nicht")
        if s.get("place") and s.get("wh") != "where":
            mid.append(de_pp(s["place"]))
        if s["tense"] == "present":
            fin, end = de_fin(v, p), v["pre"]
            vf = v["pre"] + fin
        elif s["tense"] == "past":
            fin, end = (SEIN if v["aux"] == "sein" else HABEN)[p - 1], v["part"]
            vf = end + " " + fin
        else:
            fin, end = (WERDEN if s["tense"] == "future" else MODALS[s["modal"]])[p - 1], v["pre"] + v["inf"]
            vf = end + " " + fin
        mid = [m for m in mid if m]
        if final:
            words = [subj] + mid + [vf]
        elif s.get("wh"):
            words = [{"where": "wo", "when": "wann", "why": "warum"}[s["wh"]], fin, subj] + mid + [end]
        elif s["q"]:
            words = [fin, subj] + mid + [end]
        elif s["front"]:
            words = [TIME[s["tense"]][s["time"]], fin, subj] + mid + [end]
        else:
            words = [subj, fin] + mid + [end]
        t = " ".join(w for w in words if w)
    if final or bare:
        return t
    t = cap(t)
    if s.get("sub"):
        t += ", " + {"because": "weil", "although": "obwohl", "when": "wenn"}[s["conj"]] + " " + german(s["sub"], final=True)
    if s.get("matrix"):
        m = s["matrix"]
        t = cap(de_np(m["subj"], "n")) + " " + {"know": ("weiß", "weißt", "weiß", "wissen"), "think": ("denke", "denkst", "denkt", "denken"),
                                               "say": ("sage", "sagst", "sagt", "sagen")}[m["v"]][person(m["subj"]) - 1] + ", dass " + german({**s, "matrix": None}, final=True)
    return t + ("?" if s["q"] or s.get("wh") else ".")


def third(v):
    w = v.split(" ")
    b = w[0]
    if b.endswith(("s", "sh", "ch", "x")):
        b += "es"
    elif b.endswith("y") and b[-2] not in "aeiou":
        b = b[:-1] + "ies"
    else:
        b += "s"
    return " ".join([b] + w[1:])


def english(s, bare=False):
    if s["kind"] == "copula":
        p = person(s["subj"])
        be = {1: "am", 2: "are", 3: "is", 4: "are"}[p]
        subj = en_np(s["subj"])
        if s.get("than"):
            pred = (ER.get(s["pred"]) or "more " + s["pred"]) + " than " + en_np(s["than"])
        else:
            pred = s["pred"]
        pred = ("not " if s["neg"] else "") + pred
        t = " ".join([be, subj, pred] if s["q"] else [subj, be, pred])
    else:
        v = VERBS[s["verb"]]
        p = person(s["subj"])
        subj = en_np(s["subj"])
        tail = [en_np(s[k]) for k in ("iobj", "obj") if s.get(k)]
        if s.get("place") and s.get("wh") != "where":
            tail.append(NOUNS[s["place"]["n"]]["cat"] + " " + en_np(s["place"]))
        if s.get("time") and not s["front"] and s.get("wh") != "when":
            tail.append(s["time"])
        base, tense = v["en"], s["tense"]
        do = {"present": "does" if p == 3 else "do", "past": "did"}
        neg = ["not"] if s["neg"] else []
        ques = s["q"] or s.get("wh")
        if tense in do:
            if ques:
                aux, rest = do[tense], neg + [base]
            elif neg:
                aux, rest = "", [do[tense], "not", base]
            else:
                aux, rest = "", [v["past"] if tense == "past" else (third(base) if p == 3 else base)]
        elif tense == "modal" and s["modal"] == "want to":
            d = do["present"]
            if ques:
                aux, rest = d, neg + ["want to", base]
            elif neg:
                aux, rest = "", [d, "not", "want to", base]
            else:
                aux, rest = "", ["wants to" if p == 3 else "want to", base]
        else:
            m = "will" if tense == "future" else s["modal"]
            aux, rest = (m, neg + [base]) if ques else ("", [m] + neg + [base])
        words = ([aux] if aux else []) + [subj] + rest + tail
        if s.get("wh"):
            words = [s["wh"]] + words
        elif s["front"]:
            words = [s["time"] + ","] + words if " " in s["time"] else [s["time"]] + words
        t = " ".join(words)
    if bare:
        return t
    if s.get("matrix"):
        m = s["matrix"]
        t = en_np(m["subj"]) + " " + (m["v"] + "s" if person(m["subj"]) == 3 else m["v"]) + " that " + t
    if s.get("sub"):
        t += " " + s["conj"] + " " + english(s["sub"], bare=True)
    return cap(t) + ("?" if s["q"] or s.get("wh") else ".")


# ---------------------------------------------------------------- random sentences, and their combination keys
def rnp(r, cats, pron=0.15, adj=0.4, det=None, avoid=None):
    cat = r.choice(cats)
    if pron and cat == "P" and r.random() < pron:
        return {"pron": r.choice(list(PRON))}
    n = r.choice(BY_CAT[cat])
    while n == avoid:
        n = r.choice(BY_CAT[cat])
    pl = r.random() < 0.25
    d = det or r.choices(["the", "a", "this", "every", "poss"], [50, 18, 8, 4, 20])[0]
    if d == "poss":
        d = r.choice(list(POSS))
    if d == "every":
        pl = False
    np = {"n": n, "pl": pl, "det": d}
    if cat in KIND and r.random() < adj:
        np["adj"] = r.choice(ADJ_BY[KIND[cat]])
    return np


def sentence(r, simple=False, depth=0):
    x = r.random()
    if x < 0.12:
        s = dict(kind="copula", subj=rnp(r, "PATV" if r.random() < .7 else "F", adj=0.15), neg=r.random() < .2, q=r.random() < .15, front=False, tense="present")
        k = "p" if "pron" in s["subj"] else KIND[NOUNS[s["subj"]["n"]]["cat"]]
        s["pred"] = r.choice(ADJ_BY[k])
        comps = [a for a in ADJ_BY[k] if a in ER]
        if comps and r.random() < .45:
            s["pred"] = r.choice(comps)
            cat = "P" if "pron" in s["subj"] else NOUNS[s["subj"]["n"]]["cat"]
            s["than"] = rnp(r, cat, pron=0, adj=.2, avoid=s["subj"].get("n"))
        return s
    kind = r.choices("itd2", [30, 50, 7, 13])[0]
    v = VERBS[r.choice(V_BY[kind])]
    s = dict(kind="verb", verb=v["en"], subj=rnp(r, v["subj"]), tense=r.choices(["present", "past", "future", "modal"], [40, 30, 12, 18])[0],
             neg=False, q=False, front=False)
    if s["tense"] == "modal":
        s["modal"] = r.choice(list(MODALS))
    if v["obj"]:
        x = r.random()
        if x < .1 and "P" in v["obj"] and kind in "td":
            o = r.choice(list(OBJ))
            s["obj"] = {"obj": o if not (o == "you" and s["subj"].get("pron") == "you") else "him"}
        else:
            s["obj"] = rnp(r, v["obj"], pron=0, avoid=s["subj"].get("n"))
            if s["obj"]["det"] != "the" and r.random() < .08:
                s["obj"]["det"] = "no"
    if kind == "2":
        s["iobj"] = rnp(r, "P", pron=0, adj=.15, avoid=s["subj"].get("n"))
        if s["iobj"]["det"] == "a":
            s["iobj"]["det"] = "the"
    if v["en"] == "live" or r.random() < (.5 if kind == "i" else .25):
        s["place"] = rnp(r, [r.choices(["in", "on", "at"], [6, 3, 1])[0]], adj=0, det="the" if r.random() < .7 else None)
        if s["place"]["det"] in ("every", "this"):
            s["place"]["det"] = "the"
        if r.random() < .15:
            s["place"]["adj"] = r.choice(["old", "small", "big", "beautiful", "new"])
    if r.random() < .4:
        s["time"] = r.choice(list(TIME[s["tense"]]))
        s["front"] = r.random() < .25
    negok = "obj" not in s or "obj" in s["obj"] or s["obj"]["det"] not in ("a", "no", "every")
    if s["subj"].get("det") not in ("a", "every", "no") and negok and s.get("time") != "again" and r.random() < .2:
        s["neg"] = True
    if s["subj"].get("pron") in ("he", "she", "they", "you", None) and not s["front"] and r.random() < .15:
        if r.random() < .6:
            s["q"] = True
        else:
            s["wh"] = r.choice(["where", "when", "why"])
            if s["wh"] == "where":
                s.pop("place", None)
            if s["wh"] == "when":
                s.pop("time", None)
    if not simple and depth == 0 and not s["q"] and not s.get("wh") and r.random() < .14:
        sub = sentence(r, True, 1)
        while sub["q"] or sub.get("wh") or sub.get("front"):
            sub = sentence(r, True, 1)
        if r.random() < .6 and not s["front"]:
            s["sub"], s["conj"] = sub, r.choice(["because", "although", "because"])
        elif not s["front"]:
            s["matrix"] = {"subj": {"pron": r.choice(list(PRON))} if r.random() < .5 else rnp(r, "P", pron=0, adj=.1, det="the"), "v": r.choice(["know", "think", "say"])}
    return s


def keys(s):
    """Combination keys: (subject noun, verb), (verb, object noun), (adjective, noun), (verb, place)."""
    k = []
    sn = s["subj"].get("n", s["subj"].get("pron"))
    if s["kind"] == "copula":
        k.append(("sp", sn, s["pred"]))
    else:
        if "n" in s["subj"]:
            k.append(("sv", sn, s["verb"]))
        if s.get("obj") and "n" in s["obj"]:
            k.append(("vo", s["verb"], s["obj"]["n"]))
        if s.get("place"):
            k.append(("vp", s["verb"], s["place"]["n"]))
    for f in ("subj", "obj", "iobj", "place", "than"):
        if s.get(f) and s[f].get("adj"):
            k.append(("an", s[f]["adj"], s[f]["n"]))
    if s.get("sub"):
        k += keys(s["sub"])
    return k


def held(key, mod=12):
    return zlib.crc32(repr(key).encode()) % mod == 0


if __name__ == "__main__":
    import random
    r = random.Random(3)
    for _ in range(40):
        s = sentence(r)
        print(english(s), "|", german(s))
    print(len(NOUNS), len(VERBS), len(ADJ))
