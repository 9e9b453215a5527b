"""Retrieve and ask with LangChain: langchain_retriever.py QUESTION [URL]"""

import sys

from langchain_core.runnables import RunnableLambda

from api.http.schemas.answers import AnswerBody
from api.plugs.langchain import FootnoteAnswers, FootnoteRetriever


def shown(answer: AnswerBody) -> str:
    quotes = [f"  [{one.number}] {one.document_name}: {one.quote}" for one in answer.citations]
    return "\n".join([answer.answer, *quotes])


def main(question: str, url: str = "http://127.0.0.1:8000") -> None:
    for passage in FootnoteRetriever(url=url, top_k=3).invoke(question):
        print(f"{passage.metadata['score']:.2f} {passage.metadata['source']}: {passage.page_content[:60]!r}")

    chain = FootnoteAnswers(url=url) | RunnableLambda(shown)
    print(chain.invoke(question))


if __name__ == "__main__":
    main(*sys.argv[1:])
