"""Ask with OpenAI's client: openai_client.py QUESTION [URL]"""

import sys

from openai import OpenAI


def main(question: str, url: str = "http://127.0.0.1:8000") -> None:
    client = OpenAI(base_url=f"{url}/v1", api_key="none")
    print("Models:", ", ".join(model.id for model in client.models.list()))

    # The text closes with its sources, so it reads well anywhere. `footnote/COLLECTION` asks one collection.
    stream = client.chat.completions.create(
        model="footnote", messages=[{"role": "user", "content": question}], stream=True
    )
    for chunk in stream:
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()

    response = client.responses.create(model="footnote", input=question)
    for item in response.output:
        if item.type == "message" and item.content[0].type == "output_text":
            part = item.content[0]
            for citation in part.annotations:
                if citation.type == "url_citation":
                    marker = part.text[citation.start_index : citation.end_index]
                    print(f"{marker} is {citation.title}, {citation.url}")


if __name__ == "__main__":
    main(*sys.argv[1:])
