"""Ask with the tools of the Model Context Protocol: mcp_client.py QUESTION [URL]

A program that starts its servers itself runs `footnote mcp` instead.
"""

import asyncio
import sys

from mcp import Client


async def main(question: str, url: str = "http://127.0.0.1:8000") -> None:
    async with Client(f"{url}/mcp") as client:
        print("Tools:", ", ".join(tool.name for tool in (await client.list_tools()).tools))
        result = await client.call_tool("ask", {"question": question})
        for part in result.content:
            print(part.text)
        for citation in result.structured_content["citations"]:
            print(f"  [{citation['number']}] {citation['document_id'][:12]} {citation['start']}-{citation['end']}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
