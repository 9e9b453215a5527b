"""Lays out public question sets as suites: the published files in, a folder with documents/ and questions.jsonl out.

    published files ─ read_squad2, read_spans, read_contoso, read_sec10q ─> Layout ─ write_layout ─> suite

    python -m evals.suites.public squad2 dev-v2.0.json --out suites/squad2

Nothing is downloaded. docs/suites.md says where each set is published, under which licence, and which files are taken.
A set in BEIR's layout (scifact) is a suite as it is published.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from rag.errors import InputError

Fields = dict[str, object]
"""One line of questions.jsonl."""

SQUAD2_ARTICLES = (
    "Normans",
    "Huguenot",
    "1973_oil_crisis",
    "Packet_switching",
    "Yuan_dynasty",
    "Scottish_Parliament",
    "Imperialism",
    "French_and_Indian_War",
)
"""The articles of dev-v2.0.json that the published figures were measured on, in the order of that file."""

_SPANS_QUESTIONS, _SPANS_CORPORA = "questions_df.csv", "corpora"
_CITED_PAGE = re.compile(r"\s*\[([^\[\]]+?\.pdf)(?:#page=(\d+))?\]", re.IGNORECASE)
_NAMED_SOURCE = re.compile(r"\s*\(SOURCE(?:\(S\))?:[^)]*\)")
_SOURCE_LIST = re.compile(r"\s*SOURCE\(S\):.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Layout:
    """A suite before it is written: documents by file name, each a text or a file to copy, and the questions."""

    documents: Mapping[str, str | Path]
    questions: tuple[Fields, ...]


def write_layout(layout: Layout, folder: Path) -> None:
    """Write documents/ and questions.jsonl; a stop half-way leaves no folder.

    Raises InputError where the folder already holds anything, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} already holds something. Name a new folder with --out.")
    part = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        documents = part / "documents"
        documents.mkdir(parents=True)
        for name, content in layout.documents.items():
            if isinstance(content, Path):
                shutil.copyfile(content, documents / name)
            else:
                (documents / name).write_text(content, encoding="utf-8", newline="")
        lines = "".join(json.dumps(fields, ensure_ascii=False) + "\n" for fields in layout.questions)
        (part / "questions.jsonl").write_text(lines, encoding="utf-8", newline="")
        part.replace(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error}. Name another folder with --out.") from error


# squad2 ---------------------------------------------------------------------------------------------------------------


def read_squad2(path: Path, articles: Sequence[str] = SQUAD2_ARTICLES) -> Layout:
    """The named articles of SQuAD 2.0, each a Markdown document of its paragraphs, with all questions about them.

    The evidence of a question is its paragraph; an unanswerable question names it as `near`. Raises InputError for an
    article that the file lacks.
    """
    published = {article["title"]: article["paragraphs"] for article in json.loads(_read(path))["data"]}
    if missing := [title for title in articles if title not in published]:
        raise InputError(f"{path} has no article {missing[0]!r}. Take dev-v2.0.json as it is published.")
    documents: dict[str, str | Path] = {}
    questions: list[Fields] = []
    for title in articles:
        name, text = f"{title}.md", f"# {title.replace('_', ' ')}\n\n"
        for paragraph in published[title]:
            place: Fields = {"document": name, "start": len(text), "end": len(text) + len(paragraph["context"])}
            questions += (_squad2_question(asked, place) for asked in paragraph["qas"])
            text += paragraph["context"] + "\n\n"
        documents[name] = text
    return Layout(documents, tuple(questions))


def _squad2_question(asked: Mapping[str, object], place: Fields) -> Fields:
    given = asked["answers"]
    texts = [answer["text"] for answer in given] if isinstance(given, list) else []
    fields: Fields = {
        "id": f"squad2-{asked['id']}",
        "question": asked["question"],
        "answers": list(dict.fromkeys(texts)),
    }
    if asked["is_impossible"]:
        return fields | {"answers": [], "answerable": False, "near": [place], "evidence": []}
    return fields | {"answerable": True, "evidence": [place]}


