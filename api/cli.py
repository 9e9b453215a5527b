"""The command line: parse the arguments, run one command, and turn every error into one line and an exit status.

The exit status is 0 for success, 1 when something failed, 2 for a wrong command line or setting, and 130 after Ctrl-C.
`--json` prints one JSON document on stdout, also for errors. Heavy packages are imported only when a command runs.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from api.commands.context import CommandContext, Models

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
_EVAL_ACTIONS = ("report", "questions")
Run = Callable[["CommandContext", argparse.Namespace], int]


class _UsageError(Exception):
    """A wrong command line: the message of argparse and the usage line of the command."""

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage


class _Parser(argparse.ArgumentParser):
    """Shows the lines of the epilog as they are: one example a line. A wrong word is told with the nearest right one,
    by the parser of the command that it was written for.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter, **options})

    def error(self, message: str) -> NoReturn:
        stop = "" if message.endswith((".", "?")) else "."
        raise _UsageError(f"{message}{stop} See `{self.prog} --help`.", self.format_usage())

    def parse_known_args(self, *words: Any) -> tuple[argparse.Namespace, list[str]]:  # type: ignore[override]
        known, unknown = super().parse_known_args(*words)
        if unknown:
            if unknown[0].startswith("-"):
                name = unknown[0].partition("=")[0]
                self.error(f"there is no option {name}{_nearest(name, self._option_string_actions)}")
            self.error(f"{unknown[0]!r} is one word too many; put words that belong together in quotes")
        return known, unknown

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(one) for one in action.choices]
            near = _nearest(str(value), known) or f"; choose from {', '.join(known)}"
            raise argparse.ArgumentError(action, f"{value!r} is not known{near}")


