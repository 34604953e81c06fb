"""Expressions of participants, tracked live beside the engine: by a process of its own, which nothing waits for.

sample.py            what comes out, and the contracts with the pipeline before and behind it
front_end.py         the guard's side: face frames in, samples out, one thread that keeps a tracker running
thinning.py          which frames are tracked
waiting_frames.py    the bounded queue of those
lifecycle.py         whether a tracker runs, why not, and when to start another
every_frame.py       the same for files, where nothing is left out
tracker_link.py      one tracker process as the guard sees it, from its start to its end
messages.py          what the two say to each other
tracker_process.py   what that process runs; needs numpy and MediaPipe, not the guard's packages
"""