# spans ----------------------------------------------------------------------------------------------------------------


def read_spans(folder: Path) -> Layout:
    """The texts in corpora/ and the questions of questions_df.csv, whose evidence is exact characters of a text.

    Raises InputError where the characters are not the quoted words: the text is another version then.
    """
    corpora = {path.stem: path for path in sorted((folder / _SPANS_CORPORA).glob("*.md"))}
    if not corpora:
        raise InputError(f"{folder} has no {_SPANS_CORPORA}/*.md. Name the folder that holds {_SPANS_QUESTIONS}.")
    texts = {name: _read(path) for name, path in corpora.items()}
    questions: list[Fields] = []
    for row in _rows(folder / _SPANS_QUESTIONS, ("question", "references", "corpus_id")):
        name = row["corpus_id"]
        if name not in texts:
            raise InputError(f"{folder / _SPANS_QUESTIONS} names the text {name!r}, which is not in {_SPANS_CORPORA}/.")
        evidence = []
        for reference in json.loads(row["references"]):
            start, end, quote = reference["start_index"], reference["end_index"], reference["content"]
            if texts[name][start:end] != quote:
                raise InputError(f"{corpora[name]} does not hold {quote[:80]!r} at {start}: it is another version.")
            evidence.append({"document": corpora[name].name, "start": start, "end": end, "quote": quote})
        questions.append(_answerable(f"spans-{len(questions):03}", row["question"], [], evidence))
    return Layout({path.name: path for path in corpora.values()}, tuple(questions))


# contoso --------------------------------------------------------------------------------------------------------------


def read_contoso(answerable: Path, unanswerable: Path | None, documents: Path) -> Layout:
    """The questions of qa.jsonl, whose answers end in `[file.pdf#page=7]`, and those of a file without answers.

    `documents` is the folder of the PDF files. Raises InputError where an answer cites no file of it.
    """
    files = _pdf_files(documents)
    questions: list[Fields] = []
    for line, fields in _json_lines(answerable):
        truth = str(fields.get("truth", ""))
        evidence = []
        for name, page in dict.fromkeys(_CITED_PAGE.findall(truth)):
            if name not in files:
                raise InputError(f"{answerable} line {line} cites {name}, which is not in {documents}. Put it there.")
            evidence.append({"document": name} | ({"page": int(page)} if page else {}))
        if not evidence:
            raise InputError(f"{answerable} line {line} cites no file: {truth[-80:]!r}. Take another version of it.")
        answer = _CITED_PAGE.sub("", truth).strip()
        questions.append(_answerable(f"contoso-{len(questions):03}", fields["question"], [answer], evidence))
    for number, (_, fields) in enumerate(_json_lines(unanswerable) if unanswerable else ()):
        asked: Fields = {"id": f"contoso-dk-{number:03}", "question": fields["question"], "answers": []}
        questions.append(asked | {"answerable": False, "evidence": []})
    return Layout(files, tuple(questions))


