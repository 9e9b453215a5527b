"""Who calls, and the Library as that caller sees it: what the caller may not see does not exist there.

Every face (HTTP, OpenAI's API, MCP, the commands) reads and asks through a View, so that a collection is checked in one
place. A foreign document, collection or thread raises the NotFound of a missing one, in the same words.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TypeVar

from api.admission import Admission, Admitted
from api.http.schemas.documents import Documents, PageBody, TextBody, pack_documents, pack_page, pack_text
from rag.library import Library
from rag.retrieval.scope import Scope, collections_among, find_collection, find_document
from rag.service import HitsFound, Question
from rag.store.keys import KEY_SCOPES, ApiKey, KeyScope
from rag.store.records import DocumentRecord
from rag.store.threads import Threads
from rag.types import Answer, DocumentStatus, Hit, Loading, Token
from rag.verification import Verified

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: `collections` are the only ones that exist for the caller, None for all. `key_id` is None without a
    key."""

    name: str
    scope: KeyScope
    collections: tuple[str, ...] | None = None
    key_id: str | None = None

    def may(self, scope: KeyScope) -> bool:
        """Whether the caller's scope is this one or includes it."""
        return KEY_SCOPES.index(scope) <= KEY_SCOPES.index(self.scope)


ANYONE = Caller("anyone", "admin")
"""The caller where no key is needed."""

THIS_MACHINE = Caller("this machine", "admin")
"""A command of someone who can read the data directory."""


def caller_of(key: ApiKey) -> Caller:
    """The caller who has sent this key."""
    return Caller(key.name, key.scope, key.collections or None, key.id)


@dataclass(frozen=True, slots=True)
class View:
    """The Library as one caller sees it. `noted` gathers what the caller asks and does, for the audit log.

    What takes long needs a place of the `admission`, which all callers of a server share.
    """

    library: Library
    caller: Caller = ANYONE
    noted: dict[str, object] = field(default_factory=dict)
    admission: Admission = field(default_factory=Admission)

    async def in_turn(self, look: Callable[..., _T], *arguments: object) -> _T:
        """What a look at the catalog returns, in a thread and a place of its own. Raises TooBusy."""
        return await self.admission.finish("catalog", lambda: asyncio.to_thread(look, *arguments))

    @property
    def threads(self) -> Threads:
        """The threads of the caller's key; all of them for `admin`."""
        return self.library.catalog.threads.of_key(self.caller.key_id, everyones=self.caller.may("admin"))

    def collections(self) -> list[str]:
        """The names of the collections that exist for the caller."""
        return collections_among(self.library.catalog, self.caller.collections)

    def collection(self, name: str) -> str:
        """A collection's name as it is stored. Raises NotFound, InputError."""
        return find_collection(name, self.collections())

    def collection_to_fill(self, name: str) -> str:
        """A collection to add documents to, which a caller who sees all of them may thereby create.

        Raises NotFound where the caller sees only others, InputError for a name that cannot be used.
        """
        return name if self.caller.collections is None else self.collection(name)

    def document(self, document_id: str) -> DocumentRecord:
        """One document's record. Raises NotFound."""
        return find_document(self.library.catalog, document_id, self.caller.collections)

    def documents(
        self, collection: str | None, status: DocumentStatus | None, limit: int | None, offset: int
    ) -> Documents:
        """The documents that match the filters as JSON. Raises NotFound."""
        within = self.caller.collections if collection is None else [self.collection(collection)]
        return pack_documents(self.library.catalog, within, status, limit, offset)

    def page(self, document_id: str, page: int, marked: tuple[int, int] = (0, 0)) -> PageBody:
        """A page as JSON, with the boxes of the `marked` characters of the document's text. Raises NotFound."""
        self.noted.update(document_id=document_id, page=page)
        self.document(document_id)
        return pack_page(self.library.catalog, document_id, page, marked)

    def text(self, document_id: str, start: int, end: int | None) -> TextBody:
        """The document's text from character `start` to `end` as JSON. Raises NotFound."""
        self.document(document_id)
        return pack_text(self.library.catalog, document_id, start, end)

    def delete_document(self, document_id: str) -> None:
        """Remove a document; once this returns, no search finds it. Raises NotFound."""
        self.document(document_id)
        self.library.catalog.removals.delete(document_id)

    async def search(self, text: str, scope: Scope, top_k: int | None) -> list[Hit]:
        """`Service.search` in the caller's collections. Raises TooBusy."""
        self._note(scope, query=text)
        within = self._within(scope)
        return await self.admission.finish("search", lambda: self.library.service.search(text, within, top_k))

    async def ask(self, question: Question) -> Answer:
        """`Service.ask` in the caller's collections. Raises TooBusy."""
        self._note(question.scope, question=question.text)
        async with self.admission.place("answer"):
            return await self.library.service.ask(replace(question, scope=self._within(question.scope)))

    async def stream(self, question: Question) -> AsyncGenerator[Admitted | HitsFound | Loading | Token | Answer]:
        """`Service.stream` in the caller's collections, after Admitted. Raises TooBusy instead of that."""
        self._note(question.scope, question=question.text)
        asked = replace(question, scope=self._within(question.scope))
        async with self.admission.place("answer"), aclosing(self.library.service.stream(asked)) as events:
            yield Admitted()
            async for event in events:
                yield event

    async def verify(self, text: str, scope: Scope, question: str) -> Verified:
        """`Service.verify` in the caller's collections. Raises TooBusy."""
        self._note(scope, text_chars=len(text))
        async with self.admission.place("verify"):
            return await self.library.service.verify(text, self._within(scope), question)

    def _note(self, scope: Scope, **what: object) -> None:
        named = {"collection": scope.collection, "document_ids": scope.document_ids}
        self.noted.update(what | {name: value for name, value in named.items() if value is not None})

    def _within(self, scope: Scope) -> Scope:
        return replace(scope, allowed=self.caller.collections)
