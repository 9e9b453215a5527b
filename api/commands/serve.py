"""serve: run the HTTP server. Missing default models are fetched first."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from types import FrameType

from api.commands.context import CommandContext
from api.commands.models import fetch_missing_embedder, fetch_model, is_missing
from rag.errors import ConfigurationError, DependencyError, FootnoteError
from rag.logs import start_logging
from rag.models.hosts import is_loopback
from rag.models.hub import hub_name
from rag.models.weights import DEFAULT_EMBEDDING, DEFAULT_LLM, MODELS
from rag.settings import Server
from rag.store.keys import new_secret
from rag.store.lock import claim_directory

GRACE_S = 10  # for running requests, after the signal to stop
BACKLOG = 2_048


def open_page(context: CommandContext, *, port: int | None) -> int:
    """Open the page in the browser: that of the running server, otherwise of one that is started and served until
    SIGTERM or Ctrl-C. Raises as `serve` does.
    """
    server = context.find_server()
    if server is None:
        return serve(context, host=None, port=port, opens_page=True)
    _show_page(context, server.url)
    return 0


def _show_page(context: CommandContext, url: str) -> None:
    import webbrowser

    if not webbrowser.open(url):
        context.say(f"No browser could be started here. Open {url} in one.")


def serve(
    context: CommandContext,
    *,
    host: str | None,
    port: int | None,
    insecure: bool = False,
    opens_page: bool = False,
) -> int:
    """Serve until SIGTERM or Ctrl-C, then return 0. With `opens_page`, show the page in the browser once it is ready.

    Raises ConfigurationError where other machines could reach the server and there is no key;
    DataDirectoryInUse, before any slow step, where another process owns the directory; DependencyError where the port
    is taken or the embedding model cannot be fetched.
    """
    given = {"host": host, "port": port, "insecure": insecure or None}
    server = context.settings.server.model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
    settings = context.settings.model_copy(update={"server": server, "data_dir": context.data_dir})
    start_logging(context.settings.log_format)
    previous = signal.signal(signal.SIGTERM, _stop)
    try:
        claim_directory(context.data_dir, context.command).release()
        context.say(f"Data directory: {context.data_dir}")
        _check_keys(context, server)
        _check_tls(server)
        listening = listen(server.host, server.port)
        with listening:
            _fetch_models(context)
            failures = _run(context.with_settings(settings), listening, opens_page)
        if failures:
            raise failures[0]
    except KeyboardInterrupt:
        return 0  # stopped while models were fetched
    finally:
        signal.signal(signal.SIGTERM, previous)
    return 0


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Ignore a signal: uvicorn raises the signals that it handled once more, after everything is closed."""


def _check_keys(context: CommandContext, server: Server) -> None:
    """Raise ConfigurationError where other machines reach the server and no key is valid, unless that is wanted."""
    if server.insecure:
        context.say("Warning: this server answers everyone who reaches it, without a key (--insecure).")
        return
    if is_loopback(server.host.lower().strip("[]")):
        return
    with context.open_catalog() as catalog:
        if any(key.state == "valid" for key in catalog.keys.list_keys()):
            return
    raise ConfigurationError(
        f"Other machines would reach the server on {server.host}, and {context.data_dir} has no valid API key. Create "
        "one with `footnote keys create NAME`, or start with --insecure to answer everyone without a key."
    )


def _check_tls(server: Server) -> None:
    """Raise ConfigurationError where the files of the certificate and its key cannot be used."""
    if server.tls_certificate is None and server.tls_key is None:
        return
    if server.tls_certificate is None or server.tls_key is None:
        raise ConfigurationError(
            "TLS needs a certificate and its key. Set both FOOTNOTE_SERVER__TLS_CERTIFICATE and "
            "FOOTNOTE_SERVER__TLS_KEY."
        )
    certificate, key = server.tls_certificate.expanduser(), server.tls_key.expanduser()
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            f"The certificate {certificate} with the key {key} cannot be used: {error}. Correct "
            "FOOTNOTE_SERVER__TLS_CERTIFICATE and FOOTNOTE_SERVER__TLS_KEY."
        ) from error


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Connections made while models are fetched wait until the application starts.

    Raises DependencyError where the address cannot be used.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
        except BaseException:
            listening.close()
            raise
    except OSError as error:
        raise DependencyError(
            f"Footnote cannot listen on {host} port {port}: {error.strerror or error}. Stop the program that uses "
            "it, or choose another port (0 takes a free port)."
        ) from error
    return listening


def url_of(listening: socket.socket, tls: bool = False) -> str:
    """The address of the server for clients on this machine."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _run(context: CommandContext, listening: socket.socket, opens_page: bool) -> list[FootnoteError]:
    """Serve until stopped. Returns the error where the data directory could not be opened."""
    import uvicorn

    from api.http.app import create_app
    from ingest.runtime import Runtime

    failures: list[FootnoteError] = []
    settings = context.settings.server
    certificate = "" if settings.tls_certificate is None else str(settings.tls_certificate.expanduser().absolute())
    url, local_key = url_of(listening, tls=bool(certificate)), new_secret()

    def open_runtime() -> Runtime:
        runtime = context.open_runtime()
        runtime.library.announce(context.command, url, local_key, certificate)
        return runtime

    def on_opened(_runtime: Runtime) -> None:
        context.say(f"Footnote is ready at {url} (data directory {context.data_dir})")
        if opens_page:
            _show_page(context, url)

    def on_failed(error: FootnoteError) -> None:
        failures.append(error)
        server.should_exit = True

    app = create_app(open_runtime, context.settings, local_key=local_key, on_opened=on_opened, on_failed=on_failed)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=GRACE_S,
            server_header=False,
            ssl_certfile=certificate or None,
            ssl_keyfile=settings.tls_key and settings.tls_key.expanduser(),
        )
    )
    previous = [(number, signal.signal(number, _ignore)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        server.run(sockets=[listening])
    finally:
        for number, handler in previous:
            signal.signal(number, handler)
    return failures


def _fetch_models(context: CommandContext) -> None:
    """Fetch the embedding model, and the embedded language model where the settings lead to it.

    Raises DependencyError where the embedding model cannot be fetched. Without a language model, searches still work.
    """
    fetch_missing_embedder(context)
    if context.models.embedder is None and is_missing(context, DEFAULT_EMBEDDING):
        try:
            fetch_model(context, DEFAULT_EMBEDDING)
        except DependencyError as error:
            context.say(error.message)
            context.say("Passages of English questions are not read by the encoder, whose word embeddings these are.")
    name = _embedded_model(context)
    if name is None or not is_missing(context, name):
        return
    try:
        fetch_model(context, name)
    except DependencyError as error:
        context.say(error.message)
        context.say(
            f"Footnote starts without a language model: uploads and searches work, questions return 503 until "
            f"`footnote models pull {name}` has succeeded or Ollama is running."
        )


def _embedded_model(context: CommandContext) -> str | None:
    """The model of MODELS or of the hub that answers need on this machine, or None."""
    from rag.generation import make_generator

    settings = context.settings.generation
    name = settings.model or DEFAULT_LLM
    if context.models.generator is not None or settings.backend not in ("auto", "embedded"):
        return None
    named = None if name in MODELS else hub_name(name)
    if not (named.file if named is not None else name in MODELS and MODELS[name].kind == "llm"):
        return None
    if settings.backend == "auto":
        ollama = make_generator(
            settings.model_copy(update={"backend": "ollama"}), context.settings.resolved_model_dir()
        )
        if asyncio.run(ollama.describe()).reachable:
            return None
    return name