def _json_lines(path: Path) -> Iterator[tuple[int, Fields]]:
    """The 1-based number and the object of each line that is not blank."""
    for number, line in enumerate(_read(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path} line {number} is not JSON: {error}.") from error
        if not isinstance(fields, dict) or "question" not in fields:
            raise InputError(f"{path} line {number} has no field `question`: {line[:80]!r}.")
        yield number, fields


# sec10q ---------------------------------------------------------------------------------------------------------------


def read_sec10q(table: Path, documents: Path) -> Layout:
    """The questions of a CSV file whose `Source Docs` is a pattern of file names, `*2023 Q3 INTC*` or `*AAPL*`.

    The evidence of a question is every file that its pattern matches. The names of sources that an answer appends are
    left out. Raises InputError where a pattern matches no file.
    """
    files = _pdf_files(documents)
    questions: list[Fields] = []
    for row in _rows(table, ("Question", "Source Docs", "Question Type", "Source Chunk Type", "Answer")):
        pattern = row["Source Docs"].strip()
        evidence = [{"document": name} for name in files if fnmatchcase(name, pattern)]
        if not evidence:
            raise InputError(f"{table}: no file in {documents} matches {pattern!r}. Put the reports there.")
        answer = _SOURCE_LIST.sub("", _NAMED_SOURCE.sub("", row["Answer"])).strip()
        fields = _answerable(f"sec10q-{len(questions):03}", row["Question"], [answer], evidence)
        questions.append(fields | {"kind": row["Question Type"], "chunk_type": row["Source Chunk Type"]})
    return Layout(files, tuple(questions))


# shared ---------------------------------------------------------------------------------------------------------------


def _answerable(
    name: str, question: object, answers: Sequence[str], evidence: Sequence[Mapping[str, object]]
) -> Fields:
    return {"id": name, "question": question, "answers": answers, "answerable": True, "evidence": evidence}


def _pdf_files(folder: Path) -> dict[str, str | Path]:
    files = {path.name: path for path in sorted(folder.glob("*.pdf"))}
    if not files:
        raise InputError(f"{folder} holds no PDF files. Name the folder of the documents with --documents.")
    return dict(files)


def _rows(path: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """The rows of a CSV file with a header. Raises InputError where it lacks one of the columns."""
    rows = csv.DictReader(io.StringIO(_read(path), newline=""))
    if missing := [name for name in columns if name not in (rows.fieldnames or ())]:
        raise InputError(f"{path} has no column {missing[0]!r}: it is another file or another version.")
    yield from rows


def _read(path: Path) -> str:
    """The text of a UTF-8 file, its line ends as they are."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}. Name the downloaded file.") from error


# command line ---------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Lay one suite out. Exit status 2 for files that are missing or in another form."""
    parser = argparse.ArgumentParser(
        prog="python -m evals.suites.public", description=(__doc__ or "").split("\n", 1)[0]
    )
    suites = parser.add_subparsers(dest="suite", required=True, metavar="SUITE")
    squad2, spans, contoso, sec10q = (
        suites.add_parser(name, help=text)
        for name, text in (
            ("squad2", "8 articles of SQuAD 2.0's dev-v2.0.json"),
            ("spans", "the five texts and questions_df.csv of chunking_evaluation"),
            ("contoso", "qa.jsonl of ai-rag-chat-evaluator and the PDF files that it asks about"),
            ("sec10q", "the CSV file and the PDF files of KG-RAG-datasets' sec-10-q"),
        )
    )
    squad2.add_argument("file", type=Path, metavar="dev-v2.0.json")
    spans.add_argument("folder", type=Path, metavar="DIR", help=f"holds {_SPANS_QUESTIONS} and {_SPANS_CORPORA}/")
    contoso.add_argument("file", type=Path, metavar="qa.jsonl")
    contoso.add_argument(
        "--unanswerable", type=Path, metavar="FILE", help="questions without an answer, in the same form"
    )
    sec10q.add_argument("file", type=Path, metavar="FILE.csv")
    for with_documents in (contoso, sec10q):
        with_documents.add_argument(
            "--documents", type=Path, required=True, metavar="DIR", help="folder of the PDF files"
        )
    for suite in (squad2, spans, contoso, sec10q):
        suite.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder for the suite")
    options = parser.parse_args(arguments)
    try:
        layout = _read_layout(options)
        write_layout(layout, options.out)
    except InputError as error:
        parser.error(error.message)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # a short row of a CSV file has None
        parser.error(f"The files are in another form ({error!r}). docs/suites.md names the version that is read.")
    unanswerable = sum(not fields["answerable"] for fields in layout.questions)
    print(  # noqa: T201
        f"{options.out}: {len(layout.documents)} documents, {len(layout.questions)} questions, "
        f"{unanswerable} of them without an answer."
    )
    return 0


def _read_layout(options: argparse.Namespace) -> Layout:
    if options.suite == "squad2":
        return read_squad2(options.file)
    if options.suite == "spans":
        return read_spans(options.folder)
    if options.suite == "contoso":
        return read_contoso(options.file, options.unanswerable, options.documents)
    return read_sec10q(options.file, options.documents)


if __name__ == "__main__":
    sys.exit(main())
