"""The examples that `--help` shows, by command. Light: the help imports nothing else."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "serve": (
        "footnote serve",
        "footnote serve --port 9000 --data-dir ~/footnote",
        "footnote serve --host 0.0.0.0",
    ),
    "open": ("footnote open", "footnote open --port 9000"),
    "ingest": ("footnote ingest ~/papers", "footnote ingest report.pdf --collection reports"),
    "ask": (
        'footnote ask "How many unused vacation days carry over?"',
        'footnote ask "Who signed the lease?" --collection contracts --style brief',
        'footnote ask "What is the fee?" --json',
    ),
    "chat": ("footnote chat", "footnote chat --collection handbooks"),
    "search": ('footnote search "unused vacation days"', 'footnote search "lease" -k 3 --json'),
    "verify": ("footnote verify draft.txt", 'echo "Ten days carry over." | footnote verify -'),
    "docs list": ("footnote docs list", "footnote docs list --collection reports --json"),
    "docs show": ("footnote docs show 9f2c04",),
    "docs rm": ("footnote docs rm 9f2c04 51ab77",),
    "eval": (
        "footnote eval data/sample",
        "footnote eval data/sample --retrieval-only",
        "footnote eval ~/my-suite --limit 50 --baseline runs/before.json",
    ),
    "eval report": ("footnote eval report runs/sample-1.json runs/sample-2.json --out compared.html",),
    "eval questions": ("footnote eval questions default -n 20",),
    "models list": ("footnote models list",),
    "models pull": ("footnote models pull all-MiniLM-L6-v2",),
    "keys create": (
        "footnote keys create laptop",
        "footnote keys create intranet --scope read --collection handbooks --days 90",
        "footnote keys create ingest --scope write --collection reports --json",
    ),
    "keys list": ("footnote keys list",),
    "keys revoke": ("footnote keys revoke 4f1c09a2b7de",),
    "mcp": ("footnote mcp --data-dir ~/footnote",),
    "completion": (
        "source <(footnote completion bash)",
        "source <(footnote completion zsh)",
        "footnote completion fish | source",
    ),
    "doctor": ("footnote doctor", "footnote doctor --json", "footnote doctor --repair"),
    "rebuild": ("footnote rebuild", "footnote rebuild --embed"),
    "backup": ("footnote backup footnote.tar",),
    "restore": ("footnote restore footnote.tar --force",),
    "export": ("footnote export reports reports.tar",),
    "import": ("footnote import reports.tar", "footnote import reports.tar --collection reports-2026"),
    "compact": ("footnote compact",),
    "work": ("footnote work", "footnote work --metrics 127.0.0.1:9100", "footnote work --once --json"),
    "migrate": ("footnote migrate", "footnote migrate --back --data-dir ~/footnote", "footnote migrate --tables"),
}
"""Examples of every command; a test parses each."""
