"""Upload a file, wait until it is ready, and ask: python_client.py QUESTION [URL [FILE]]"""

import sys
from contextlib import closing
from pathlib import Path

from api.client import DEFAULT_URL, Client
from api.http.schemas.answers import AnswerBody, TokenBody


def main(question: str, url: str = DEFAULT_URL, file: str = "") -> None:
    with Client(url) as client:
        if file:
            uploaded = client.upload(Path(file), progress=lambda sent, size: print(f"{sent} of {size} bytes sent"))
            document = client.wait(uploaded.id)
            print(f"{document.name}: {document.status}, {document.chunks} chunks")

        with closing(client.stream(question)) as events:  # closing it stops the model
            for event in events:
                if isinstance(event, TokenBody):
                    print(".", end="", flush=True)  # the draft is not checked yet
                elif isinstance(event, AnswerBody):
                    answer = event
        print()
        print(answer.answer)
        for sentence in answer.sentences:
            print(f"  {sentence.verdict}: {sentence.text}")
        for citation in answer.citations:
            print(f"  [{citation.number}] {citation.document_name}, page {citation.page}: {citation.quote}")


if __name__ == "__main__":
    main(*sys.argv[1:])
