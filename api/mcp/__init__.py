"""The Model Context Protocol: programs that use tools search, ask, verify and read the documents.

`server` offers a Source of answers (`api/sources.py`) as tools and resources. `footnote mcp` serves them on stdin and
stdout (`api/commands/mcp.py`), the HTTP server at `/mcp` (`api/http/mcp.py`). The SDK is an extra:
`pip install -e '.[mcp]'`.
"""
