"""completion: a script that completes commands and options in bash, zsh or fish, made from the parser itself."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Option:
    """An option as it is written, the values that it takes, and whether it takes any value or a file."""

    names: tuple[str, ...]
    about: str
    choices: tuple[str, ...]
    takes_value: bool
    takes_file: bool


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its words, its options, the values of its argument, and whether it takes files."""

    words: tuple[str, ...]
    about: str
    options: tuple[Option, ...]
    choices: tuple[str, ...]
    takes_files: bool

    @property
    def name(self) -> str:
        """Its words as one text: `docs rm`."""
        return " ".join(self.words)


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for `shell`: bash, zsh or fish."""
    commands = sorted(_commands_of(parser, ()), key=lambda one: one.words)
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](commands)


def _commands_of(parser: argparse.ArgumentParser, words: tuple[str, ...], about: str = "") -> Iterator[Command]:
    options: list[Option] = []
    choices: list[str] = []
    files = False
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            told = {one.dest: one.help or "" for one in action._choices_actions}
            for name, below in action.choices.items():
                yield from _commands_of(below, (*words, *name.split()), told.get(name, ""))
        elif action.option_strings:
            takes_value = action.nargs != 0
            values = tuple(map(str, action.choices or ()))
            names = tuple(action.option_strings)
            options.append(Option(names, _short(action.help), values, takes_value, action.type is Path))
        else:
            choices += map(str, action.choices or ())
            files |= action.type is Path or action.dest == "file"
    yield Command(words, _short(about), tuple(options), tuple(choices), files)


def _short(text: str | None) -> str:
    """A description of one line, without what shells would read as their own."""
    line = " ".join((text or "").split()).split(";")[0].split(" (")[0]
    return "".join(sign for sign in line if sign not in "'\"`[]:$\\%")


def _follow(commands: list[Command], command: Command) -> dict[str, str]:
    """The words that make another command of this one, each with what that does."""
    n_words = len(command.words)
    return {
        one.words[-1]: one.about
        for one in commands
        if len(one.words) == n_words + 1 and one.words[:n_words] == command.words
    }


def _bash(commands: list[Command]) -> str:
    second = "|".join(shlex.quote(one.name) for one in commands if len(one.words) > 1)
    lines = [
        "# bash completion of footnote: source <(footnote completion bash)",
        "_footnote() {",
        '    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" words="" files=""',
        '    local key="${COMP_WORDS[1]}"',
        "    ((COMP_CWORD == 1)) && key=",
        f'    ((COMP_CWORD > 2)) && case "$key ${{COMP_WORDS[2]}}" in {second}) key="$key ${{COMP_WORDS[2]}}" ;; esac',
        '    case "$key/$previous" in',
    ]
    for command in commands:
        for option in command.options:
            if option.takes_value:
                keys = "|".join(shlex.quote(f"{command.name}/{name}") for name in option.names)
                then = "files=yes" if option.takes_file else f"words={shlex.quote(' '.join(option.choices))}"
                lines.append(f"        {keys}) {then} ;;")
    lines += ['        *) case "$key/${current:0:1}" in']
    for command in commands:
        names = " ".join(name for option in command.options for name in option.names)
        lines.append(f"            {shlex.quote(f'{command.name}/-')}) words={shlex.quote(names)} ;;")
        follow = " ".join([*_follow(commands, command), *command.choices])
        rest = [f"words={shlex.quote(follow)}"] if follow else []
        rest += ["files=yes"] if command.takes_files else []
        if rest:
            lines.append(f"            {shlex.quote(command.name)}/*) {'; '.join(rest)} ;;")
    lines += [
        "        esac ;;",
        "    esac",
        '    COMPREPLY=($(compgen -W "$words" -- "$current"))',
        "    local IFS=$'\\n'",
        '    [ -z "$files" ] || COMPREPLY+=($(compgen -f -- "$current"))',
        "}",
        "complete -o filenames -F _footnote footnote",
    ]
    return "\n".join(lines) + "\n"


def _zsh(commands: list[Command]) -> str:
    lines = [
        "#compdef footnote",
        "# zsh completion of footnote: source <(footnote completion zsh)",
        "_footnote() {",
        '    local key="$words[2]" previous="$words[CURRENT-1]"',
        "    local -a found",
        "    (( CURRENT == 2 )) && key=''",
        "    if (( CURRENT > 3 )); then",
        '        case "$key $words[3]" in',
    ]
    for command in commands:
        if len(command.words) > 1:
            lines.append(f"            {shlex.quote(command.name)}) key={shlex.quote(command.name)} ;;")
    lines += ["        esac", "    fi", '    case "$key/$previous" in']
    for command in commands:
        for option in command.options:
            if option.takes_value:
                keys = "|".join(shlex.quote(f"{command.name}/{name}") for name in option.names)
                then = "_files" if option.takes_file else f"compadd -- {' '.join(option.choices)}"
                lines.append(f"        {keys}) {then}; return ;;")
    lines += ["    esac", '    case "$key/${words[CURRENT][1]}" in']
    for command in commands:
        told = [f"{name}:{option.about}" for option in command.options for name in option.names]
        lines.append(f"        {shlex.quote(f'{command.name}/-')}) found=({' '.join(map(shlex.quote, told))})")
        lines.append("            _describe option found; return ;;")
    lines += ["    esac", '    case "$key" in']
    for command in commands:
        below = _follow(commands, command) | dict.fromkeys(command.choices, "")
        told = [f"{name}:{about}" for name, about in below.items()]
        shown = [f"found=({' '.join(map(shlex.quote, told))}); _describe command found"] if told else []
        shown += ["_files"] if command.takes_files else []
        if shown:
            lines.append(f"        {shlex.quote(command.name)}) {'; '.join(shown)} ;;")
    lines += [
        "    esac",
        "}",
        'if [[ "$funcstack[1]" = _footnote ]]; then _footnote "$@"; else compdef _footnote footnote; fi',
    ]
    return "\n".join(lines) + "\n"


def _fish(commands: list[Command]) -> str:
    lines = ["# fish completion of footnote: footnote completion fish | source", "complete -c footnote -f"]
    for command in commands:
        below = _follow(commands, command) | dict.fromkeys(command.choices, "")
        when = _fish_condition(command.words, tuple(below))
        for name, said in below.items():
            about = f" -d {shlex.quote(said)}" if said else ""
            lines.append(f"complete -c footnote -n {shlex.quote(when)} -a {shlex.quote(name)}{about}")
        inside = _fish_condition(command.words, ())
        if command.takes_files:
            lines.append(f"complete -c footnote -n {shlex.quote(inside)} -F")
        for option in command.options:
            named = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
            value = " -r -F" if option.takes_file else f" -x -a {shlex.quote(' '.join(option.choices))}"
            about = f" -d {shlex.quote(option.about)}" if option.about else ""
            lines.append(
                f"complete -c footnote -n {shlex.quote(inside)} {named}{value if option.takes_value else ''}{about}"
            )
    return "\n".join(lines) + "\n"


def _fish_condition(words: tuple[str, ...], not_yet: tuple[str, ...]) -> str:
    if not words:
        return "__fish_use_subcommand"
    conditions = [f"__fish_seen_subcommand_from {word}" for word in words]
    if not_yet:
        conditions.append(f"not __fish_seen_subcommand_from {' '.join(not_yet)}")
    return "; and ".join(conditions)
