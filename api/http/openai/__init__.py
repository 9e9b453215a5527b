"""OpenAI's API over the same answers: `/v1/models`, `/v1/chat/completions`, `/v1/responses`.

Read in this order: `requests` (what clients send, as a Question), `text` (an answer as text with its sources),
`models`, `chat`, `responses` (the routes with the JSON of their responses). Errors take OpenAI's form in
`api/http/errors.py`. Only checked text is sent: a draft cannot be taken back from a client that has shown it.
"""

from api.http.openai import chat, models, responses

ROUTERS = (models.router, chat.router, responses.router)

__all__ = ["ROUTERS"]