def _nearest(word: str, known: Iterable[str]) -> str:
    """What to say of the known word that is nearest to a wrong one."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1)
    return f". Did you mean {near[0]}?" if near else ""


def main(argv: Sequence[str] | None = None, *, models: Models | None = None) -> int:
    """Run one command and return its exit status. `models` replaces the models that the settings name."""
    words = sys.argv[1:] if argv is None else list(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # escapes characters that the terminal lacks
    as_json = "--json" in words
    try:
        args = build_parser().parse_args(_join_eval_action(words))
        return _run(args, models)
    except _UsageError as error:
        sys.stderr.write(error.usage)
        return _fail(as_json, "usage", str(error), USAGE)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout has closed it (`footnote docs list | head`). Python would report that again on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _join_eval_action(words: list[str]) -> list[str]:
    """Join `eval report` and `eval questions` into one word, since plain `eval` is followed by a folder."""
    if words[:1] == ["eval"] and words[1:2] and words[1] in _EVAL_ACTIONS:
        return [f"eval {words[1]}", *words[2:]]
    return words


def _run(args: argparse.Namespace, models: Models | None) -> int:
    from api.commands.context import CommandContext, Models
    from rag.errors import ConfigurationError, FootnoteError
    from rag.settings import load_settings

    run: Run = args.run
    try:
        settings = load_settings(data_dir=args.data_dir)
        context = CommandContext(settings, args.command, args.as_json, models or Models())
        return run(context, args)
    except FootnoteError as error:
        status = USAGE if isinstance(error, ConfigurationError) else FAILED
        return _fail(args.as_json, error.code, error.message, status)


def _fail(as_json: bool, code: str, message: str, status: int) -> int:
    from api.commands.tables import printable
    from rag.logs import writes_json

    if as_json:
        print(json.dumps({"error": {"code": code, "message": message}}))  # noqa: T201
    if writes_json():
        logging.getLogger("footnote").error("%s", message)
        return status
    print(f"footnote: {printable(' '.join(message.splitlines()))}", file=sys.stderr)  # noqa: T201
    return status


# The grammar ----------------------------------------------------------------------------------------------------------


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands. All take --data-dir, and all take --json but those that talk."""
    parser = _Parser(
        prog="footnote",
        description="Answer questions from your own documents; each sentence is checked against the quote it cites.",
        epilog="examples:\n  footnote ingest ~/papers\n  footnote ask 'What does the warranty not cover?'\n"
        "  footnote serve\n\n`footnote COMMAND --help` shows examples of each command.\n"
        "Exit status: 0 success, 1 something failed, 2 wrong command line or setting, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"footnote {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(
        name: str, run: Run, text: str, *, to: object = commands, as_json: bool = True, uses_data: bool = True
    ) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = to.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")  # type: ignore[attr-defined]
        command.set_defaults(run=run, as_json=False)
        command.epilog = _examples_of(command.prog.removeprefix("footnote "))
        where = "data directory (or FOOTNOTE_DATA_DIR; default data/store)"
        command.add_argument(
            "--data-dir", type=Path, metavar="DIR", help=where if uses_data else "not used by this command"
        )
        if as_json:
            command.add_argument(
                "--json", dest="as_json", action="store_true", help="print one JSON document on stdout"
            )
        return command

    serve = add("serve", _serve, "start the HTTP server", as_json=False)
    serve.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    serve.add_argument("--port", type=_port, help="TCP port; 0 takes a free port (default 8000)")

    serve.add_argument(
        "--insecure", action="store_true", help="answer everyone without a key, also beyond this machine"
    )

    opening = add("open", _open, "open the page in the browser, starting the server where none runs", as_json=False)
    opening.add_argument("--port", type=_port, help="TCP port of a server that is started (default 8000)")

    ingest = add("ingest", _ingest, "ingest files and folders; unchanged files are skipped")
    ingest.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder with its subfolders")
    ingest.add_argument(
        "--collection", default="default", metavar="NAME", help="collection of the documents (default: default)"
    )
    ingest.add_argument(
        "--metadata",
        type=_json_object,
        metavar="JSON",
        help='metadata of these files, for filters, as a JSON object: \'{"department": "sales", "year": 2026}\'',
    )
    ingest.add_argument("--prune", action="store_true", help="delete documents whose file is no longer in the folders")
    ingest.add_argument(
        "--sync",
        action="store_true",
        help="mirror the folders: documents follow moved files and are deleted with removed ones; links out of a "
        "folder are not followed, and a folder without files changes nothing; a .footnoteignore (patterns as in "
        ".gitignore) leaves files out, also without --sync",
    )
    ingest.add_argument(
        "--watch",
        action="store_true",
        help="mirror the folders (as --sync does) again and again, until Ctrl-C; --json prints one document a line",
    )
    ingest.add_argument(
        "--ray",
        default="",
        metavar="ADDRESS",
        help="prepare the files on the Ray cluster at this address (auto, HOST:6379, ray://HOST:10001); servers on the "
        "same Postgres publish them",
    )

    ask = add("ask", _ask, "answer a question, with checked citations")
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

    chat = add("chat", _chat, "ask as a conversation: follow-up questions, citations to open", as_json=False)
    chat.add_argument(
        "--style", choices=("full", "brief"), default="full", help="style of the answers, as for ask (default full)"
    )

    search = add("search", _search, "search for passages, without a language model")
    search.add_argument("query")
    for command in (ask, search):
        command.add_argument("-k", "--top-k", type=_positive, metavar="N", help="number of passages to retrieve")
        command.add_argument(
            "--filter",
            type=_json_object,
            metavar="JSON",
            help='search only documents with these metadata: \'{"author": "Ann Lee", "year": {"gte": 2024}}\'',
        )

    verify = add("verify", _verify, "check any text against the documents, sentence by sentence")
    verify.add_argument("file", metavar="FILE", help="a text file, or - for standard input")
    verify.add_argument("--question", metavar="TEXT", help="what the text answers: a name or a number is read with it")
    for command in (ask, chat, search, verify):
        command.add_argument("--collection", metavar="NAME", help="use only this collection (default: all collections)")

    docs = commands.add_parser("docs", help="list, show or delete documents")
    actions = docs.add_subparsers(dest="action", required=True, metavar="list|show|rm")
    listing = add("list", _docs_list, "list the documents", to=actions)
    listing.add_argument("--collection", metavar="NAME", help="list only this collection")
    for name, run, text in (("show", _docs_show, "show one document"), ("rm", _docs_rm, "delete documents")):
        action = add(name, run, text, to=actions)
        many = "+" if name == "rm" else None
        action.add_argument("ids", metavar="ID", nargs=many, help="a document's id, or its first characters")

    evaluation = add("eval", _eval, "measure answers on a suite of documents and questions", uses_data=False)
    evaluation.add_argument(
        "suite",
        type=Path,
        metavar="SUITE",
        help="a folder with documents/ and questions.jsonl, or in BEIR's layout (./report for a folder named report); "
        "or the name of a suite beside the repository (FOOTNOTE_SHARED_DIR), which docs/suites.md lists",
    )
    evaluation.epilog = (
        f"{evaluation.epilog}\n\n"
        "The exit status is also 1 when a document could not be read, a question crashed, or a metric\n"
        "is lower than in --baseline by more than chance explains. See also: footnote eval report --help,\n"
        "footnote eval questions --help."
    )
    evaluation.add_argument(
        "--limit",
        type=_positive,
        metavar="N",
        help="ask N random questions, the same in every run; of natural, as many on each corpus",
    )
    for kind in ("answerable", "unanswerable"):
        evaluation.add_argument(
            f"--{kind}",
            type=_natural,
            metavar="N",
            help=f"ask N random {kind} questions, the same in every run; not with --limit",
        )
    evaluation.add_argument("--seed", type=int, metavar="S", help="seed of the random sample (default 7)")
    evaluation.add_argument(
        "--within-document", action="store_true",
        help="search only the documents of each question: those of its evidence, otherwise of its `near`",
    )  # fmt: skip
    evaluation.set_defaults(refuse=evaluation.error)
    evaluation.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for result files, stores and recorded replies (default runs)"
    )
    evaluation.add_argument(
        "--baseline", type=Path, metavar="FILE", help="an earlier result file of the same suite to compare with"
    )
    evaluation.add_argument(
        "--pipeline",
        choices=("footnote", "textbook", "llama-index"),
        default="footnote",
        help="what answers: footnote, or a common baseline over the same documents (default footnote)",
    )
    evaluation.add_argument(
        "--style",
        choices=("full", "brief"),
        help="style of the answers (default: that of the suite's suite.json, brief for squad2, otherwise full)",
    )
    evaluation.add_argument(
        "--replay", action="store_true", help="use recorded replies, and ask the model only where none is recorded"
    )
    extent = evaluation.add_mutually_exclusive_group()
    extent.add_argument(
        "--retrieval-only", action="store_true", help="measure retrieval alone, without a language model"
    )
    extent.add_argument(
        "--judge", action="store_true", help="let the language model judge each answer, as an additional metric"
    )
    evaluation.add_argument(
        "--split",
        metavar="NAME",
        help="relevance judgements of a folder in BEIR's layout (default test, otherwise dev, otherwise train)",
    )
    evaluation.add_argument(
        "--skip-malformed", action="store_true", help="skip lines of the suite that cannot be read, and report them"
    )
    evaluation.add_argument(
        "--fresh", action="store_true", help="start from the beginning instead of continuing a stopped run"
    )

    report = add("eval report", _eval_report, "write one to six result files as an HTML page", uses_data=False)
    report.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="a result file of `footnote eval`; all must be of the same suite",
    )
    report.add_argument(
        "--out", type=Path, metavar="FILE.html",
        help="the page to write, replacing an existing file (default report.html beside the first RUN)",
    )  # fmt: skip
    questions = add(
        "eval questions", _eval_questions, "let the language model write a suite of questions for a collection",
    )  # fmt: skip
    questions.add_argument("collection", metavar="COLLECTION", help="the collection that the questions are about")
    questions.add_argument(
        "-n", "--count", type=_positive, default=50, metavar="N", help="write at most N questions (default 50)"
    )
    questions.add_argument("--out", type=Path, metavar="DIR", help="the suite's folder (default suites/COLLECTION)")
    questions.add_argument(
        "--from-feedback",
        action="store_true",
        help="make the questions from the feedback on kept answers, without a model (default folder "
        "suites/COLLECTION-feedback)",
    )
    questions.epilog = f"{questions.epilog}\n\nCheck the questions before you rely on them: the model makes mistakes."
    questions.add_argument(
        "--seed", type=int, default=7, metavar="N", help="seed of the random choice of facts (default 7)"
    )

    models = commands.add_parser("models", help="list or fetch model weights")
    actions = models.add_subparsers(dest="action", required=True, metavar="list|pull")
    add("list", _models_list, "list the models that can be fetched", to=actions)
    add("pull", _models_pull, "fetch a model's weights", to=actions).add_argument(
        "name",
        metavar="NAME",
        help="of the list, of the hub (owner/repository, owner/repository/file.gguf), or a .gguf file",
    )

    keys = commands.add_parser("keys", help="create, list or revoke API keys")
    actions = keys.add_subparsers(dest="action", required=True, metavar="create|list|revoke")
    creating = add("create", _keys_create, "create an API key and show it once", to=actions)
    creating.add_argument("name", metavar="NAME", help="who uses the key")
    creating.add_argument(
        "--scope",
        choices=("read", "write", "admin"),
        default="read",
        help="read asks, searches and downloads (the default), write also uploads and deletes, admin also sees metrics "
        "and every thread",
    )
    creating.add_argument(
        "--collection",
        action="append",
        default=[],
        metavar="NAME",
        help="the key sees only this collection; give it several times for several (default: all collections)",
    )
    creating.add_argument("--days", type=_positive, metavar="N", help="the key expires after N days (default: never)")
    add("list", _keys_list, "list the API keys, their scope and last use", to=actions)
    add("revoke", _keys_revoke, "refuse an API key from now on", to=actions).add_argument("id", metavar="ID")

    add("mcp", _mcp, "serve the Model Context Protocol on stdin and stdout", as_json=False)

    completion = add(
        "completion", _completion, "print a script that completes commands in a shell", as_json=False, uses_data=False
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))

    doctor = add("doctor", _doctor, "check what is installed, reachable and consistent")
    doctor.add_argument("--verify", action="store_true", help="also compare catalog, originals and indexes row by row")
    doctor.add_argument("--repair", action="store_true", help="the same, and repair the indexes")
    rebuild = add("rebuild", _rebuild, "rebuild the indexes from the catalog")
    rebuild.add_argument("--embed", action="store_true", help="also chunk and embed every document again")
    add("backup", _backup, "write the data directory to one file, also while a server runs").add_argument(
        "file", type=Path, metavar="FILE"
    )
    exporting = add("export", _export, "write one collection to a file, with its originals and vectors")
    exporting.add_argument("collection", metavar="COLLECTION")
    exporting.add_argument("file", type=Path, metavar="FILE")
    importing = add("import", _import, "add the documents of an exported collection")
    importing.add_argument("file", type=Path, metavar="FILE")
    importing.add_argument("--collection", metavar="NAME", help="import into this collection (default: its own name)")
    add("compact", _compact, "remove the words of deleted documents from every file")
    restore = add("restore", _restore, "restore the data directory from a backup")
    restore.add_argument("file", type=Path, metavar="FILE")
    restore.add_argument("--force", action="store_true", help="replace a data directory that is not empty")
    working = add("work", _work, "prepare the documents of a Postgres catalog, beside its servers and other workers")
    working.add_argument("--once", action="store_true", help="end once no document waits")
    working.add_argument(
        "--metrics", type=_address, metavar="HOST:PORT", help="answer /metrics and /livez at this address meanwhile"
    )
    migrating = add("migrate", _migrate, "carry the catalog of the data directory to FOOTNOTE_DATABASE_URL")
    direction = migrating.add_mutually_exclusive_group()
    direction.add_argument("--back", action="store_true", help="carry it from there into the data directory")
    direction.add_argument("--tables", action="store_true", help="only create or update the tables of the database")
    return parser


