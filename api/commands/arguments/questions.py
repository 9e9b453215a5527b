"""The arguments of ask, chat, search and verify."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from api.commands.arguments.grammar import Commands
from api.commands.arguments.values import json_object, positive

if TYPE_CHECKING:
    from api.commands.context import CommandContext


def describe(commands: Commands) -> None:
    """Add the four commands."""
    ask = commands.add(
        "ask",
        _ask,
        "answer a question, with checked citations",
        examples=(
            'footnote ask "How many unused vacation days carry over?"',
            'footnote ask "Who signed the lease?" --collection contracts --style brief',
            'footnote ask "What is the fee?" --json',
        ),
    )
    ask.add_argument("question")
    ask.add_argument(
        "--mode",
        choices=("strict", "flag", "off"),
        help="what happens to unsupported sentences: strict leaves them out (the default), flag marks them, off keeps "
        "the model's text unchanged",
    )
    ask.add_argument(
        "--style",
        choices=("full", "brief"),
        default="full",
        help="full answers in complete sentences (the default), brief with the bare name, number or phrase where that "
        "is the answer",
    )

    chat = commands.add(
        "chat",
        _chat,
        "ask as a conversation: follow-up questions, citations to open",
        examples=("footnote chat", "footnote chat --collection handbooks"),
        as_json=False,
    )
    chat.add_argument(
        "--style", choices=("full", "brief"), default="full", help="style of the answers, as for ask (default full)"
    )

    search = commands.add(
        "search",
        _search,
        "search for passages, without a language model",
        examples=('footnote search "unused vacation days"', 'footnote search "lease" -k 3 --json'),
    )
    search.add_argument("query")
    for command in (ask, search):
        command.add_argument("-k", "--top-k", type=positive, metavar="N", help="number of passages to retrieve")
        command.add_argument(
            "--filter",
            type=json_object,
            metavar="JSON",
            help='search only documents with these metadata: \'{"author": "Ann Lee", "year": {"gte": 2024}}\'',
        )

    verify = commands.add(
        "verify",
        _verify,
        "check any text against the documents, sentence by sentence",
        examples=("footnote verify draft.txt", 'echo "Ten days carry over." | footnote verify -'),
    )
    verify.add_argument("file", metavar="FILE", help="a text file, or - for standard input")
    verify.add_argument("--question", metavar="TEXT", help="what the text answers: a name or a number is read with it")
    for command in (ask, chat, search, verify):
        command.add_argument("--collection", metavar="NAME", help="use only this collection (default: all collections)")


def _ask(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.questions import ask

    return ask(
        context,
        args.question,
        collection=args.collection,
        top_k=args.top_k,
        mode=args.mode,
        style=args.style,
        conditions=args.filter,
    )


def _chat(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.chat import chat

    return chat(context, collection=args.collection, style=args.style)


def _search(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.questions import search

    return search(context, args.query, collection=args.collection, top_k=args.top_k, conditions=args.filter)


def _verify(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.questions import verify

    return verify(context, args.file, collection=args.collection, question=args.question)
