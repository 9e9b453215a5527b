"""What a store must outlive without losing anything (`docs/reliability.md`): kills, and disks that fail.

`zygote` is the program that is killed, `harness` kills it and compares; `python -m tests.faults` is the long form.
`broken_disk` is the program whose disk fails, by `failing_disk.c`; `cycles` creates and deletes.
"""
