"""Hostile video is received and decoded in processes that hold nothing of worth: only crops of faces come out.

worker.py        what such a process runs: confinement first, then the peers
confinement.py   what the process may not do any more (limits, user, seccomp), and which of it holds
own_limits.py    the single steps of it, also for other processes of the guard
spent_memory.py  what ended peers leave behind goes back to the system
messages.py      what the two sides say to each other
order_channel.py how orders go in: bounded, for a worker may stop reading them
crop_ring.py     how face frames come out
supervisor.py    the guard's side: starts workers, gives them peers, notices when they die
"""
