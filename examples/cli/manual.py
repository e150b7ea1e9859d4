"""Manual page and shell completions from what `diffulm --describe` says: manual.py DESCRIPTION OUTPUT_FOLDER

Writes diffulm.1, diffulm.bash, _diffulm and diffulm.fish.
"""
import json
import pathlib
import re
import sys


def described(path):
    """The program, and its commands with their options: dictionaries."""
    text = pathlib.Path(path).read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    return lines[0], lines[1:]


def takes_file(option):
    return bool(option["value"]) and re.match(r"PATH|FILE|FOLDER", option["value"]) is not None


def words_of(command):
    """What stands for itself among the arguments: `check` and `keys` in "check RECIPE.yaml | keys"."""
    return [word for word in re.findall(r"\S+", command["arguments"]) if re.fullmatch(r"[a-z]+", word)]


def troff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("~", "\\(ti").replace("^", "\\(ha")
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.M)


def manual(program, commands):
    out = [f'.TH DIFFULM 1 "" "diffulm {program["version"]}" "User Commands"', ".SH NAME",
           "diffulm \\- diffusion language models at the command line", ".SH SYNOPSIS",
           ".B diffulm", ".I COMMAND", "[options] ...", ".SH DESCRIPTION",
           "Opens a pretrained masked language model, denoises text with it step by step, finetunes and evaluates it.",
           "A model is a folder as Hugging Face lays it out.", ".SH COMMANDS"]
    for command in commands:
        out += [f'.SS "diffulm {command["name"]} [options] {troff(command["arguments"])}"', troff(command["summary"])]
        for option in command["options"]:
            value = f' \\fI{troff(option["value"])}\\fR' if option["value"] else ""
            out += [".TP", f'\\fB\\-\\-{troff(option["name"])}\\fR{value}', troff(option["help"])]
    out += [".SH OPTIONS", ".TP", "\\fB\\-\\-version\\fR", "print the version",
            ".TP", "\\fB\\-\\-help\\fR", "list the commands",
            ".TP", "\\fB\\-\\-describe\\fR", "print the commands and their options as lines of JSON",
            ".SH EXIT STATUS"]
    for code, meaning in program["exit_codes"].items():
        out += [".TP", f".B {code}", troff(meaning)]
    return "\n".join(out) + "\n"


def bash(commands):
    cases = []
    for command in commands:
        words = " ".join([*words_of(command), *(f'--{o["name"]}' for o in command["options"])])
        valued = "|".join(f'--{o["name"]}' for o in command["options"] if o["value"] and not takes_file(o))
        filed = "|".join(f'--{o["name"]}' for o in command["options"] if takes_file(o))
        inside = ([f"            {valued}) return ;;"] if valued else []) + \
                 ([f"            {filed}) IFS=$'\\n' COMPREPLY=($(compgen -f -- \"$word\")); return ;;"] if filed else [])
        cases += [f"    {command['name']})", f'        words="{words}"']
        cases += ['        case "$before" in', *inside, "        esac ;;"] if inside else ["        ;;"]
    names = " ".join(c["name"] for c in commands)
    return "\n".join([
        "# bash completion of diffulm", "_diffulm()", "{",
        '    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words', "    local IFS=$' \\n'", "    COMPREPLY=()",
        "    if [ \"$COMP_CWORD\" = 1 ]; then", f'        COMPREPLY=($(compgen -W "{names} --help --version" -- "$word"))',
        "        return", "    fi", '    case "${COMP_WORDS[1]}" in', *cases, "    *) return ;;", "    esac",
        '    COMPREPLY=($(compgen -W "$words" -- "$word"))',
        "    case \"$word\" in", "    -*) ;;", "    *) IFS=$'\\n' COMPREPLY+=($(compgen -f -- \"$word\")) ;;", "    esac", "}",
        "complete -o filenames -F _diffulm diffulm", ""])


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def zsh_option(option):
    text = re.sub(r"([\[\]:\\])", r"\\\1", option["help"])
    value = f':{option["value"]}:' + ("_files" if takes_file(option) else " ") if option["value"] else ""
    return quoted(f'--{option["name"]}[{text}]{value}')


def zsh(commands):
    out = ["#compdef diffulm", "", "_diffulm() {", "    local -a commands=("]
    out += ["        " + quoted(f'{c["name"]}:{c["summary"]}') for c in commands]
    out += ["    )", "    if (( CURRENT == 2 )); then", "        _describe -o command commands", "        return", "    fi",
            "    local command=$words[2]", "    shift words", "    (( CURRENT-- ))", '    case "$command" in']
    for command in commands:
        words = words_of(command)
        first = [quoted(f'1:action:({" ".join(words)})')] if words else []
        out += [f'    {command["name"]})', "        _arguments \\"]
        out += [f"            {line} \\" for line in [*map(zsh_option, command["options"]), *first]]
        out += ["            '*:file:_files' ;;"]
    return "\n".join([*out, "    esac", "}", "", '_diffulm "$@"', ""])


def fish_quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish(commands):
    out = ["# fish completion of diffulm"]
    out += [f'complete -c diffulm -n __fish_use_subcommand -f -a {c["name"]} -d {fish_quoted(c["summary"])}' for c in commands]
    for command in commands:
        head = f"complete -c diffulm -n '__fish_seen_subcommand_from {command['name']}'"
        out += [f"{head} -a {word}" for word in words_of(command)]
        for option in command["options"]:
            kind = " -r -F" if takes_file(option) else " -x" if option["value"] else ""
            out.append(f'{head} -l {option["name"]}{kind} -d {fish_quoted(option["help"])}')
    return "\n".join([*out, ""])


def main():
    program, commands = described(sys.argv[1])
    folder = pathlib.Path(sys.argv[2])
    for name, text in (("diffulm.1", manual(program, commands)), ("diffulm.bash", bash(commands)),
                       ("_diffulm", zsh(commands)), ("diffulm.fish", fish(commands))):
        (folder / name).write_text(text, encoding="utf-8")


main()
