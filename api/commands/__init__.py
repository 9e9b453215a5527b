"""One module a group of commands; `api/cli.py` says which words call them. Nothing here is imported before it runs."""
