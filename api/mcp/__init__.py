"""The Model Context Protocol: programs that use tools search, ask, verify and read the documents.

`sources` says where the answers come from: the open Library of this process, or a running server. `server` offers them
as tools and resources. `footnote mcp` serves them on stdin and stdout (`api/commands/mcp.py`), the HTTP server at
`/mcp` (`api/http/mcp.py`). The SDK is an extra: `pip install 'footnote-rag[mcp]'`.
"""