def _examples_of(command: str) -> str:
    from api.commands.examples import EXAMPLES

    return "\n  ".join(["examples:", *EXAMPLES[command]])


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("footnote-rag")
    except PackageNotFoundError:
        return "(not installed)"


def _port(word: str) -> int:
    if not word.isdecimal() or int(word) > 65_535:
        raise argparse.ArgumentTypeError(f"{word!r} is not a TCP port; write a number from 0 to 65535")
    return int(word)


def _address(word: str) -> tuple[str, int]:
    host, _, port = word.rpartition(":")
    if not host:
        raise argparse.ArgumentTypeError(f"{word!r} is not HOST:PORT; write 127.0.0.1:9100, for example")
    return host.strip("[]"), _port(port)


def _positive(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number of at least 1")
    return int(word)


def _json_object(word: str) -> dict[str, object]:
    try:
        value = json.loads(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{word!r} is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{word!r} is not a JSON object")
    return value


def _natural(word: str) -> int:
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number of at least 0")
    return int(word)


# One function for each command; it imports the command's module when it runs ------------------------------------------


def _serve(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.serve import serve

    return serve(context, host=args.host, port=args.port, insecure=args.insecure)


def _open(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.serve import open_page

    return open_page(context, port=args.port)


def _ingest(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.ingest import ingest

    if args.watch and args.ray:
        from rag.errors import ConfigurationError

        raise ConfigurationError("--watch cannot be used with --ray. Run `footnote work` for files that come later.")
    if args.watch:
        from api.commands.watching import watch

        return watch(context, args.paths, collection=args.collection, metadata=args.metadata)
    return ingest(
        context,
        args.paths,
        collection=args.collection,
        prune=args.prune,
        sync=args.sync,
        metadata=args.metadata,
        ray=args.ray,
    )


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


def _docs_list(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.documents import list_documents

    return list_documents(context, collection=args.collection)


def _docs_show(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.documents import show_document

    return show_document(context, args.ids)


def _docs_rm(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.documents import remove_documents

    return remove_documents(context, args.ids)


def _keys_create(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.keys import create_key

    return create_key(context, args.name, scope=args.scope, collections=args.collection, days=args.days)


def _keys_list(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.keys import list_keys

    return list_keys(context)


def _keys_revoke(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.keys import revoke_key

    return revoke_key(context, args.id)


def _eval(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.evaluate import evaluate
    from evals.run.runner import DEFAULT_OUT, RunOptions
    from evals.suites.cases import SAMPLE_SEED

    _check_sample(args)
    options = RunOptions(
        pipeline=args.pipeline,
        retrieval_only=args.retrieval_only,
        limit=args.limit,
        answerable=args.answerable,
        unanswerable=args.unanswerable,
        seed=SAMPLE_SEED if args.seed is None else args.seed,
        within_document=args.within_document,
        replay=args.replay,
        judge=args.judge,
        fresh=args.fresh,
        style=args.style,
        out=args.out or DEFAULT_OUT,
    )
    return evaluate(
        context,
        args.suite,
        options,
        baseline=args.baseline,
        split=args.split,
        skip_malformed=args.skip_malformed,
    )


def _check_sample(args: argparse.Namespace) -> None:
    """Refuse two samples, an empty sample, and a seed without a sample."""
    refuse: Callable[[str], NoReturn] = args.refuse
    kinds = [count for count in (args.answerable, args.unanswerable) if count is not None]
    if args.limit is not None and kinds:
        refuse("--limit samples all questions, --answerable and --unanswerable one kind each: use one of the two ways")
    if kinds and not any(kinds):
        refuse("--answerable and --unanswerable select no question: set at least one of them to 1 or more")
    if args.seed is not None and args.limit is None and not kinds:
        refuse("--seed needs a sample: give its size with --limit, or with --answerable and --unanswerable")


def _eval_report(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.evaluate import report

    return report(context, args.runs, args.out)


def _eval_questions(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.evaluate import make_feedback_questions, make_questions

    if args.from_feedback:
        return make_feedback_questions(context, args.collection, args.out)
    return make_questions(context, args.collection, count=args.count, out=args.out, seed=args.seed)


def _mcp(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.mcp import serve_stdio

    return serve_stdio(context, _version())


def _completion(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.completion import completion_script

    print(completion_script(build_parser(), args.shell), end="")  # noqa: T201
    return OK


def _models_list(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.models import list_models

    return list_models(context)


def _models_pull(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.models import pull_model

    return pull_model(context, args.name)


def _doctor(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.doctor import doctor

    return doctor(context, verify=args.verify or args.repair, repair=args.repair)


def _rebuild(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.maintenance import rebuild

    return rebuild(context, embed=args.embed)


def _backup(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.maintenance import backup

    return backup(context, args.file)


def _export(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.maintenance import export

    return export(context, args.collection, args.file)


def _import(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.maintenance import import_

    return import_(context, args.file, args.collection)


def _compact(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.maintenance import compact

    return compact(context)


def _restore(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.maintenance import restore

    return restore(context, args.file, force=args.force)


def _work(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.work import work

    return work(context, once=args.once, metrics=args.metrics)


def _migrate(context: CommandContext, args: argparse.Namespace) -> int:
    from api.commands.migrate import make_tables, migrate

    if args.tables:
        return make_tables(context)
    return migrate(context, back=args.back)


if __name__ == "__main__":
    sys.exit(main())
